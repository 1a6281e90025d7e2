"""What the verbs that import have in common: options, and how a file comes to its place."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from ethogram.cli.files import write
from ethogram.cli.numbers import at_least
from ethogram.specs.errors import shown

SHOWN = 3
"""Items, scenarios or prompts of every file that a dry run of an import shows."""
NO_LICENCE = "licence not stated: add it with --licence, or in the file"


def add_options(
    parser: argparse.ArgumentParser, *, made: str, unit: str, least: int, folder: str
) -> None:
    """Options of every import: of the `made` in `folder`, out of so many `unit` at `least`."""
    parser.add_argument("--name", help=f"the {made}'s id (default: the file's name)")
    parser.add_argument("--source", help="where the text comes from (default: the file's name)")
    parser.add_argument("--licence", help="the terms on which the text may be used")
    parser.add_argument(
        "--limit",
        type=at_least(least, f"number of {unit}"),
        metavar="N",
        help=f"keep a sample of N {unit} (default: all)",
    )
    parser.add_argument(
        "--seed",
        type=at_least(0, "seed"),
        default=0,
        help="the sample's seed (default: %(default)s)",
    )
    parser.add_argument(
        "--to", type=Path, metavar="DIR", help=f"where to write (default: suite/{folder})"
    )
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    parser.add_argument(
        "--dry-run", action="store_true", help=f"show the first {SHOWN} {unit}; write nothing"
    )


def add_table_options(parser: argparse.ArgumentParser) -> None:
    """Options of an import from rows."""
    parser.add_argument(
        "--delimiter", type=_delimiter, metavar="C", help="default: a comma, and a tab for .tsv"
    )
    parser.add_argument(
        "--skip-bad",
        action="store_true",
        help="leave bad rows out and name them, instead of stopping",
    )


def land(
    target: Path, text: str, told: str, first: Iterable[str], options: argparse.Namespace
) -> bool:
    """Write what was made and say so, or show its `first` lines on a dry run; False where a file is there."""
    if options.dry_run:
        print("\n".join([*first, f"{shown(target)}: {told}; nothing was written"]))
    elif message := in_the_way(target, options):
        print(f"{message}\nnothing was imported", file=sys.stderr)
        return False
    else:
        write(target, text)
        print(f"{shown(target)}: {told}")
    return True


def in_the_way(target: Path, options: argparse.Namespace) -> str:
    """What keeps the import from its place: a file that is there; '' where nothing does."""
    if options.dry_run or options.force or not target.exists():
        return ""
    return f"{shown(target)} exists; --force replaces it, --name avoids it"


def advice(folder: Path | None, kind: str, licence: str | None) -> list[str]:
    """What the user may want to know after every import."""
    found = []
    if folder and folder.resolve().name != kind:
        found.append(f"pytest collects {kind} files from a folder called {kind} only")
    if not licence:
        found.append(NO_LICENCE)
    return found


def _delimiter(text: str) -> str:
    found = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(found) != 1 or found in '"\r\n':
        raise argparse.ArgumentTypeError(f"{text!r} is no delimiter: give one character, or 'tab'")
    return found
