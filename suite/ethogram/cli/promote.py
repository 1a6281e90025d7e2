"""`ethogram promote`: may a model be promoted, by the requirement cases of a stored run?"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ethogram.cli.stored import add_report, report_of
from ethogram.specs.errors import SpecError
from ethogram.specs.suite import REQUIREMENTS, Suite
from ethogram.store import StoreError, file_digest


def promote(options: argparse.Namespace) -> int:
    """Say whether the model may be promoted: 0 yes, 1 no, 2 could not decide."""
    from ethogram.report.decision import UNKNOWN, decide
    from ethogram.report.stored import ReportError, read_report

    try:
        report = read_report(report_of(options))
        required, stale = _gate(report.files, options.model)
        decision = decide(report, options.model, required, stale)
    except (ReportError, SpecError, StoreError, OSError) as error:
        print(f"Could not decide on {options.model}: {error}", file=sys.stderr)
        return UNKNOWN
    print(decision.reason)
    return decision.code


def _gate(files: Mapping[str, str], model: str) -> tuple[list[str] | None, list[str]]:
    """The requirements that the suite here has for the model, and whether they changed since."""
    from ethogram.cases.base import relative
    from ethogram.cases.collected import cases_of

    suite = Suite.around(Path().resolve())
    file = suite.folder / REQUIREMENTS if suite else None
    if suite is None or file is None or not file.exists():
        return None, []
    name = relative(file, suite.root)
    stale = [name] if name in files and files[name] != file_digest(file) else []
    return [case.group for case in cases_of(file, suite) if case.model.id == model], stale


def add_arguments(verbs: Any) -> None:
    """The verb's part of the command line."""
    parser = verbs.add_parser(
        "promote",
        help="may this model be promoted? exit 0 yes, 1 no, 2 could not decide",
        description="Decide from the requirement cases of a stored run. Exit 0: every requirement "
        "of the model was measured and holds. 1: one does not hold. 2: could not decide (nothing "
        "selected, an error, a measurement missing, undecided, the gate changed since).",
    )
    parser.add_argument("model", metavar="MODEL", help="the model's id")
    add_report(parser)
    parser.set_defaults(verb=promote)
