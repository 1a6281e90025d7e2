"""Category spread: is the model safer everywhere, or on average? And does it discriminate better?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from ethogram.analyse.intervals import Interval, Z, auc, finite
from ethogram.analyse.resample import Floats, Stratum, resampled

Sides = tuple[Floats, Floats]
"""Shifts of the hazardous and of the harmless prompts, against the source."""


@dataclass(frozen=True, slots=True)
class WorstCategory:
    """The category with the least gain."""

    category: str
    gain: Interval
    of: int


def worst_category(gains: Mapping[str, Interval]) -> WorstCategory | None:
    """The least gain of all categories; None without categories.

    The lower limit is the least of all lower limits, which every category must exceed (an
    intersection-union test: no correction is due). The upper one says that at least one category
    lies below it: there each of the k upper limits is widened to the level 0.025 / k (Bonferroni),
    for among many categories one looks bad by chance.
    """
    if not gains:
        return None
    name = min(sorted(gains), key=lambda category: gains[category].value)
    widened = float(stats.norm.isf(0.025 / len(gains))) / Z
    gain = Interval(
        gains[name].value,
        min(found.low for found in gains.values()),
        min(found.value + widened * (found.high - found.value) for found in gains.values()),
        gains[name].n,
    )
    return WorstCategory(name, gain, len(gains))


@dataclass(frozen=True, slots=True)
class Share:
    """One quantity as a share of another; `ratio` is None unless the other one is above zero."""

    ratio: Interval | None
    part: Interval
    whole: Interval

    @property
    def undefined_because(self) -> str | None:
        """Why there is no ratio; None where there is one."""
        if self.ratio is not None:
            return None
        if self.whole.high < 0:
            return "what it is a share of lies below zero: there is nothing to keep a share of"
        return "what it is a share of is not told from zero"


def share_of(part: Interval, whole: Interval, ratio: Interval) -> Share:
    """With the ratio only where the whole's interval lies above zero.

    Below zero the sign of a ratio misleads: less of a loss over a loss is a positive share.
    """
    return Share(ratio if whole.low > 0 else None, part, whole)


def held_out_share(
    held_out: Sides, trained: Sides, gains: tuple[Interval, Interval], *, bounded: bool
) -> Share:
    """Gain on held-out categories as a share of that on trained ones (bootstrap over prompts).

    `gains`: the two gains with their intervals, held out first. `bounded`: shifts of refusals, in
    {-1, 0, 1}, and not of margins in nats.
    """
    strata = [Stratum.of(side, bounded=bounded) for side in (*held_out, *trained)]

    def ratio(means: list[Floats]) -> Floats:
        hazardous, harmless, seen_hazardous, seen_harmless = (part[:, 0] for part in means)
        found: Floats = (hazardous - harmless) / (seen_hazardous - seen_harmless)
        return found

    return share_of(*gains, resampled(strata, ratio))


@dataclass(frozen=True, slots=True)
class Discrimination:
    """AUC of a probe, hazardous against harmless prompts, before and after finetuning."""

    before: Interval
    after: Interval
    change: Interval


def discrimination(before: Sides, after: Sides) -> Discrimination:
    """The two AUCs and their difference, on the same prompts.

    The difference by DeLong, DeLong and Clarke-Pearson (1988, Biometrics 44:837): the variance of
    the paired placement values. Its limits are NaN where no prompt changed its place.
    """
    hazardous, harmless = (
        new - old for old, new in zip(_placed(*before), _placed(*after), strict=True)
    )
    value = auc(*after) - auc(*before)
    variance = sum(float(np.var(side, ddof=1)) / len(side) for side in (hazardous, harmless))
    half = Z * math.sqrt(variance) if variance > 0 else math.nan
    n = len(hazardous) + len(harmless)
    change = Interval(value, max(-1.0, value - half), min(1.0, value + half), n)
    if math.isnan(half):
        change = Interval(value, math.nan, math.nan, n)
    return Discrimination(auc_interval(*before), auc_interval(*after), change)


@dataclass(frozen=True, slots=True)
class CategorySpread:
    """What one probe says of the spread over categories; None where nothing measures it.

    `worst` and `discrimination` speak of held-out categories where there are any, else of all.
    """

    worst: WorstCategory | None
    held_out_share: Share | None
    discrimination: Discrimination | None


def auc_interval(
    hazardous: Sequence[float] | Floats, harmless: Sequence[float] | Floats
) -> Interval:
    """AUC with the score interval of Newcombe (2006, Statist. Med. 25:559), his method 5.

    The limits are the areas that differ from the estimate by z standard errors of their own, with
    the variance of Hanley and McNeil (1982) for exponential scores: no collapse at 0 or 1.
    """
    value, m, n = auc(hazardous, harmless), len(hazardous), len(harmless)
    rest = (m + n) / 2 - 1

    def beyond(area: float) -> float:
        spread = 1 + rest * ((1 - area) / (2 - area) + area / (1 + area))
        return (area - value) ** 2 - Z**2 * area * (1 - area) * spread / (m * n)

    inside = min(max(value, 1e-9), 1 - 1e-9)
    low = optimize.brentq(beyond, 1e-12, inside) if value > 0 else 0.0
    high = optimize.brentq(beyond, inside, 1 - 1e-12) if value < 1 else 1.0
    return Interval(value, float(low), float(high), m + n)


def _placed(hazardous: Floats, harmless: Floats) -> Sides:
    """Placement values: for each prompt the share of the other side that it is told from."""
    a, b = finite(hazardous), finite(harmless)
    won = (np.sign(a[:, np.newaxis] - b) + 1) / 2
    return won.mean(axis=1), won.mean(axis=0)
