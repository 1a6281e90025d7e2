"""Stored runs that a verb reads: the latest one of the suite where you are, or the one named."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ethogram.cli.files import UsageError
from ethogram.specs.suite import Suite

RESULTS = Path("results")
LATEST = RESULTS / "latest" / "report.json"


def add_report(parser: argparse.ArgumentParser) -> None:
    """The option that names another run than the latest."""
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help=f"a report.json or its folder (default: {LATEST} of the suite)",
    )


def report_of(options: argparse.Namespace) -> Path:
    """The report that is meant."""
    return options.report or here() / LATEST


def here() -> Path:
    """The root of the suite where you are; this folder where there is none."""
    suite = Suite.around(Path().resolve())
    return suite.root if suite else Path()


def read(file: Path) -> dict[str, Any]:
    """The content of a report.json. Raises UsageError where it cannot be read."""
    from ethogram.report.stored import ReportError, read_data

    try:
        return read_data(file)
    except ReportError as error:
        raise UsageError(str(error)) from None
