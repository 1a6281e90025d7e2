"""A requirement of the gate: a bound on one measure of one model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from ethogram.analyse.effects import Verdict, detectable_at, items_to_bound, items_to_decide
from ethogram.analyse.gate import bounded
from ethogram.analyse.intervals import Interval
from ethogram.analyse.invariance import Invariance
from ethogram.analyse.outcomes import CaseKind, Outcome
from ethogram.analyse.projectability import rate_gain
from ethogram.analyse.spread import Share
from ethogram.analyse.transfer import UNTOLD
from ethogram.cases.base import Needs, Values, case_id, merged, references, relative
from ethogram.cases.judging import Standing, standing
from ethogram.cases.pressure import pressings, retained
from ethogram.cases.profile import Profile
from ethogram.specs.catalogue import Model
from ethogram.specs.errors import shown
from ethogram.specs.judging import RULE
from ethogram.specs.requirements import SAFETY, Measure, Requirement
from ethogram.specs.suite import Suite

AGAINST_SOURCE: set[Measure] = {*SAFETY, "signature-match-against-source"}
"""Measures whose reference is the source; the placebo is that of the others."""
MEANS: Mapping[Measure, str] = {
    "signature-match": "item",
    "signature-match-against-source": "item",
    "choice-match": "scenario",
    "safety-gain": "prompt",
    "over-refusal": "prompt",
}
"""Measures that are means, and over what: more of it narrows their interval by the root of n.

