"""`ethogram promote`: may a model be promoted, by the requirement cases of a stored run?"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ethogram import __version__
from ethogram.cli.stored import add_report, report_of
from ethogram.specs.errors import SpecError, did_you_mean, shown
from ethogram.specs.layout import CONSTITUTIONS, REQUIREMENTS
from ethogram.specs.suite import Suite
from ethogram.store import Store, StoreError, default_root, file_digest

if TYPE_CHECKING:
    from ethogram.analyse.intervals import Interval
    from ethogram.cases import Case
    from ethogram.cases.requirement import RequirementCase
    from ethogram.jobs import Run
    from ethogram.report.decision import Gate
    from ethogram.report.stored import StoredReport


def promote(options: argparse.Namespace) -> int:
    """Say whether the model may be promoted: 0 yes, 1 no, 2 could not decide."""
    from ethogram.report.decision import UNKNOWN, decide
    from ethogram.report.stored import ReportError, read_report

    try:
        report = read_report(report_of(options))
        decision = decide(report, options.model, _gate(report, options))
    except (ReportError, SpecError, StoreError, OSError) as error:
        print(f"Could not decide on {options.model}: {error}", file=sys.stderr)
        return UNKNOWN
    print(decision.reason)
    return decision.code


def _gate(report: StoredReport, options: argparse.Namespace) -> Gate:
    """What the suite here requires of the model, and what of it changed since the run."""
    from ethogram.cases.collected import cases_of
    from ethogram.cases.requirement import RequirementCase
    from ethogram.report.decision import Gate

    suite = Suite.around(Path().resolve())
    if suite is None:
        return Gate(problem=f"there is no suite here: no folder {CONSTITUTIONS}/ above")
    file = options.models.resolve() if options.models else suite.root / report.models_file
    if not file.exists():
        hint = "" if options.models else "; name where it lies now with --models"
        return Gate(problem=f"{shown(file)}, which names the models, does not exist{hint}")
    suite = Suite(suite.root, suite.folder, file)
    gate = suite.folder / REQUIREMENTS
    if not gate.exists():
        return Gate(problem=f"{shown(gate)} does not exist: nothing is required of any model")
    cases = [case for case in cases_of(gate, suite) if isinstance(case, RequirementCase)]
    found = [case for case in cases if case.model.id == options.model]
    if not found:
        return Gate(problem=_nothing_required(suite, options.model))
    if options.cache and not options.cache.is_dir():
        return Gate(problem=f"the cache {shown(options.cache)} does not exist")
    run = _stored(suite, options.cache)
    other = report.written_by not in ("", __version__)
    changed = [
        *([f"ethogram, which was {report.written_by}"] if other else []),
        *_changed_files(report, suite),
        *_changed_models(report, run, found),
    ]
    rests_on = dict.fromkeys(
        model.id for case in found for model in (*case.measured_models, case.reference)
    )
    again = dict(_measured(run, found))
    return Gate([case.requirement for case in found], changed, again, list(rests_on))


def _stored(suite: Suite, cache: Path | None) -> Run:
    """The suite over what is stored: nothing is fetched, and nothing is said."""
    from ethogram.jobs import Progress, Run
    from ethogram.jobs.identity import Identities

    run = Run(suite, Store(cache or default_root()), Progress(bars=False, write=lambda line: None))
    run.identities = Identities(suite, run.store, fetch=False)
    return run


def _measured(run: Run, cases: Iterable[RequirementCase]) -> Iterator[tuple[str, Interval]]:
    """What the stored scores say of each requirement, by its id; nothing is finetuned or scored."""
    from ethogram.jobs import NotMeasured
    from ethogram.source.obtain import SourceError

    for case in cases:
        try:
            run.learn(case.needs(), ask=False)
            yield case.requirement.id, case.judge(run.value).measured
        except (NotMeasured, ValueError, SpecError, SourceError, StoreError):
            continue


def _nothing_required(suite: Suite, model: str) -> str:
    if model in suite.catalogue:
        return f"{shown(suite.folder / REQUIREMENTS)} requires nothing of it"
    hint = did_you_mean(model, (known.id for known in suite.catalogue))
    return f"{shown(suite.models_file)} names no such model{hint}"


def _changed_files(report: StoredReport, suite: Suite) -> Iterator[str]:
    """Every file that is other, new or gone since the run; any of them may have moved a number."""
    from ethogram.report.provenance import file_digests, path_in

    now = file_digests(suite)
    # The models file may lie elsewhere now: what it says counts.
    now[report.models_file] = now.pop(path_in(suite, suite.models_file))
    for name in sorted(now.keys() | report.files.keys()):
        file = suite.root / name
        # A file that no run reads is none of the suite's; older reports have some of those.
        then = now.get(name) or (file_digest(file) if file.exists() else None)
        if report.files.get(name) != then:
            yield name


def _changed_models(report: StoredReport, run: Run, cases: Iterable[Case]) -> Iterator[str]:
    """Models that the requirements rest on and that are others now, as far as this is known here."""
    from ethogram.cases.base import merged
    from ethogram.jobs import NotMeasured
    from ethogram.source.obtain import SourceError

    catalogue = run.suite.catalogue
    for name in merged(case.needs() for case in cases):
        then = report.digests.get(name)
        if then is None or name not in catalogue:
            continue
        try:
            now = run.identities.digest(catalogue[name])
        except (NotMeasured, ValueError, SpecError, SourceError, StoreError):
            continue
        if now not in (None, then):
            yield f"the model {name}"


def add_arguments(verbs: Any) -> None:
    """The verb's part of the command line."""
    parser = verbs.add_parser(
        "promote",
        help="may this model be promoted? exit 0 yes, 1 no, 2 could not decide",
        description="Decide from the requirement cases of a stored run. Exit 0: every requirement "
        "of the model was measured and holds. 1: one does not hold. 2: could not decide (nothing "
        "selected, an error, a measurement missing, undecided, no requirement known here, a file of "
        "the suite or a model that is not what it was at the run, or a report that its own intervals, "
        "the suite's bounds or the scores in the cache contradict).",
    )
    parser.add_argument("model", metavar="MODEL", help="the model's id")
    add_report(parser)
    parser.add_argument(
        "--models",
        type=Path,
        metavar="FILE",
        help="where the models file of the run lies (default: the one that the report names)",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="a cache other than that of ETHOGRAM_CACHE or of the platform",
    )
    parser.set_defaults(verb=promote)
