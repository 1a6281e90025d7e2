"""A model in memory as it is read: with all that makes this quick and the same each time."""

from __future__ import annotations

from ethogram.source.aligned import aligned
from ethogram.source.load import Loaded, ready
from ethogram.source.packed import packed
from ethogram.specs.models import Source


def to_read(loaded: Loaded, source: Source) -> Loaded:
    """The model, only to be read from then on: in the source's numbers, weights packed, attention aligned."""
    return aligned(packed(ready(loaded, source)))
