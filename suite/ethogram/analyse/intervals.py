"""Estimates with 95 % confidence intervals."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.optimize import brentq

CONFIDENCE = 0.95
RESAMPLES = 10_000
SEED = 0
Z = float(stats.norm.ppf(0.5 + CONFIDENCE / 2))
Clusters = Mapping[str, Sequence[object] | None]
"""By dimension: the name of every item's cluster; None or absent where each stands alone."""
UNCLUSTERED: Clusters = {}


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with the limits of its 95 % confidence interval; `n` observations."""

    value: float
    low: float
    high: float
    n: int

    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0

    def __neg__(self) -> Interval:
        return Interval(-self.value, -self.high, -self.low, self.n)


def sign_interval(values: ArrayLike, clusters: Sequence[object] | None = None) -> Interval:
    """P(x > 0) - P(x < 0) in [-1, 1], which is 2 P(x > 0) + P(x = 0) - 1, with its interval.

    The score interval of Tango (1998, Statistics in Medicine 17:891) for a difference of paired
    proportions, with the effective number of clusters in place of n; Wilson's where nothing ties. A
    bootstrap collapses to width zero when every item moves the same way; Wilson's interval alone is
    far too wide under ties. Coverage at n = 24 is simulated in tests/analyse/test_intervals.py.
    Raises ValueError on an empty or non-finite array.
    """
    signs = np.sign(finite(values))
    n = effective_size(signs, clusters)
    up, down = float(np.mean(signs > 0)) * n, float(np.mean(signs < 0)) * n
    value = float(signs.mean())
    low, high = -_score_limit(down, up, n), _score_limit(up, down, n)
    return Interval(value, min(low, value), max(high, value), len(signs))


def adjusted_interval(values: ArrayLike, clusters: Sequence[object] | None = None) -> Interval:
    """What `sign_interval` estimates, as a part of a mean over many dimensions.

    The adjusted Wald interval of Bonett and Price (2012, J. Educ. Behav. Stat. 37:479), with the
    effective number of clusters in place of n. Close to 1 a score interval reaches little above the
    value, so that the mean of eight covers 89 % where each is 0.9; of these it covers 95 %. Raises
    ValueError on an empty or non-finite array.
    """
    signs = np.sign(finite(values))
    n = effective_size(signs, clusters)
    up = (float(np.mean(signs > 0)) * n + 1) / (n + 2)
    down = (float(np.mean(signs < 0)) * n + 1) / (n + 2)
    centre = up - down
    half = Z * math.sqrt((up + down - centre**2) / (n + 2))
    value = float(signs.mean())
    low, high = max(-1.0, centre - half), min(1.0, centre + half)
    return Interval(value, min(low, value), max(high, value), len(signs))


@lru_cache(maxsize=100_000)
def _score_limit(up: float, down: float, n: float) -> float:
    """The largest difference of shares that (up - down) of n is no score test's evidence against.

    Counts need not be whole: those of clusters are not.
    """
    value = (up - down) / n

    def beyond(difference: float) -> float:
        """How much further than Z standard errors the difference lies above what was seen."""
        b = -up - down + (2 * n - up + down) * difference
        c = -down * difference * (1 - difference)
        fewer = (math.sqrt(max(0.0, b**2 - 8 * n * c)) - b) / (4 * n)
        error = math.sqrt(max(0.0, n * (2 * fewer + difference * (1 - difference))))
        return n * (difference - value) - Z * error

    # Where all went one way the error vanishes at the value itself, which is no limit.
    near = value + 1e-9
    return 1.0 if near >= 1 or beyond(1.0) <= 0 else float(brentq(beyond, near, 1.0, xtol=1e-12))


def proportion(count: int, n: int) -> Interval:
    """A share with Wilson's score interval (1927, JASA 22:209). Raises ValueError for n = 0."""
    if not 0 <= count <= n or n == 0:
        raise ValueError(f"{count} of {n}")
    share, centre = count / n, (count + Z**2 / 2) / (n + Z**2)
    half = Z * math.sqrt(n * share * (1 - share) + Z**2 / 4) / (n + Z**2)
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half), n)


def effective_size(values: NDArray[np.float64], clusters: Sequence[object] | None) -> float:
    """n over the design effect: the ratio of the cluster-robust to the plain variance of the mean.

    Where every value is the same the ratio is unknown and the number of clusters is returned; a
    single cluster, whose residuals always sum to zero, counts as one observation.
    """
    if clusters is None:
        return float(len(values))
    index = _cluster_index(values, clusters)
    if index.max() == 0:
        return 1.0
    residuals = values - values.mean()
    plain = float(np.sum(residuals**2))
    if plain == 0.0:
        return float(index.max() + 1)
    robust = float(np.sum(np.bincount(index, weights=residuals) ** 2))
    return len(values) / max(1.0, robust / plain)


