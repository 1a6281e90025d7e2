"""`ethogram baseline accept`: make a run the one that later runs are compared with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ethogram.cli.files import UsageError
from ethogram.cli.stored import RESULTS, add_report, here, report_of
from ethogram.specs.errors import count, shown
from ethogram.specs.suite import Suite


def accept(options: argparse.Namespace) -> int:
    """Write the run's cases into the baseline, and say which of it are new, changed or gone."""
    from ethogram.cases.collected import all_cases
    from ethogram.report import baseline
    from ethogram.report.stored import ReportError, read_report

    file = options.file or here() / RESULTS / baseline.BASELINE
    suite = Suite.around(Path().resolve())
    try:
        report = read_report(report_of(options))
        done = baseline.accept(
            report, file, {name for name, _ in all_cases(suite)} if suite else None
        )
    except ReportError as error:
        raise UsageError(str(error)) from None
    print(
        f"{shown(file)}: {count(done.added, 'case')} added, {done.updated} updated, {done.kept} kept, "
        f"{len(done.dropped)} dropped that the suite no longer has"
    )
    for name in done.dropped:
        print(f"  dropped {name}")
    return 0


def add_arguments(verbs: Any) -> None:
    """The verb's part of the command line."""
    parser = verbs.add_parser(
        "baseline",
        help="accept a run as what later ones are compared with",
        description="Write the cases of a run into results/baseline.json, which is committed. "
        "Cases that the run lacks are kept; those that the suite no longer has are dropped.",
    )
    parser.add_argument("action", choices=("accept",), help="write it; nothing else does")
    add_report(parser)
    parser.add_argument(
        "--file",
        type=Path,
        metavar="FILE",
        help="the baseline to write (default: results/baseline.json of the suite)",
    )
    parser.set_defaults(verb=accept)
