"""Test-retest: does the same model, asked a second time under other conditions, get the same verdicts?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ethogram.analyse.agreement import cohen_kappa
from ethogram.analyse.effects import Verdict
from ethogram.analyse.intervals import Interval, proportion
from ethogram.analyse.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Twice:
    """One case judged on both scorings; the measured values are in the case's own unit."""

    case: str
    first: Verdict
    again: Verdict
    measured: float
    measured_again: float


@dataclass(frozen=True, slots=True)
class Retest:
    """`same`: the share of cases with the same verdict; `kappa`: that agreement beyond chance.

    `largest`: the largest change of a measured value. `texts` and `texts_same`: greedy
    continuations, and how many came out alike to the letter.
    """

    model: str
    same: Interval
    kappa: Interval
    largest: float
    largest_log_prob: float
    """The largest change of any log-probability, in nats per token."""
    texts: int
    texts_same: int
    flipped: tuple[Twice, ...]


def retest(
    model: str,
    pairs: Iterable[tuple[Outcome, Outcome]],
    log_probs: Iterable[float],
    texts: Iterable[bool],
) -> Retest:
    """`log_probs`: absolute changes in nats per token; `texts`: whether each stayed the same.

    Raises ValueError without a case.
    """
    twice = [
        Twice(a.case, a.verdict, b.verdict, a.measured.value, b.measured.value) for a, b in pairs
    ]
    alike = list(texts)
    return Retest(
        model=model,
        same=proportion(sum(t.first == t.again for t in twice), len(twice)),
        kappa=cohen_kappa([t.first for t in twice], [t.again for t in twice]),
        largest=max((abs(t.measured - t.measured_again) for t in twice), default=0.0),
        largest_log_prob=max(log_probs, default=0.0),
        texts=len(alike),
        texts_same=sum(alike),
        flipped=tuple(t for t in twice if t.first != t.again),
    )
