"""What verbs that ask models share: the suite, its models and its cache as arguments name them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ethogram.cli.files import UsageError, suite_around
from ethogram.specs.errors import did_you_mean
from ethogram.specs.suite import Suite
from ethogram.store import Store, default_root

if TYPE_CHECKING:
    from ethogram.jobs.identity import Identities


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
