"""Where the cache lies and what it holds."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from ethogram.store.checkpoints import Checkpoints
from ethogram.store.entries import Entries
from ethogram.store.scores import ScoreLog

CACHE_VARIABLE = "ETHOGRAM_CACHE"


def default_root() -> Path:
    """The folder that ETHOGRAM_CACHE names, else the platform's cache folder."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else Path(platformdirs.user_cache_dir("ethogram"))


@dataclass
class Store:
    """One cache folder. Safe to share between processes, and between suites."""

    root: Path
    _logs: dict[str, ScoreLog] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Resolved once: below the root no link is followed out of it.
        self.root = self.root.expanduser().resolve()

    @property
    def sources(self) -> Entries:
        return Entries(self.root / "sources")

    @property
    def adapters(self) -> Entries:
        return Entries(self.root / "adapters")

    @property
    def jobs(self) -> Entries:
        """Locks only: one process at a time scores a model."""
        return Entries(self.root / "jobs")

    def checkpoints(self, adapter_key: str) -> Checkpoints:
        """Where the training of an adapter stands; gone once the adapter is stored."""
        return Checkpoints(Entries(self.root / "checkpoints").path(adapter_key))

    def transcripts(self, teachers: str) -> ScoreLog:
        """What the teachers of a digest have said; each transcript is stored when it is finished."""
        return self._log("transcripts", teachers)

    def scores(self, model_digest: str) -> ScoreLog:
        """The scores of one model; read from disk at the caller's `refresh`."""
        return self._log("scores", model_digest)

    def judgements(self, judge_digest: str) -> ScoreLog:
        """What one judge said of answers, apart from the answers themselves."""
        return self._log("judgements", judge_digest)

    def flips(self, model_digest: str) -> ScoreLog:
        """Perturbations under which a verdict of the model was once seen to flip."""
        return self._log("flips", model_digest)

    def _log(self, kind: str, digest: str) -> ScoreLog:
        # Found again by its name: a warm run looks here once for every score that it reads.
        name = f"{kind}/{digest}"
        if name not in self._logs:
            self._logs[name] = ScoreLog(Entries(self.root / kind).path(digest))
        return self._logs[name]
