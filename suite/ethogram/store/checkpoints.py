"""Where a long job stood: numbered folders, of which the two newest are kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ethogram.store.entries import DamagedEntry, Entries, writing

KEPT = 2


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The checkpoints of one job. Whoever uses them holds the job's lock."""

    folder: Path

    def save(self, number: int, write: Callable[[Path], dict[str, Any]]) -> None:
        """Keep what `write(folder)` writes as the newest; it counts once its manifest is there.

        Raises StoreError when the disk refuses.
        """
        self._entries.obtain(_key(number), write)
        for old in self._numbers()[:-KEPT]:
            shutil.rmtree(self._entries.path(_key(old)), ignore_errors=True)
            self._entries.path(_key(old)).with_suffix(".lock").unlink(missing_ok=True)

    def newest(self) -> tuple[int, Path] | None:
        """(number, folder) of the newest whole checkpoint; damaged ones are set aside."""
        for number in reversed(self._numbers()):
            try:
                found = self._entries.verified(_key(number))
            except DamagedEntry:
                continue
            if found is not None:
                return number, found
            self._entries.set_aside(_key(number))
        return None

    def clear(self) -> None:
        """Remove them all: the job is done, or they are of no use."""
        if self.folder.is_dir():
            with writing(self.folder):
                shutil.rmtree(self.folder)

    @property
    def _entries(self) -> Entries:
        return Entries(self.folder)

    def _numbers(self) -> list[int]:
        if not self.folder.is_dir():
            return []
        names = (path.name for path in self.folder.iterdir() if path.is_dir())
        return sorted(int(name) for name in names if name.isdecimal())


def _key(number: int) -> str:
    return f"{number:016d}"
