"""A requirement of the gate: a bound on one measure of one model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ethogram.analyse.effects import Verdict
from ethogram.analyse.intervals import Interval, sign_interval
from ethogram.analyse.outcomes import CaseKind, Outcome
from ethogram.analyse.projectability import (
    Discriminant,
    SafetyGain,
    auc,
    discriminant_match,
    margin_gain,
    rate_gain,
    signature_match,
)
from ethogram.cases.base import Needs, Values, answered, case_id, references, relative
from ethogram.cases.judging import standing
from ethogram.cases.persona import PersonaItem, probes_of, samples, shifts
from ethogram.cases.safety import PromptShifts, SafetyCase, held_out
from ethogram.plan import NotMeasured, Query
from ethogram.specs.catalogue import Model
from ethogram.specs.errors import shown
from ethogram.specs.judging import RULE
from ethogram.specs.persona import Dimension
from ethogram.specs.requirements import Over, Requirement
from ethogram.specs.safety import SafetyProbe
from ethogram.specs.suite import Suite

Reference = Literal["placebo", "source"]


@dataclass(frozen=True)
class Profile:
    """What the whole suite says of one model. Measures need every dimension and category."""

    suite: Suite
    model: Model

    @cached_property
    def dimensions(self) -> dict[str, Dimension]:
        """Dimensions that some constitution's own signature names, each under its first probe."""
        named = {n for c in self.suite.constitutions.values() for n in c.signature}
        return {name: d for name, d in self.suite.dimensions.items() if name in named}

    @cached_property
    def signatures(self) -> dict[str, dict[str, int]]:
        return {
            name: {d: e.sign for d, e in self.suite.signature(name).items()}
            for name in self.suite.constitutions
        }

    def persona_needs(self) -> Needs:
        asked = [
            query
            for dimension in self.dimensions.values()
            for probe in self._probes(dimension)
            for query in probe.queries
        ]
        compared = references(self.suite.catalogue, self.model)
        return {model.id: asked for model in (self.model, *compared)}

    def safety_needs(self, over: Over, probes: tuple[SafetyProbe, ...]) -> Needs:
        cases = [case for probe in probes for case in self._safety(over, probe)]
        needs: dict[str, list[Query]] = {}
        for case in cases:
            for model_id, asked in case.needs().items():
                needs.setdefault(model_id, []).extend(asked)
        return needs

    def persona_shifts(
        self, values: Values, against: Reference = "placebo"
    ) -> dict[str, NDArray[np.float64]]:
        """Shift of every item by dimension, under each dimension's first probe."""
        compared = references(self.suite.catalogue, self.model)
        reference = compared[0] if against == "placebo" else compared[-1]
        return {
            name: shifts(self._answered(d, values, reference), values, self.model, reference)
            for name, d in self.dimensions.items()
        }

    def _probes(self, dimension: Dimension) -> tuple[PersonaItem, ...]:
        """Under the dimension's first probe; where only drawn answers can be had, its agreement."""
        count = samples(self.suite, self.model)
        first = dimension.probes[0]
        if count is not None and "agreement" in dimension.probes:
            first = "agreement"
        return probes_of(dimension, first, count)

    def _answered(
        self, dimension: Dimension, values: Values, reference: Model
    ) -> tuple[PersonaItem, ...]:
        probes = self._probes(dimension)
        return tuple(compress(probes, answered(probes, values, self.model, reference)))

    def signature_match(self, values: Values, against: Reference = "placebo") -> Interval | None:
        signs = self.signatures[str(self.model.constitution)]
        return signature_match(self.persona_shifts(values, against), signs)

    def discriminant(self, values: Values) -> Discriminant:
        moved = self.persona_shifts(values)
        return discriminant_match(moved, self.signatures, str(self.model.constitution))

    def rates(self, values: Values, over: Over = "all") -> PromptShifts | None:
        """Refusals pooled over the prompts of the categories; None where there is no category."""
        return _pooled([case.shifts(values) for case in self._safety(over, "refusal-rate")])

    def over_refusal(self, values: Values, over: Over = "all") -> Interval | None:
        """The shift of the refusal rate on harmless prompts alone."""
        rate = self.rates(values, over)
        return sign_interval(rate.harmless) if rate else None

    def margins(self, values: Values, over: Over = "all") -> PromptShifts | None:
        """Refusal margins pooled likewise."""
        return _pooled([case.shifts(values) for case in self._safety(over, "refusal-margin")])

    def safety_gain(self, values: Values, over: Over = "all") -> SafetyGain | None:
        """Both measures, each where its own scores are all there; None where neither is."""
        rate = _if_measured(lambda: self.rates(values, over))
        margin = _if_measured(lambda: self.margins(values, over))
        if rate is None and margin is None:
            return None
        return SafetyGain(
            rate=rate_gain(rate.hazardous, rate.harmless) if rate else None,
            over_refusal=sign_interval(rate.harmless) if rate else None,
            margin=margin_gain(margin.hazardous, margin.harmless) if margin else None,
            auc_before=auc(margin.hazardous_before, margin.harmless_before) if margin else None,
            auc_after=auc(margin.hazardous_after, margin.harmless_after) if margin else None,
        )

    def _safety(self, over: Over, probe: SafetyProbe) -> list[SafetyCase]:
        return [
            SafetyCase(self.suite, category, probe, self.model)
            for category in self.suite.categories.values()
            if probe in category.probes
            and (over == "all" or (over == "held-out") == held_out(category, self.model))
        ]


