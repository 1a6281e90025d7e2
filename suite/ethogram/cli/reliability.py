"""`ethogram reliability`: whether the dimensions measure one thing each, and the right one."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from ethogram.analyse.instrument import instrument
from ethogram.cases.reliability import Leanings, Questionnaire
from ethogram.cli.files import UsageError, suite_around, write
from ethogram.cli.studies import RELIABILITY
from ethogram.content.vocabulary import own_leaning
from ethogram.inert import inert
from ethogram.jobs import Progress, Run
from ethogram.report.provenance import file_digests, versions
from ethogram.report.reliability import ReliabilityReport, markdown
from ethogram.specs.errors import SpecError, shown
from ethogram.specs.suite import Suite
from ethogram.store import Store, default_root


def reliability(options: argparse.Namespace) -> int:
    """Read the stored scores (or take those that are missing), print, and write two files."""
    suite = suite_around(Path(), options.models)
    if problems := suite.shared_problems():
        raise SpecError(problems)
    run = Run(suite, Store(options.cache or default_root()), Progress())
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
    write(file, json.dumps(report.as_json(), indent=1, allow_nan=False) + "\n")
    write(file.with_suffix(".md"), markdown(report))
    print(f"\nwritten: {shown(file)} and {file.with_suffix('.md').name} beside it")
    return 1 if options.measure and asked.missing else 0


def leanings(suite: Suite, asked: Questionnaire) -> Leanings:
    """Each item's leaning to each constitution's own words."""
    return {
        (name, dimension.id): own_leaning(suite, name, dimension)
        for name in sorted({str(model.constitution) for model in asked.models})
        for dimension in asked.dimensions
    }