The margin to the best rival and the worst category are the least of many, and ratios need no
number of items at all while what they divide by is not told from zero.
"""
Found = tuple[Interval | None, dict[str, Any]]
"""The measured value (None where nothing measures it) and what stands beside it."""


@dataclass(frozen=True)
class RequirementCase:
    """One requirement and one model."""

    suite: Suite
    requirement: Requirement
    model: Model
    kind: CaseKind = "projectability"
    trust: Standing | None = None
    """A judge's standing in place of the built-in rule's, as a control plants it."""

    @property
    def group(self) -> str:
        return self.requirement.id

    @cached_property
    def profile(self) -> Profile:
        return Profile(self.suite, self.model)

    @property
    def reference(self) -> Model:
        """What the measure compares the model with."""
        compared = references(self.suite.catalogue, self.model)
        return compared[-1 if self.requirement.measure in AGAINST_SOURCE else 0]

    @property
    def rests_on_judge(self) -> bool:
        """Whether somebody has to tell which answers are refusals."""
        return self.requirement.measure in SAFETY

    @property
    def measured_models(self) -> tuple[Model, ...]:
        """The models that the verdict speaks of."""
        return (self.model,)

    def needs(self) -> Needs:
        """Empty where the measure says nothing of such a model: there is no case."""
        profile, over = self.profile, self.requirement.over or "all"
        match self.requirement.measure:
            case "safety-gain" | "over-refusal" | "worst-category-gain":
                return profile.safety_needs(over, ("refusal-rate",))
            case "held-out-share":
                held_out = profile.safety_needs("held-out", ("refusal-rate",))
                trained = profile.safety_needs("trained", ("refusal-rate",))
                return merged((held_out, trained)) if held_out and trained else {}
            case "transfer" | "transfer-cosine":
                return profile.transfer_needs()
            case "choice-match":
                return profile.choice_needs()
            case "belief-choice":
                chosen = profile.choice_needs()
                return merged((profile.persona_needs(), chosen)) if chosen else {}
            case "invariance":
                return profile.invariance_needs()
            case "pressure-retention":
                return merged(p.needs() for p in pressings(self.suite, self.model))
            case _:
                return profile.persona_needs()

    def measure(self, values: Values) -> Interval | None:
        """The measured value, or None where the suite holds nothing to measure it on."""
        return self.found(values)[0]

    def found(self, values: Values) -> Found:
        """The measured value and the figures that stand beside it."""
        profile, over = self.profile, self.requirement.over or "all"
        match self.requirement.measure:
            case "signature-match":
                return profile.signature_match(values), {}
            case "signature-match-against-source":
                return profile.signature_match(values, "source"), {}
            case "discriminant-margin":
                return profile.discriminant(values).margin, {}
            case "transfer" | "transfer-cosine" as name:
                moved = profile.transfer(values)
                value = (moved.slope if name == "transfer" else moved.cosine) if moved else None
                twin = {"broad_twin": profile.twin.model.id if profile.twin else None}
                return _of_transfer(value, twin)
            case "choice-match":
                return profile.choice_match(values), {}
            case "belief-choice":
                both = profile.belief_choice(values)
                return (both.agreement, asdict(both)) if both else (None, {})
            case "over-refusal":
                return profile.over_refusal(values, over), {}
            case "safety-gain":
                rate = profile.rates(values, over)
                return (rate_gain(rate.hazardous, rate.harmless) if rate else None), {}
            case "worst-category-gain":
                worst = profile.worst_category(values, over)
                return (worst.gain, {"category": worst.category}) if worst else (None, {})
            case "invariance":
                return _of_invariance(profile.invariance(values))
            case "pressure-retention":
                return _of_share(retained(self.suite, self.model, values))
            case "held-out-share":
                return _of_share(profile.held_out_share(values))

    def judge(self, values: Values) -> Outcome:
        measured, facts = self.found(values)
        if measured is None:
            raise ValueError(f"nothing in the suite measures {self.requirement.measure!r} here")
        place = self.requirement.place
        file = relative(place.file, self.suite.root)
        ((bound, limit),) = self.requirement.bounds.items()
        objection = None
        if self.rests_on_judge:
            trust = self.trust or standing(self.suite, RULE, values)
            objection = trust.objection("declines")
        on_ci = self.requirement.on == "ci"
        verdict: Verdict = "unjudged" if objection else bounded(measured, bound, limit, on_ci=on_ci)
        mean = on_ci and self.requirement.measure in MEANS
        undecided = mean and verdict == "undecided"
        if undecided:
            facts |= self._short(measured, limit)
        return Outcome(
            case=case_id(file, self.group, self.model),
            kind=self.kind,
            subject=self.requirement.id,
            probe=self.requirement.measure,
            model=self.model.id,
            file=file,
            line=place.line,
            expected=self.requirement.expected,
            because=self.requirement.about or f"{self.requirement.measure} is required",
            because_at=f"{shown(place.file)}:{place.line}",
            measured=measured,
            unit=self.requirement.measure,
            reference=self.reference.id,
            verdict=verdict,
            needs=items_to_decide(measured, limit) if undecided else None,
            detectable=detectable_at(measured) if mean else None,
            facts=facts | ({"unjudged_because": objection} if objection else {}),
        )

    def _short(self, measured: Interval, limit: float) -> dict[str, Any]:
        """How many items bring the limit to the bound at this estimate, and what an item is."""
        least = items_to_bound(measured, limit)
        return {"items_to_bound": least, "item": MEANS[self.requirement.measure]}


def _of_invariance(kept: Invariance | None) -> Found:
    if kept is None:
        return None, {}
    facts = {"noise_floor": kept.floor, "cases": kept.cases, "left_out": kept.left_out}
    why = kept.undefined_because
    return kept.survives, facts | ({"undefined_because": why} if why else {})


def _of_transfer(found: Interval | None, facts: dict[str, Any]) -> Found:
    """Without limits there is no persona to measure by: the value stands in the facts alone."""
    if found is None or math.isfinite(found.low):
        return found, facts
    why = {"value": found.value, "undefined_because": f"the persona is {UNTOLD}"}
    return Interval(math.nan, math.nan, math.nan, found.n), facts | why


def _of_share(share: Share | None) -> Found:
    """A share that is not defined is an interval without numbers: it meets no bound."""
    if share is None:
        return None, {}
    facts = {"part": asdict(share.part), "whole": asdict(share.whole)}
    if share.ratio is None:
        undefined = Interval(math.nan, math.nan, math.nan, share.part.n + share.whole.n)
        return undefined, {**facts, "undefined_because": share.undefined_because}
    return share.ratio, facts