def mean_interval(values: ArrayLike, clusters: Sequence[object] | None = None) -> Interval:
    """Mean with a BCa bootstrap interval (10,000 resamples of clusters, fixed seed)."""
    array = finite(values)
    if len(array) < 2 or np.ptp(array) == 0:
        return Interval(float(array.mean()), math.nan, math.nan, len(array))
    if clusters is None:
        return _bca((array,), lambda x, axis: np.mean(x, axis=axis), array.mean(), len(array))
    index = _cluster_index(array, clusters)
    if index.max() == 0:
        return Interval(float(array.mean()), math.nan, math.nan, len(array))
    sums: NDArray[np.float64] = np.bincount(index, weights=array).astype(np.float64)
    sizes: NDArray[np.float64] = np.bincount(index).astype(np.float64)

    def ratio(
        total: NDArray[np.float64], size: NDArray[np.float64], axis: int
    ) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.sum(total, axis=axis) / np.sum(size, axis=axis)
        return found

    return _bca((sums, sizes), ratio, array.mean(), len(array), paired=True)


def difference_interval(left: ArrayLike, right: ArrayLike) -> Interval:
    """mean(left) - mean(right) of two independent samples, BCa bootstrap.

    The limits are NaN where a sample has one value, or neither varies.
    """
    a, b = finite(left), finite(right)
    value = float(a.mean() - b.mean())

    def statistic(x: NDArray[np.float64], y: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.mean(x, axis=axis) - np.mean(y, axis=axis)
        return found

    if min(len(a), len(b)) < 2 or (np.ptp(a) == 0 and np.ptp(b) == 0):
        return Interval(value, math.nan, math.nan, len(a) + len(b))
    return _bca((a, b), statistic, value, len(a) + len(b))


def combined(weights: Sequence[float], parts: Sequence[Interval]) -> Interval:
    """The weighted sum of independent estimates, by the method of variance estimates recovery.

    Zou and Donner (2008, Statistics in Medicine 27:1693): the limits of each part say how far the
    sum may go, so that the sum of asymmetric intervals stays asymmetric and never collapses.
    """
    if not parts:
        raise ValueError("nothing to combine")
    value = sum(w * part.value for w, part in zip(weights, parts, strict=True))
    below = above = 0.0
    for weight, part in zip(weights, parts, strict=True):
        down, up = weight * (part.value - part.low), weight * (part.high - part.value)
        if weight < 0:
            down, up = -up, -down
        below += down**2
        above += up**2
    n = sum(part.n for part in parts)
    return Interval(value, value - math.sqrt(below), value + math.sqrt(above), n)


def auc(hazardous: ArrayLike, harmless: ArrayLike) -> float:
    """P(a hazardous prompt's value exceeds a harmless one's), ties half (Mann-Whitney U)."""
    a, b = finite(hazardous), finite(harmless)
    return float(stats.mannwhitneyu(a, b).statistic / (len(a) * len(b)))


def _bca(
    data: tuple[NDArray[np.float64], ...],
    statistic: object,
    value: float,
    n: int,
    paired: bool = False,
) -> Interval:
    """BCa limits at the level of Hesterberg (2015, Am. Stat. 69:371) for small samples.

    A bootstrap knows the plug-in variance, which is (m - 1) / m of the unbiased one, and a normal
    quantile where a t of m - 1 degrees would be right. m: the units resampled of the smallest sample.
    """
    units = min(len(part) for part in data)
    wide = math.sqrt(units / (units - 1)) * float(stats.t.ppf(0.5 + CONFIDENCE / 2, units - 1))
    # Of two or three units the limits are the data themselves; a level of 1 would have none.
    level = 2 * float(stats.norm.cdf(min(wide, 6.0))) - 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found = stats.bootstrap(
            data,
            statistic,
            n_resamples=RESAMPLES,
            confidence_level=level,
            paired=paired,
            vectorized=True,
            batch=2_000,
            method="BCa",
            rng=np.random.default_rng(SEED),
        )
    limits = found.confidence_interval
    return Interval(float(value), float(limits.low), float(limits.high), n)


def _cluster_index(values: NDArray[np.float64], clusters: Sequence[object]) -> NDArray[np.int64]:
    if len(clusters) != len(values):
        raise ValueError(f"{len(values)} numbers, but {len(clusters)} names of clusters")
    index: NDArray[np.int64] = np.unique([str(name) for name in clusters], return_inverse=True)[1]
    return index


def finite(values: ArrayLike) -> NDArray[np.float64]:
    """`values` as an array. Raises ValueError unless they are a list of finite numbers."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"expected a list of numbers, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("the numbers hold a NaN or an infinity")
    return array
