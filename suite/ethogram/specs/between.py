"""What must hold between files: names that are meant, names that would be mixed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from ethogram.specs.base import Spec, duplicates
from ethogram.specs.catalogue import expand
from ethogram.specs.constitution import Constitution, Refusal, Transcript
from ethogram.specs.errors import Place, Problem, SpecError, did_you_mean
from ethogram.specs.judging import RULE
from ethogram.specs.layout import KINDS, RESERVED
from ethogram.specs.persona import Dimension
from ethogram.specs.safety import HazardCategory
from ethogram.specs.scenarios import Theme

if TYPE_CHECKING:
    from ethogram.specs.suite import Suite


def between_files(suite: Suite) -> Iterator[Problem]:
    """Problems between files. A file that cannot be read is still known by its name."""
    for find in (
        _names,
        _names_of_models,
        _dimension_problems,
        _constitution_problems,
        _requirement_problems,
        _transcript_problems,
        _judge_problems,
        _rubric_problems,
        _label_problems,
        _perturbation_problems,
    ):
        # What cannot be read has problems of its own, which are told already.
        with contextlib.suppress(SpecError):
            yield from find(suite)


def _dimension_problems(suite: Suite) -> Iterator[Problem]:
    known = suite.ids(Dimension)
    for constitution in suite.readable(Constitution):
        for name, expectation in constitution.signature.items():
            if name not in known:
                hint = did_you_mean(name, known)
                yield Problem(expectation.place, f"no dimension is called {name!r}{hint}")


def _constitution_problems(suite: Suite) -> Iterator[Problem]:
    known = suite.ids(Constitution)
    for place, name in _constitutions_named(suite):
        if name not in known:
            hint = did_you_mean(name, known)
            yield Problem(place, f"no constitution is called {name!r}{hint}")


def _requirement_problems(suite: Suite) -> Iterator[Problem]:
    models = list(expand(suite.models, suite.ids(Constitution)))
    known, judged = [model.id for model in models], {model.id for model in models if model.judged}
    for requirement in suite.requirements.requirements if suite.requirements else ():
        for name in requirement.models or ():
            if name not in known:
                message = f"no model is called {name!r}{did_you_mean(name, known)}"
                yield Problem(requirement.place, message)
            elif name not in judged:
                message = f"nothing is required of {name!r}, which has no constitution"
                yield Problem(requirement.place, message)


def _perturbation_problems(suite: Suite) -> Iterator[Problem]:
    """Placeholders and retellings that no scenario has: a perturbation that never applies."""
    scenarios = suite.own_scenarios  # the others are not searched
    varied = {name for scenario in scenarios for name in scenario.vary}
    retold = {name for scenario in scenarios for name in scenario.retold}
    for found in suite.perturbations.values():
        for entry in found.perturbations:
            for name in entry.vary if isinstance(entry.vary, tuple) else ():
                if name not in varied:
                    hint = did_you_mean(name, varied)
                    yield Problem(entry.place, f"no scenario varies {name!r}{hint}")
            if entry.retold is not None and entry.retold not in retold:
                hint = did_you_mean(entry.retold, retold)
                yield Problem(entry.place, f"no scenario is retold as {entry.retold!r}{hint}")


def _judge_problems(suite: Suite) -> Iterator[Problem]:
    judges = (RULE, *suite.models.judges)
    for category in suite.readable(HazardCategory):
        name = category.response.judge
        if name is not None and name not in judges:
            hint = did_you_mean(name, judges)
            yield Problem(category.response.place, f"no judge is called {name!r}{hint}")


def _rubric_problems(suite: Suite) -> Iterator[Problem]:
    for name in suite.models.judges:
        try:
            suite.rubric_of(name)
        except SpecError as error:
            yield from error.problems


def _label_problems(suite: Suite) -> Iterator[Problem]:
    known = [label.id for label in suite.rubric.labels] if suite.rubric else []
    for line in suite.labelled:
        if line.label not in known:
            yield Problem(
                line.place, f"unknown label {line.label!r}{did_you_mean(line.label, known)}"
            )


def _constitutions_named(suite: Suite) -> Iterator[tuple[Place, str]]:
    """Every constitution that the suite's files speak of."""
    for dimension in suite.readable(Dimension):
        for name in dimension.signature:
            yield dimension.place_of("signature", name), name
    for theme in suite.readable(Theme):
        for scenario in theme.scenarios:
            for option in scenario.options:
                for name in option.endorsed_by:
                    yield option.place_of("endorsed_by", name), name


