"""A run against the accepted one: regressions before everything else. Nothing is updated here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ethogram.cases.collected import all_cases
from ethogram.jobs import Run
from ethogram.report.baseline import BASELINE, read_baseline, stale_cases
from ethogram.report.comparison import compare_runs, comparison_text
from ethogram.report.document import Report
from ethogram.report.stored import ReportError, StoredReport, stored_of
from ethogram.specs.errors import SpecError
from ethogram.specs.layout import MODELS
from ethogram.specs.suite import Suite

NONE = "none"
SHOWN = 10
"""Stale entries that are named; the rest is counted."""


def against_baseline(report: Report, run: Run, named: str | None, terminal: Any) -> None:
    """Print what changed against the baseline, if there is one, and which entries are stale."""
    file = Path(named) if named else run.suite.root / "results" / BASELINE
    if named == NONE or not (named or file.exists()):
        return
    try:
        baseline = read_baseline(file)
        ours = stored_of(report.as_json(), "this run")
    except ReportError as error:
        terminal.write_line(f"the baseline could not be compared with: {error}", red=True)
        return
    found = compare_runs(_selected(baseline, ours), ours)
    terminal.write_line(f"{comparison_text(found)}\n", red=bool(found.regressions or found.lost))
    # Models that another models file leaves out are the suite's all the same.
    own = Suite(run.suite.root, run.suite.folder, run.suite.root / MODELS)
    suites = {suite.models_file: suite for suite in (run.suite, own)}.values()
    try:
        stale = stale_cases(baseline, {name for s in suites for name, _ in all_cases(s)})
    except SpecError:
        return
    if stale:
        rest = f" and {len(stale) - SHOWN} more" if len(stale) > SHOWN else ""
        listed = "\n  ".join(stale[:SHOWN])
        terminal.write_line(
            f"{len(stale)} baseline entries are stale (`ethogram baseline accept` drops them):"
            f"\n  {listed}{rest}\n"
        )


def _selected(baseline: StoredReport, ours: StoredReport) -> StoredReport:
    """The baseline's cases that this run was to measure too: a selection is no loss of the others."""
    selected = {*ours.cases, *ours.errors}
    cases = {name: case for name, case in baseline.cases.items() if name in selected}
    return replace(baseline, cases=cases)
