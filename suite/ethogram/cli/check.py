"""`ethogram check`: every problem in the files of a suite and between them, or what they hold."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ethogram.cli.files import UsageError, suite_around
from ethogram.source.obtain import SourceError, check_candidate
from ethogram.specs.base import read_spec
from ethogram.specs.errors import Problem, SpecError, count, shown
from ethogram.specs.layout import CONSTITUTIONS, listed
from ethogram.specs.suite import Suite
from ethogram.specs.sweep import Sweep


def check(options: argparse.Namespace) -> int:
    """Name every problem in the suite's files, or say what they hold."""
    if not options.path.exists():
        raise UsageError(f"{options.path} does not exist")
    suite = suite_around(options.path, options.models)
    problems = [*suite.check(), *absent(suite)]
    problems += () if problems else _unmeasurable(suite)
    sweeps: list[Sweep] = []
    for file in listed(suite.root / CONSTITUTIONS / "sweeps", "*.yaml"):
        try:
            sweeps.append(read_spec(Sweep, file))
        except SpecError as error:
            problems += error.problems
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        return 1
    print(summary(suite, sweeps))
    for file in suite.spare_models():
        print(f"not in use: {shown(file)}, a models file; --models and --ethogram-models name one")
    for problem in _shortages(suite):
        print(f"cannot be trained yet: {problem}")
    for problem in _idle(suite, sweeps):
        print(f"cannot be swept with this models file: {problem}")
    if options.content:
        from ethogram.cli.content import check_content

        return check_content(suite)
    return 0


def absent(suite: Suite) -> Iterator[Problem]:
    """Candidates without a folder or a file that they need, in the words in which a run says it.

    No problem of `Suite.check`, which stops a run before its start: there only this candidate's
    cases are errors, and only where they are selected.
    """
    with contextlib.suppress(SpecError):  # told already
        for candidate in suite.models.candidates.values():
            try:
                check_candidate(candidate, suite.models_file.parent)
            except SourceError as error:
                yield Problem(candidate.place, str(error))


def _unmeasurable(suite: Suite) -> list[Problem]:
    """Requirements for models that they name and can never be measured on."""
    gate = suite.requirements
    if gate is None or not any(requirement.models for requirement in gate.requirements):
        return []  # what cases are made of is slow to load
    from ethogram.cases import cases_of

    try:
        cases_of(gate.place.file, suite)
    except SpecError as error:
        return list(error.problems)
    return []


def _shortages(suite: Suite) -> list[Problem]:
    """Finetuned models for whose recipes too little is recorded: a run could not measure them."""
    from ethogram.train.samples import shortage

    errors = [shortage(model, suite) for model in suite.catalogue]
    found = [problem for error in errors if error is not None for problem in error.problems]
    return list(dict.fromkeys(found))


def _idle(suite: Suite, sweeps: Iterable[Sweep]) -> Iterator[Problem]:
    """Sweeps that name what is not there. No problem: another models file may have it."""
    for sweep in sweeps:
        try:
            sweep.expanded(suite)
        except SpecError as error:
            yield from error.problems


def summary(suite: Suite, sweeps: Sequence[Sweep]) -> str:
    """What the suite's files hold, in one line a kind."""
    dimensions, themes = suite.dimensions.values(), suite.themes.values()
    prompts = sum(len(c.evaluate) + len(c.harmless) for c in suite.categories.values())
    pressures, perturbations = suite.pressures.values(), suite.perturbations.values()
    changes = sum(len(file.perturbations) for file in perturbations)
    gate = suite.requirements
    required = count(len(gate.requirements) if gate else 0, "requirement")
    recorded = [name for name in suite.constitutions if suite.recorded(name).exists()]
    models = list(suite.catalogue)
    lines = sum(len(suite.transcripts(name)) for name in recorded)
    rows = (
        ("dimensions", len(dimensions), count(sum(len(d.items) for d in dimensions), "item")),
        ("themes", len(themes), count(sum(len(theme.scenarios) for theme in themes), "scenario")),
        ("hazard categories", len(suite.categories), f"{prompts:,} prompts and look-alikes"),
        ("kinds of pressure", len(pressures), count(sum(len(p.turns) for p in pressures), "turn")),
        ("perturbation files", len(perturbations), count(changes, "perturbation")),
        ("requirement files", int(gate is not None), required),
        ("constitutions", len(suite.constitutions), count(lines, "transcript")),
        ("sweeps", len(sweeps), count(sum(len(sweep.changes()) for sweep in sweeps), "recipe")),
        ("models", len(models), f"{sum(model.judged for model in models):,} with a signature"),
    )
    return "\n".join(
        f"{what:<18}{n:>5,}  {parts.partition(' ')[0]:>6} {parts.partition(' ')[2]}"
        for what, n, parts in rows
    )


def add_arguments(verbs: Any) -> None:
    """The verb's own part of the command line."""
    parser = verbs.add_parser(
        "check",
        help="read every file of a suite and name what is wrong",
        description="Read every file of a suite, its constitutions and models.yaml, and name "
        "every problem in them and between them. Loads no model.",
    )
    parser.add_argument(
        "path",
        type=Path,
        nargs="?",
        default=Path(),
        metavar="PATH",
        help="any file or folder of the suite (default: where you are)",
    )
    parser.add_argument(
        "--models", type=Path, metavar="FILE", help="a models.yaml other than the suite's own"
    )
    parser.add_argument(
        "--content",
        action="store_true",
        help="hold the content to the rules of measuring well too: pairs alike, nothing twice, "
        "nothing leaked, enough of everything",
    )
    parser.set_defaults(verb=check)
