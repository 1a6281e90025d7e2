"""Does a perturbation turn a verdict round, by more than the order of the options does anyway?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from ethogram.analyse.effects import NOISE, Verdict, verdict_of
from ethogram.analyse.intervals import Interval, sign_interval
from ethogram.analyse.invariance import scenario_survival
from ethogram.analyse.resample import Floats

Turned = Literal["verdict", "mean"]
"""How a verdict was flipped: into the opposite one, or in its mean shift alone."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A scenario told one way: the verdict of its shifts, the sign effect, their mean in nats."""

    verdict: Verdict
    effect: Interval
    mean: float

    @classmethod
    def of(cls, shifts: Floats) -> Standing:
        effect = sign_interval(shifts)
        return cls(verdict_of(effect, 1), effect, float(np.mean(shifts)))

    @property
    def sign(self) -> int:
        """+1 where the verdict holds, -1 where it contradicts, 0 where it is undecided."""
        return {"holds": 1, "contradicts": -1}.get(self.verdict, 0)


def turned(base: Floats, perturbed: Floats) -> Turned | None:
    """Whether the perturbed shifts flip the verdict of the base; shapes (renderings,), in nats.

    `verdict`: theirs is decided and the opposite. `mean`: theirs is undecided, as few renderings
    often are, and their mean has the opposite sign and exceeds `noise_bound`. Nothing flips an
    undecided base.
    """
    own, other = Standing.of(base), Standing.of(perturbed)
    if not own.sign:
        return None
    if other.sign == -own.sign:
        return "verdict"
    if not other.sign and -own.sign * other.mean > noise_bound(base, len(perturbed)):
        return "mean"
    return None


def noise_bound(base: Floats, count: int) -> float:
    """How far the mean of `count` renderings lies from that of the unperturbed ones by order alone.

    The half-width of Student's 95 % interval, t(n - 1) sd(base) / sqrt(count), in nats per token;
    at least the noise of batching.
    """
    n = len(base)
    if n < 2:
        return math.inf
    half = float(stats.t.ppf(0.975, n - 1)) * float(np.std(base, ddof=1)) / math.sqrt(count)
    return max(NOISE, half)


@dataclass(frozen=True, slots=True)
class Floor:
    """Directions of the mean that changed among the tellings tried, beside what chance changes.

    `changed` of `tried`; `floor`: the share that changes where all renderings, unperturbed ones
    too, are dealt out at random (see `invariance.scenario_survival`). The search goes where
    verdicts flip, so `changed` is no sample of all tellings.
    """

    changed: int
    tried: int
    floor: float


def noise_floor(base: Floats, tried: Sequence[Floats]) -> Floor | None:
    """Over every telling tried; None where there is none."""
    if not tried:
        return None
    found = scenario_survival([base, *tried])
    return Floor(found.kept.count(False), len(tried), found.floor)
