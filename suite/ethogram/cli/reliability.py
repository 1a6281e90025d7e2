"""`ethogram reliability`: whether the dimensions measure one thing each, and the right one."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ethogram.analyse.instrument import instrument
from ethogram.cases.reliability import Leanings, Questionnaire
from ethogram.cli.files import UsageError, json_file, suite_around, write
from ethogram.content.vocabulary import own_leaning
from ethogram.inert import inert
from ethogram.jobs import Progress, Run
from ethogram.report.provenance import file_digests, versions
from ethogram.report.reliability import ReliabilityReport, markdown
from ethogram.specs.errors import SpecError, shown
from ethogram.specs.suite import Suite
from ethogram.store import Store, default_root

RESULT = Path("results") / "reliability" / "reliability.json"


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
    for model, why in asked.missing.items():
        print(inert(f"{model}: {why}", 300), file=sys.stderr)
    if not found.models:
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
    file: Path = options.out or suite.root / RESULT
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


def add_arguments(verbs: Any) -> None:
    """The verb's own part of the command line."""
    parser = verbs.add_parser(
        "reliability",
        help="whether the dimensions measure one thing each, and the right one",
        description="Reliability of the dimensions over the finetuned models: Cronbach's alpha and "
        "split-half of the paired shifts, items that discriminate, correlations between "
        "dimensions, the effect under a paraphrased question and without the constitution's own "
        "words. Reads stored scores; finetunes and scores nothing unless --measure is given.",
    )
    parser.add_argument(
        "--measure", action="store_true", help="finetune and score whatever is missing first"
    )
    parser.add_argument(
        "--against",
        choices=("placebo", "source"),
        default="placebo",
        help="the reference of the shifts (default: %(default)s, the source where there is none)",
    )
    parser.add_argument(
        "--models", type=Path, metavar="FILE", help="a models.yaml other than the suite's own"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="a cache other than that of ETHOGRAM_CACHE or of the platform",
    )
    parser.add_argument(
        "--out",
        type=json_file,
        metavar="FILE",
        help=f"the JSON file; the page lies beside it as .md (default: {RESULT})",
    )
    parser.set_defaults(verb=reliability)
