"""Whether the items of one dimension measure one thing, and the thing they are meant to.

All of it rests on one matrix: paired shifts, items x models. The items are the items of a test and
the models are its persons. Eight persons are very few, and they are no random sample (two scopes
of four constitutions, and models of one scope share a reference): the intervals are wide and these
numbers describe the instrument on these models. What is not defined is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ethogram.analyse.intervals import CONFIDENCE, SEED, Interval, sign_interval

Matrix = NDArray[np.float64]
"""Shifts of items against the reference: (items, models)."""
LEAST_MODELS = 3
"""Fewer models define no correlation worth the name."""
HALVES = 50
RESAMPLES = 1_000
NOTHING = 1e-9
"""Nats below which sums over items count as equal: what floats leave."""


def cronbach_alpha(shifts: Matrix) -> Interval | None:
    """k/(k-1) * (1 - sum of the items' variances / variance of the sums), over the models.

    Cronbach (1951, Psychometrika 16:297). High: a model that one item places high the others place
    high too, so the mean shift orders the models reliably. With 8 models it speaks of the order of
    these 8; a drift that all of them share cancels, and where constitutions move a dimension all
    alike there is nothing to order and alpha is near zero, though the effect may be large. `n` is
    the number of models, and the limits are those of Feldt (1965, Psychometrika 30:357).
    """
    items, models = shifts.shape
    sums = shifts.sum(axis=0)
    if items < 2 or models < LEAST_MODELS or np.ptp(sums) < NOTHING:
        return None
    total = float(np.var(sums, ddof=1))
    alpha = items / (items - 1) * (1 - float(np.var(shifts, axis=1, ddof=1).sum()) / total)
    spread = stats.f((models - 1), (models - 1) * (items - 1))
    below, above = (spread.ppf(p) for p in (0.5 + CONFIDENCE / 2, 0.5 - CONFIDENCE / 2))
    return Interval(alpha, 1 - (1 - alpha) * below, 1 - (1 - alpha) * above, models)


def split_half(shifts: Matrix, seed: int = SEED) -> Interval | None:
    """Correlation over models of the sums of two random halves of the items, stepped up.

    The mean over 50 seeded halves, by Spearman-Brown 2r / (1 + |r|) (the absolute value, Krus and
    Helmstadter 1993, keeps a negative r within -1). The interval is a percentile bootstrap over
    items; all copies of an item lie in one half, or halves would agree by being the same text.
    `n` is the number of items.
    """
    items, models = shifts.shape
    if items < 4 or models < LEAST_MODELS:
        return None
    chance = np.random.default_rng(seed)
    halves = _halves(chance, items)
    value = _stepped_up(halves, shifts)
    if not np.isfinite(value):
        return None
    drawn = []
    for _ in range(RESAMPLES):
        weights = np.bincount(chance.integers(items, size=items), minlength=items)
        kept = np.flatnonzero(weights)
        found = _stepped_up(_halves(chance, len(kept)), shifts[kept] * weights[kept, None])
        drawn.append(found)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(drawn, [tail, 1 - tail])
    return Interval(value, min(float(low), value), max(float(high), value), items)


def _halves(chance: np.random.Generator, items: int) -> NDArray[np.bool_]:
    """(halves, items): which items each random half holds."""
    order = np.argsort(chance.random((HALVES, items)), axis=1)
    found: NDArray[np.bool_] = order < items // 2
    return found


def _stepped_up(halves: NDArray[np.bool_], shifts: Matrix) -> float:
    one, other = halves @ shifts, ~halves @ shifts
    one, other = (half - half.mean(axis=1, keepdims=True) for half in (one, other))
    norms = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    defined = norms > NOTHING**2
    if not defined.any():
        return float("nan")
    r = float(np.mean((one * other).sum(axis=1)[defined] / norms[defined]))
    return 2 * r / (1 + abs(r))


def item_rest(shifts: Matrix) -> list[float | None]:
    """Correlation of each item with the sum of the others, over models; None where undefined."""
    if shifts.shape[1] < LEAST_MODELS:
        return [None] * len(shifts)
    return [correlation(row, shifts.sum(axis=0) - row) for row in shifts]


def correlation(left: NDArray[np.float64], right: NDArray[np.float64]) -> float | None:
    """Pearson's r; None where one side does not vary."""
    if len(left) < 2 or np.ptp(left) < NOTHING or np.ptp(right) < NOTHING:
        return None
    return float(np.corrcoef(left, right)[0, 1])


@dataclass(frozen=True, slots=True)
class Discrimination:
    """Whether items move as the signatures say. All shares in [0, 1], ties count half.

    `expected`: of all shifts of models with a sign, clustered by item. `items`: of items whose
    contrast is above zero. `rest`: of items that correlate positively with the sum of the others.
    `contrasts` (in the probe's unit, see `contrasts`) and `item_rest` go by item.
    """

    expected: Interval | None
    items: Interval | None
    rest: Interval | None
    contrasts: tuple[float | None, ...]
    item_rest: tuple[float | None, ...]


def discrimination(shifts: Matrix, signs: Sequence[int]) -> Discrimination:
    """Of a dimension's items, given each model's expected sign (0: nothing is expected)."""
    signed, found = oriented(shifts, signs), contrasts(shifts, signs)
    rest = item_rest(shifts)
    defined = [r for r in rest if r is not None]
    clusters = np.repeat(np.arange(len(shifts)), signed.shape[1]).tolist()
    return Discrimination(
        expected=share_above(signed.ravel(), clusters) if signed.size else None,
        items=share_above(found) if found is not None else None,
        rest=share_above(np.array(defined)) if defined else None,
        contrasts=(None,) * len(shifts) if found is None else tuple(map(float, found)),
        item_rest=tuple(rest),
    )


def oriented(shifts: Matrix, signs: Sequence[int]) -> Matrix:
    """The shifts of the models with a sign, times it: above zero is as expected."""
    given = np.array(signs, dtype=np.float64)
    found: Matrix = (shifts * given)[:, given != 0]
    return found


def contrasts(shifts: Matrix, signs: Sequence[int]) -> NDArray[np.float64] | None:
    """By item: how far the models that should affirm it more stand above those that should less.

    Half the difference of the two groups' means, in which a drift that all models share cancels;
    where the signs all point one way, the mean shift that way. None where no model has a sign.
    """
    given = np.array(signs)
    groups = [shifts[:, given == sign].mean(axis=1) * sign for sign in (1, -1) if sign in given]
    return np.mean(groups, axis=0) if groups else None


def share_above(values: NDArray[np.float64], clusters: Sequence[object] | None = None) -> Interval:
    """Share of values above zero (ties half), with the interval of the sign effect."""
    found = sign_interval(values, clusters)
    low, value, high = ((1 + x) / 2 for x in (found.low, found.value, found.high))
    return Interval(value, low, high, found.n)


def correlation_of_effects(one: Sequence[float], other: Sequence[float]) -> Interval | None:
    """Pearson's r of two dimensions' effects over models, limits by Fisher's z; n = models."""
    left, right = np.array(one, dtype=np.float64), np.array(other, dtype=np.float64)
    r = correlation(left, right) if len(left) > LEAST_MODELS else None
    if r is None:
        return None
    inner = float(np.clip(r, -1 + 1e-12, 1 - 1e-12))
    half = float(stats.norm.ppf(0.5 + CONFIDENCE / 2)) / np.sqrt(len(left) - 3)
    limits = np.tanh([np.arctanh(inner) - half, np.arctanh(inner) + half])
    return Interval(r, min(float(limits[0]), r), max(float(limits[1]), r), len(left))
