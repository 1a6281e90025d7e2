"""Where a verb reads and writes: the suite around a path, whole files or none."""

from __future__ import annotations

from pathlib import Path

from ethogram.specs.errors import shown
from ethogram.specs.layout import CONSTITUTIONS
from ethogram.specs.suite import Suite
from ethogram.store.whole import write_whole


class UsageError(Exception):
    """What was asked for cannot be done that way; the message says what can."""


def suite_around(path: Path, models_file: Path | None = None) -> Suite:
    """The suite that holds `path`, with its own models.yaml unless another is named.

    Raises UsageError when there is none.
    """
    if models_file is not None and not models_file.exists():
        raise UsageError(f"{models_file} does not exist")
    suite = Suite.around(path.resolve(), models_file.resolve() if models_file else None)
    if suite is None:
        raise UsageError(f"{shown(path)} lies in no suite: no folder {CONSTITUTIONS}/ above it")
    return suite


def write(file: Path, text: str) -> None:
    """Write the whole file or nothing, in a folder that is made where it is missing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, text)
