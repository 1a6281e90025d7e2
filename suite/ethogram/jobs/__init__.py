"""The two jobs that cost time, *finetune* and *score*, and the process that runs them."""

from ethogram.jobs.progress import Progress
from ethogram.jobs.run import Run
from ethogram.plan import NotMeasured

__all__ = ["NotMeasured", "Progress", "Run"]
