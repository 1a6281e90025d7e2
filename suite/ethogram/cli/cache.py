"""`ethogram cache`: where sources, adapters and scores are kept, and how much there is."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ethogram.cli.files import UsageError
from ethogram.store import Store, clear, default_root, usage
from ethogram.store.inventory import KINDS


def cache(options: argparse.Namespace) -> int:
    """Show where the cache is and what it holds, or clear one kind of it."""
    store = Store(options.cache or default_root())
    if options.path:
        print(store.root)
        return 0
    if options.clear:
        return _clear(store, options.clear, sure=options.yes)
    print(store.root)
    for kind in usage(store):
        print(f"  {kind.kind:<11}{kind.entries:>6}  {_bytes(kind.size):>9}")
    return 0


def _clear(store: Store, kind: str, *, sure: bool) -> int:
    held = next(found for found in usage(store) if found.kind == kind)
    what = f"{held.entries} of {kind} ({_bytes(held.size)}) in {store.root}"
    if not sure:
        raise UsageError(f"would delete {what}; add --yes to do it")
    clear(store, kind)
    print(f"deleted {what}")
    return 0


def _bytes(size: int) -> str:
    amount = float(size)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def add_arguments(verbs: Any) -> None:
    """The verb's own part of the command line."""
    parser = verbs.add_parser(
        "cache",
        help="where sources, adapters and scores are kept, and how much there is",
        description="Show where sources, adapters and scores are kept and how much there is. "
        "Whatever is deleted is made anew when it is next needed.",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="a cache other than that of ETHOGRAM_CACHE or of the platform",
    )
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--path", action="store_true", help="print the folder alone")
    either.add_argument("--clear", choices=KINDS, help="delete all of one kind (needs --yes)")
    parser.add_argument("--yes", action="store_true", help="do delete")
    parser.set_defaults(verb=cache)
