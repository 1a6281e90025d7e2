"""`ethogram compare`: two runs, or two models of one run, side by side."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ethogram.cli.files import UsageError
from ethogram.cli.stored import add_report, report_of
from ethogram.specs.errors import did_you_mean

if TYPE_CHECKING:
    from ethogram.report.comparison import Comparison

FINE, WORSE, LOST = 0, 1, 2


def compare(options: argparse.Namespace) -> int:
    """Say what changed beyond noise, regressions first.

    1: something got worse, also after Holm's adjustment. 2: nothing did, and a case of the first
    was lost in the second.
    """
    from ethogram.report.comparison import comparison_text
    from ethogram.report.stored import ReportError

    try:
        found = _compared(options)
    except ReportError as error:
        raise UsageError(str(error)) from None
    if not found.pairs and not found.lost:
        raise UsageError(f"{options.before} and {options.after} share no case")
    if not found.compared and not found.lost:
        raise UsageError(
            f"none of the cases that both have ({len(found.pairs)}) can be compared: no common items "
            "(a report of schema_version 1 holds none), or no interval"
        )
    print(comparison_text(found))
    if found.regressions:
        return WORSE
    return LOST if found.lost else FINE


def _compared(options: argparse.Namespace) -> Comparison:
    from ethogram.report.comparison import compare_models, compare_runs
    from ethogram.report.stored import read_report

    there = [Path(name).exists() for name in (options.before, options.after)]
    looks = [name.endswith(".json") or "/" in name for name in (options.before, options.after)]
    if options.report is None and any(there + looks):
        for name, found, file in zip((options.before, options.after), there, looks, strict=True):
            if not found:
                hint = "" if file else "; two models of one run are compared with --report"
                raise UsageError(f"{name} does not exist{hint}")
        return compare_runs(read_report(Path(options.before)), read_report(Path(options.after)))
    report = read_report(report_of(options))
    for name in (options.before, options.after):
        if name not in report.models:
            hint = did_you_mean(name, report.models)
            raise UsageError(f"{name!r} is no file, and no model of {report.name}{hint}")
    return compare_models(report, options.before, options.after)


def add_arguments(verbs: Any) -> None:
    """The verb's part of the command line."""
    parser = verbs.add_parser(
        "compare",
        help="two runs, or two models of one run: what changed beyond noise",
        description="Compare two reports case by case, or two models of one report subject by "
        "subject, paired by item; regressions first. Exit 1 where something got worse and survives "
        "Holm's adjustment over all cases compared (p below 0.05); else 2 "
        "where a case of A could not be measured in B, or nothing could be compared.",
    )
    parser.add_argument("before", metavar="A", help="a report.json, its folder, or a model's id")
    parser.add_argument("after", metavar="B", help="likewise")
    add_report(parser)
    parser.set_defaults(verb=compare)
