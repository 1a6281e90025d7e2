"""The cases that one YAML file holds, over all models of the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ethogram.cases.base import Case, case_id, relative
from ethogram.cases.persona import PersonaCase
from ethogram.cases.perturbation import perturbation_cases
from ethogram.cases.pressure import PressureCase
from ethogram.cases.requirement import RequirementCase
from ethogram.cases.response import ResponseCase
from ethogram.cases.safety import SafetyCase
from ethogram.cases.scenario import ScenarioCase, speaks_to
from ethogram.cases.seeds import POOLED, SeedsCase, seed_groups
from ethogram.cases.theme import ThemeCase
from ethogram.specs.base import read_spec
from ethogram.specs.catalogue import Model
from ethogram.specs.errors import SpecError, did_you_mean
from ethogram.specs.layout import KINDS, REQUIREMENTS, listed
from ethogram.specs.persona import Dimension
from ethogram.specs.perturbations import Perturbations
from ethogram.specs.pressure import Pressure
from ethogram.specs.requirements import Requirement, Requirements
from ethogram.specs.safety import HazardCategory
from ethogram.specs.scenarios import Theme
from ethogram.specs.suite import Suite


def cases_of(file: Path, suite: Suite) -> list[Case]:
    """Every case of the file, grouped as its ids are. Raises SpecError for what is wrong in it."""
    if file.name == REQUIREMENTS:
        return list(_requirements(read_spec(Requirements, file), suite))
    match file.parent.name:
        case "persona":
            return list(_persona(read_spec(Dimension, file), suite))
        case "scenarios":
            return list(_scenarios(read_spec(Theme, file), suite))
        case "pressure":
            return list(_pressure(read_spec(Pressure, file), suite))
        case "perturbations":
            return list(perturbation_cases(read_spec(Perturbations, file), suite))
        case "safety":
            return list(_safety(read_spec(HazardCategory, file), suite))
    raise ValueError(f"{file} is no file of a suite")


def all_cases(suite: Suite) -> Iterator[tuple[str, Case]]:
    """Every case of the suite with its id, file by file. Raises SpecError."""
    files = [file for kind in KINDS for file in listed(suite.folder / kind, "*.yaml")]
    gate = suite.folder / REQUIREMENTS
    for file in (*files, *([gate] if gate.exists() else [])):
        for case in cases_of(file, suite):
            yield case_id(relative(file, suite.root), case.group, case.model), case


def _persona(dimension: Dimension, suite: Suite) -> Iterator[Case]:
    for probe in dimension.probes:
        for model in suite.catalogue:
            if model.constitution is None:
                continue
            expectation = suite.expectation(model.constitution, dimension)
            yield PersonaCase(suite, dimension, probe, model, expectation)


def _scenarios(theme: Theme, suite: Suite) -> Iterator[Case]:
    # Reading all themes rejects a scenario id that two files share.
    _ = suite.themes
    for scenario in theme.scenarios:
        for model in suite.catalogue:
            if model.judged and speaks_to(scenario, model):
                yield ScenarioCase(suite, scenario, model)
    for model in suite.catalogue if theme.provenance else ():
        if model.judged and any(speaks_to(scenario, model) for scenario in theme.scenarios):
            yield ThemeCase(suite, theme, model)


def _safety(category: HazardCategory, suite: Suite) -> Iterator[Case]:
    for probe in category.probes:
        for model in suite.catalogue:
            if model.kind == "source":
                continue
            if probe == "response":
                yield ResponseCase(suite, category, model)
            else:
                yield SafetyCase(suite, category, probe, model)


def _pressure(pressure: Pressure, suite: Suite) -> Iterator[Case]:
    for model in suite.catalogue:
        if model.judged:
            case = PressureCase(suite, pressure, model)
            if case.needs():
                yield case


def _requirements(spec: Requirements, suite: Suite) -> Iterator[Case]:
    for requirement in spec.requirements:
        for name in requirement.models or ():
            if name not in suite.catalogue:
                hint = did_you_mean(name, (model.id for model in suite.catalogue))
                raise SpecError.at(requirement.place, f"no model is called {name!r}{hint}")
        for model in suite.catalogue:
            if model.judged and _wanted(requirement, model):
                case = RequirementCase(suite, requirement, model)
                if case.needs():
                    yield case
                elif requirement.models:
                    # Named, and never missed at the gate for want of a case: that must not pass.
                    message = f"{requirement.measure!r} cannot be measured on {model.id!r}"
                    raise SpecError.at(requirement.place, message)
        for group in seed_groups(suite) if requirement.measure in POOLED else ():
            if all(_wanted(requirement, member) for member in group.members):
                pooled = SeedsCase.of(requirement, group)
                if pooled.needs():
                    yield pooled


def _wanted(requirement: Requirement, model: Model) -> bool:
    return requirement.models is None or model.id in requirement.models
