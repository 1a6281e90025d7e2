"""Shifts of items against a reference -> effect, gap and verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from ethogram.analyse.intervals import Interval, Z, effective_size, mean_interval, sign_interval

Verdict = Literal["holds", "contradicts", "undecided", "unjudged"]
"""`unjudged`: measured, and nothing is expected: neither passed nor failed."""
NOISE = 1e-4
"""Nats below which a shift counts as none: batching alone moves log-probabilities by 3e-5."""
POWERED = 0.8
"""The chance with which an effect should be found."""
POWER = float(stats.norm.ppf(POWERED))
"""The normal quantile of 80 % power."""
WIDTHS = (Z + POWER) / Z
"""Half-widths of the interval that an effect must lie off the line to be found so often."""
EQUIVALENCE = 0.2
"""Half-width of the band within which an effect counts as none."""
SAME_FROM = 94
"""Fewest items of which `same` can hold if every one moves; of fewer only with ties."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a model shifts against its reference, over n items.

    `sign`: the matched-pairs sign statistic in [-1, 1]. `mean`: the mean shift in the probe's own
    unit (nats for log-probabilities). `d_z` = mean / sd of the shifts. `p`: two-sided sign test.
    """

    sign: Interval
    mean: Interval
    d_z: float
    p: float

    @property
    def n(self) -> int:
        return self.sign.n


def without_noise(shifts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shifts too small to be the model's doing, set to exactly zero (a tie)."""
    return np.where(np.abs(shifts) < NOISE, 0.0, shifts)


def effect_of(shifts: ArrayLike, clusters: Sequence[object] | None = None) -> Effect:
    """The effect of paired shifts (item by item: probe on the model - probe on the reference)."""
    array = np.asarray(shifts, dtype=np.float64)
    sign = sign_interval(array, clusters)
    spread = float(array.std(ddof=1)) if len(array) > 1 else 0.0
    d_z = float(array.mean()) / spread if spread > 0 else math.nan
    return Effect(sign, mean_interval(array, clusters), d_z, sign_p(array, clusters))


def sign_p(shifts: NDArray[np.float64], clusters: Sequence[object] | None = None) -> float:
    """Two-sided p of the sign test, the counts scaled to the effective number of clusters."""
    scale = effective_size(np.sign(shifts), clusters) / len(shifts)
    up, down = round(float(np.sum(shifts > 0)) * scale), round(float(np.sum(shifts < 0)) * scale)
    return float(stats.binomtest(up, up + down).pvalue) if up + down else 1.0


def verdict_of(interval: Interval, sign: int) -> Verdict:
    """Whether the interval lies on the expected side of zero (sign +1 or -1), or near it (0)."""
    if sign == 0:
        if interval.low >= -EQUIVALENCE and interval.high <= EQUIVALENCE:
            return "holds"
        beyond = interval.low > EQUIVALENCE or interval.high < -EQUIVALENCE
        return "contradicts" if beyond else "undecided"
    aligned = interval if sign > 0 else -interval
    if aligned.low > 0:
        return "holds"
    return "contradicts" if aligned.high < 0 else "undecided"


def items_needed(interval: Interval, sign: int) -> int | None:
    """How many items would decide an undecided case with 80 % power, the effect as measured.

    The half-width of the interval shrinks with the square root of n. An equivalence has two limits
    to keep within the band: its power is solved for both at once. None where no number would
    decide: an effect of exactly zero for a signed case, one on the edge of the band for an
    equivalence, or data that define no interval.
    """
    distance = abs(interval.value) if sign else abs(EQUIVALENCE - abs(interval.value))
    half = (interval.high - interval.low) / 2
    if _on_the_line(distance, half):
        return None
    if not sign and abs(interval.value) < EQUIVALENCE:
        return _items_within_band(interval)
    return _narrowed(interval.n, half / distance * WIDTHS)


def items_to_decide(interval: Interval, bound: float) -> int | None:
    """How many items would bring the limit past `bound` with 80 % power, the value as measured.

    Of a mean over items, whose limit towards the bound nears the value with the square root of n.
    None where the value lies on the bound or the limits are not defined.
    """
    return _items_until(interval, bound, WIDTHS)


def items_to_bound(interval: Interval, bound: float) -> int | None:
    """How many items would bring the limit just to `bound`: one sample in two gets past it."""
    return _items_until(interval, bound, 1.0)


def _items_until(interval: Interval, bound: float, widths: float) -> int | None:
    above = interval.value > bound
    half = interval.value - interval.low if above else interval.high - interval.value
    distance = abs(interval.value - bound)
    if _on_the_line(distance, half):
        return None
    return _narrowed(interval.n, half / distance * widths)


def _narrowed(n: int, times: float) -> int:
    """Items, more than now, of which the interval is so many times as narrow as that of n."""
    return max(n + 1, math.ceil(n * times**2))


def _on_the_line(distance: float, half: float) -> bool:
    """Whether no number of items that could be written takes the limit over the line.

    The width counts beside the distance: a gain in nats may be small and well measured.
    """
    return not half > 0 or distance < min(0.02, half / 20)


def _items_within_band(interval: Interval) -> int:
    """The fewest items, more than now, that hold an equivalence in 80 of 100 samples."""
    low, high = interval.n, 2 * interval.n
    while _power_within_band(interval, high) < POWERED:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if _power_within_band(interval, middle) < POWERED:
            low = middle
        else:
            high = middle
    return high


def _power_within_band(interval: Interval, n: int) -> float:
    """P(both limits of `sign_interval` within the band) at n items, by the normal approximation.

    As of Wilson's: the centre is shrunk by n / (n + Z^2), and the half-width goes with n + Z^2.
    """
    more = Z**2
    variance = ((interval.high - interval.low) / 2 / Z) ** 2 * (interval.n + more)
    room = EQUIVALENCE - Z * math.sqrt(variance / (n + more))
    if room <= 0:
        return 0.0
    centre, error = interval.value * n / (n + more), math.sqrt(variance * n) / (n + more)
    found = stats.norm.cdf((room - centre) / error) - stats.norm.cdf((-room - centre) / error)
    return float(found)


def smallest_detectable(n: int) -> float:
    """The sign effect that n items without ties detect with 80 % power at the 5 % level.

    Solved from the normal approximation e = (z_a + z_b * sqrt(1 - e^2)) / sqrt(n), by iteration.
    """
    value = 0.5
    for _ in range(50):
        value = min(1.0, (Z + POWER * math.sqrt(max(0.0, 1 - value**2))) / math.sqrt(n))
    return value


@cache
def null_rate(n: int) -> float:
    """The exact chance, each way, that `sign_interval` of n items leaves zero without an effect.

    Without ties, up and down alike likely. Counts are discrete: 3.2 % at n = 24, not 2.5 %.
    """
    ups = range(n + 1)
    above = [sign_interval([1.0] * up + [-1.0] * (n - up)).low > 0 for up in ups]
    return float(np.sum(stats.binom.pmf(ups, n, 0.5)[above]))


def detectable_at(interval: Interval) -> float | None:
    """The distance from the line that is found with 80 % power, the interval being as wide as it is.

    None where the limits are not defined.
    """
    half = (interval.high - interval.low) / 2
    return half * WIDTHS if half > 0 and math.isfinite(half) else None


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's step-down adjustment (1979, Scand. J. Statist. 6:65)."""
    ordered = sorted(p_values, key=lambda name: p_values[name])
    adjusted: dict[str, float] = {}
    running = 0.0
    for rank, name in enumerate(ordered):
        running = max(running, min(1.0, (len(ordered) - rank) * p_values[name]))
        adjusted[name] = running
    return adjusted
