"""How much a cache holds, and making room in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ethogram.store.entries import Entries, refuse_link, writing
from ethogram.store.root import Store

KINDS = ("sources", "adapters", "checkpoints", "scores", "transcripts", "judgements", "flips")


@dataclass(frozen=True, slots=True)
class Usage:
    """One kind of entries: how many there are, and bytes on disk, damaged ones included."""

    kind: str
    entries: int
    size: int


def usage(store: Store) -> list[Usage]:
    """What the cache holds, kind by kind."""
    return [
        Usage(kind, sum(1 for _ in _entries(store.root / kind)), _size(store.root / kind))
        for kind in KINDS
    ]


def clear(store: Store, kind: str, *, wait: float = 5.0) -> int:
    """Remove every entry of the kind and return how many there were.

    Each is removed under its own lock, so that nothing is taken from under a process that trains
    or scores. Raises StoreError naming a lock that another process holds for more than `wait` s.
    """
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of entries: {', '.join(KINDS)}")
    folder = store.root / kind
    # Whoever scores a model, teaches, or lets a judge judge, holds its lock among the jobs; whoever
    # trains, that of the adapter.
    logged = dict.fromkeys(("scores", "transcripts", "judgements", "flips"), store.jobs.folder)
    holders = {**logged, "checkpoints": store.adapters.folder}
    locks = Entries(holders.get(kind, folder), lock_seconds=wait)
    found = list(_entries(folder))
    with writing(folder):
        if folder.exists():
            refuse_link(folder)
        for entry in found:
            with locks.locked(entry.name):
                shutil.rmtree(entry)
        shutil.rmtree(folder / ".damaged", ignore_errors=True)
    return len(found)


def _entries(folder: Path) -> Iterator[Path]:
    """Whole entries: folders, and no hidden ones (those are being written or set aside)."""
    if folder.is_dir():
        yield from (
            entry
            for entry in sorted(folder.iterdir())
            if entry.is_dir() and not entry.is_symlink() and not entry.name.startswith(".")
        )


def _size(folder: Path) -> int:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(file.stat().st_size for file in files)
