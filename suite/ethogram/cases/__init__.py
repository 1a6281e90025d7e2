"""Cases: what each asks of which models, and what its numbers mean. No pytest here.

A case is the meeting of one thing measured (a dimension under a probe, a scenario, a hazard
category under a probe, a requirement) and one model.
"""

from ethogram.cases.base import Case, Needs, Values, follow_up, further
from ethogram.cases.collected import cases_of
from ethogram.cases.persona import PersonaCase
from ethogram.cases.perturbation import PerturbationCase
from ethogram.cases.requirement import RequirementCase
from ethogram.cases.response import ResponseCase
from ethogram.cases.safety import SafetyCase
from ethogram.cases.scenario import ScenarioCase

__all__ = [
    "Case",
    "Needs",
    "PersonaCase",
    "PerturbationCase",
    "RequirementCase",
    "ResponseCase",
    "SafetyCase",
    "ScenarioCase",
    "Values",
    "cases_of",
    "follow_up",
    "further",
]