def _names(suite: Suite) -> Iterator[Problem]:
    """`-k <constitution>` must select that constitution's models and nothing else."""
    stances = list(suite.readable(Constitution))
    named: list[tuple[str, Spec]] = [(stance.id, stance) for stance in stances]
    for kind in KINDS.values():
        named += [(spec.id, spec) for spec in suite.readable(kind)]
    named += [(s.id, s) for theme in suite.readable(Theme) for s in theme.scenarios]
    yield from _mixed(suite, named, {stance.id: stance.id for stance in stances})
    for stance in stances:
        if stance.id in RESERVED:
            yield Problem(stance.place, f"a constitution cannot be called {stance.id!r}")
    required = suite.requirements.requirements if suite.requirements else ()
    yield from _mixed(suite, [(r.id, r) for r in required], {})


def _names_of_models(suite: Suite) -> Iterator[Problem]:
    named: list[tuple[str, Spec]] = [
        *suite.models.sources.items(),
        *suite.models.teaching.items(),
    ]
    yield from _mixed(suite, named, {})
    for model in expand(suite.models, suite.ids(Constitution)):
        if model.candidate is not None:
            own = {model.id: model.constitution}
            yield from _mixed(suite, [(model.id, model.candidate)], own)


def _mixed(
    suite: Suite, named: Iterable[tuple[str, Spec]], own: Mapping[str, str | None]
) -> Iterator[Problem]:
    """Ids that hold the name of a constitution other than their own."""
    known = suite.ids(Constitution)
    for name, spec in named:
        for constitution in known:
            if constitution in name and constitution != own.get(name):
                message = f"the id {name!r} holds the name of the constitution {constitution!r}"
                yield Problem(spec.place, f"{message}: -k would mix them")


def _transcript_problems(suite: Suite) -> Iterator[Problem]:
    for constitution in suite.readable(Constitution):
        if constitution.id not in RESERVED and suite.recorded(constitution.id).exists():
            with contextlib.suppress(SpecError):
                yield from _recorded_problems(suite, constitution)
    if suite.recorded("plain-refusal").exists():
        yield from _category_problems(suite, suite.refusals())


def _recorded_problems(suite: Suite, constitution: Constitution) -> Iterator[Problem]:
    principles = {principle.id for principle in constitution.principles}
    transcripts = suite.transcripts(constitution.id)
    yield from _category_problems(suite, transcripts)
    for index in duplicates([f"{t.prompt}\n{t.answer}" for t in transcripts]):
        message = "the same prompt with the same answer stands above already"
        yield Problem(transcripts[index].place, message)
    for transcript in transcripts:
        for part in transcript.rounds:
            if part.principle not in principles:
                hint = did_you_mean(part.principle, principles)
                yield Problem(transcript.place, f"unknown principle {part.principle!r}{hint}")


def _category_problems(suite: Suite, lines: Iterable[Transcript | Refusal]) -> Iterator[Problem]:
    known = suite.ids(HazardCategory)
    imported = {c.id for c in suite.readable(HazardCategory) if c.provenance is not None}
    for line in lines:
        if line.category not in known:
            hint = did_you_mean(line.category, known)
            yield Problem(line.place, f"unknown category {line.category!r}{hint}")
        elif line.category in imported:
            message = f"nothing is trained on {line.category!r}, which is imported"
            yield Problem(line.place, message)
