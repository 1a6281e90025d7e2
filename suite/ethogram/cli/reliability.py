"""`ethogram reliability`: whether the dimensions measure one thing each, and the right one."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from ethogram.analyse.instrument import instrument
from ethogram.cases.reliability import Leanings, Questionnaire
from ethogram.cli.files import UsageError
from ethogram.cli.study import run_of, save, told
from ethogram.content.vocabulary import own_leaning
from ethogram.inert import inert
from ethogram.report.provenance import file_digests, versions
from ethogram.report.reliability import ReliabilityReport, markdown
from ethogram.report.studies import RELIABILITY
from ethogram.specs.suite import Suite


def reliability(options: argparse.Namespace) -> int:
    """Read the stored scores (or take those that are missing), print, and write two files."""
    run = run_of(options, Path())
    suite = run.suite
    asked = Questionnaire(suite, options.against)
    if options.measure:
        run.prepare(asked.needs())
    found = instrument(asked.sheets(run.value, leanings(suite, asked)))
    if not found.models:
        for model, why in asked.missing.items():
            print(inert(f"{model}: {why}", 300), file=sys.stderr)
        raise UsageError("nothing is measured yet: run pytest first, or add --measure")
    measuring = " --measure" if options.measure else ""
    report = ReliabilityReport(
        instrument=found,
        against=options.against,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=f"ethogram reliability --against {options.against}{measuring}",
        missing={model: inert(why, 300) for model, why in asked.missing.items()},
        versions=versions(),
        files=file_digests(suite),
        digests={model: run.identities.digest(suite.catalogue[model]) for model in found.models},
    )
    print(report.text())
    file: Path = options.out or suite.root / RELIABILITY
    save(report, markdown(report), file)
    told(file)
    return 1 if options.measure and asked.missing else 0


def leanings(suite: Suite, asked: Questionnaire) -> Leanings:
    """Each item's leaning to each constitution's own words."""
    return {
        (name, dimension.id): own_leaning(suite, name, dimension)
        for name in sorted({str(model.constitution) for model in asked.models})
        for dimension in asked.dimensions
    }
