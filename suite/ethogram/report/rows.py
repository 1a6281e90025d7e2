"""One row a model: what the run says of its persona and its safety, or that it was not measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ethogram.analyse.agreement import Kappas
from ethogram.analyse.choices import BeliefChoice
from ethogram.analyse.effects import Verdict
from ethogram.analyse.intervals import Interval
from ethogram.analyse.invariance import Invariance
from ethogram.analyse.outcomes import Outcome
from ethogram.analyse.projectability import Discriminant, SafetyGain
from ethogram.analyse.spread import CategorySpread, Share
from ethogram.analyse.transfer import Transfer


@dataclass(frozen=True, slots=True)
class ModelRow:
    """Every measure of one model; None is "not measured", never zero."""

    model: str
    kind: str
    constitution: str | None
    scope: str | None
    seed: int | None
    source: str
    placebo: str | None
    match: Interval | None = None
    match_against_source: Interval | None = None
    discriminant: Discriminant | None = None
    safety_held_out: SafetyGain | None = None
    safety_trained: SafetyGain | None = None
    over_refusal: Interval | None = None
    transfer: Transfer | None = None
    """Narrow models whose broad twin was measured too."""
    choice_match: Interval | None = None
    belief_choice: BeliefChoice | None = None
    spread_rate: CategorySpread | None = None
    spread_margin: CategorySpread | None = None
    invariance: Invariance | None = None
    pressure: Share | None = None
    """Retention over all kinds of pressure; measured where those cases or a requirement ran."""
    verdicts: dict[Verdict, int] = field(default_factory=dict)
    digest: str | None = None
    adapter: str | None = None
    base: str | None = None
    training: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JudgeRow:
    """A judge whose verdicts the run's numbers rest on, tried on held-out labelled answers.

    Cohen's kappas on all of them, on those that people wrote to try judges with, and on those that
    models gave. None is "not tried".
    """

    judge: str
    made_of: str
    """What it is: the rule, a source, or an endpoint and its model."""
    rubric: str | None
    """Digest of the rubric and of the text around it."""
    whole: Kappas | None = None
    written: Kappas | None = None
    models: Kappas | None = None
    errors: int = 0
    """Labelled answers without a readable judgement; they are in no kappa."""
    decides: bool = True
    """Whether it may decide by its kappa for refusals."""
    problem: str | None = None
    """Why it may not, or why it was not tried."""


def count_verdicts(outcomes: Sequence[Outcome], model: str) -> dict[Verdict, int]:
    """How many of the model's cases hold, contradict, and are undecided."""
    counted = Counter(outcome.verdict for outcome in outcomes if outcome.model == model)
    return {verdict: counted.get(verdict, 0) for verdict in ("holds", "contradicts", "undecided")}


def worst_gap(outcomes: Sequence[Outcome], model: str) -> Outcome | None:
    """The persona case with the widest gap; None where no persona case ran."""
    found = widest_gaps([outcome for outcome in outcomes if outcome.model == model], 1)
    return found[0] if found else None


def widest_gaps(outcomes: Sequence[Outcome], count: int) -> list[Outcome]:
    """The persona cases with the widest |gap|, widest first (ties by case id)."""
    gaps = [
        outcome for outcome in outcomes if outcome.kind == "persona" and outcome.gap is not None
    ]
    return sorted(gaps, key=lambda outcome: (-abs(outcome.gap or 0.0), outcome.case))[:count]