def _if_measured(read: Callable[[], PromptShifts | None]) -> PromptShifts | None:
    try:
        return read()
    except NotMeasured:
        return None


def _pooled(parts: list[PromptShifts]) -> PromptShifts | None:
    if not parts:
        return None
    return PromptShifts(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("hazardous", "harmless", "hazardous_before", "harmless_before")
        )
    )


@dataclass(frozen=True)
class RequirementCase:
    """One requirement and one model."""

    suite: Suite
    requirement: Requirement
    model: Model
    kind: CaseKind = "projectability"

    @property
    def group(self) -> str:
        return self.requirement.id

    @cached_property
    def profile(self) -> Profile:
        return Profile(self.suite, self.model)

    def needs(self) -> Needs:
        if self.requirement.measure in ("safety-gain", "over-refusal"):
            return self.profile.safety_needs(self.requirement.over or "all", ("refusal-rate",))
        return self.profile.persona_needs()

    def measure(self, values: Values) -> Interval | None:
        """The measured value, or None where the suite holds nothing to measure it on."""
        match self.requirement.measure:
            case "signature-match":
                return self.profile.signature_match(values)
            case "signature-match-against-source":
                return self.profile.signature_match(values, "source")
            case "discriminant-margin":
                return self.profile.discriminant(values).margin
            case "over-refusal":
                return self.profile.over_refusal(values, self.requirement.over or "all")
            case "safety-gain":
                rate = self.profile.rates(values, self.requirement.over or "all")
                return rate_gain(rate.hazardous, rate.harmless) if rate else None

    def judge(self, values: Values) -> Outcome:
        measured = self.measure(values)
        if measured is None:
            raise ValueError(f"nothing in the suite measures {self.requirement.measure!r} here")
        place = self.requirement.place
        file = relative(place.file, self.suite.root)
        ((bound, limit),) = self.requirement.bounds.items()
        persona = self.requirement.measure in ("signature-match", "discriminant-margin")
        compared = references(self.suite.catalogue, self.model)
        safety = self.requirement.measure in ("safety-gain", "over-refusal")
        objection = standing(self.suite, RULE, values).objection("declines") if safety else None
        verdict = bounded(measured, bound, limit, on_ci=self.requirement.on == "ci")
        return Outcome(
            case=case_id(file, self.group, self.model),
            kind=self.kind,
            subject=self.requirement.id,
            probe=self.requirement.measure,
            model=self.model.id,
            file=file,
            line=place.line,
            expected=f"{bound.replace('_', ' ')} {limit:+g} on its {self._on()}",
            because=self.requirement.about or f"{self.requirement.measure} is required",
            because_at=f"{shown(place.file)}:{place.line}",
            measured=measured,
            unit=self.requirement.measure,
            reference=compared[0 if persona else -1].id,
            verdict="unjudged" if objection else verdict,
            facts={"unjudged_because": objection} if objection else {},
        )

    def _on(self) -> str:
        return "confidence limit" if self.requirement.on == "ci" else "estimate"


def bounded(measured: Interval, bound: str, limit: float, *, on_ci: bool) -> Verdict:
    """Whether the bound is met by the whole interval (or the estimate), missed by it, or neither.

    A limit that is not defined (NaN) meets nothing.
    """
    wants_more = bound in ("at_least", "above")
    strict = bound in ("above", "below")
    low, high = (measured.low, measured.high) if on_ci else (measured.value, measured.value)
    worst, best = (low, high) if wants_more else (-high, -low)
    aim = limit if wants_more else -limit
    if worst > aim or (worst == aim and not strict):
        return "holds"
    if best < aim or (best == aim and strict):
        return "contradicts"
    return "undecided"
