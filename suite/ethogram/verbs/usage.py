"""What every verb needs: the suite around a path, whole files written, and its word of refusal."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ethogram.specs.errors import did_you_mean, shown
from ethogram.specs.suite import CONSTITUTIONS, Suite
from ethogram.store import Store, default_root

if TYPE_CHECKING:
    from ethogram.jobs.identity import Identities


class UsageError(Exception):
    """What was asked for cannot be done that way; the message says what can."""


def suite_around(path: Path, models_file: Path | None = None) -> Suite:
    """The suite that holds `path`. Raises UsageError where there is none."""
    suite = Suite.around(path.resolve(), models_file)
    if suite is None:
        raise UsageError(f"{shown(path)} lies in no suite: no folder {CONSTITUTIONS}/ above it")
    return suite


def source_named(suite: Suite, name: str | None) -> str:
    """The source called `name`, or the only one. Raises UsageError."""
    known = list(suite.models.sources)
    if name is None and len(known) == 1:
        return known[0]
    if name is None:
        raise UsageError(f"several sources: name one with --source ({', '.join(known)})")
    if name not in known:
        raise UsageError(f"no source is called {name!r}{did_you_mean(name, known)}")
    return name


def write_whole(file: Path, text: str) -> None:
    """Write the whole file or nothing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        aside.write_text(text, encoding="utf-8", newline="\n")
        aside.replace(file)
    finally:
        aside.unlink(missing_ok=True)


def house(options: argparse.Namespace) -> tuple[Suite, Identities]:
    """The suite and the digests of its models that the shared arguments name."""
    from ethogram.jobs.identity import Identities

    suite = suite_around(options.suite, options.models)
    return suite, Identities(suite, Store(options.cache or default_root()))


def shared_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the suite, its models file and the cache are."""
    parser.add_argument(
        "--suite",
        type=Path,
        default=Path(),
        metavar="PATH",
        help="any file or folder of the suite (default: where you are)",
    )
    parser.add_argument(
        "--models", type=Path, metavar="FILE", help="a models file other than the suite's own"
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="a cache other than the default")


def positive(text: str) -> int:
    """A number from 1 on, as argparse wants it."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)
