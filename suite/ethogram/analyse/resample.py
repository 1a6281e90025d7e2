"""The bootstrap of statistics that are made of several means: slopes, cosines, shares, correlations.

Strata (dimensions, the sides of a category, the scenarios) are resampled apart, each by its
clusters; the columns of a stratum (two models on the same items) are resampled together, so that
what the same items share cancels. A statistic is a function of the means of all strata.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ethogram.analyse.intervals import CONFIDENCE, RESAMPLES, SEED, Interval

Floats = NDArray[np.float64]
TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
MANY = 300
"""Clusters from which the means of resamples are drawn from their normal limit: in no time."""
UNDEFINED = 0.1
"""The share of resamples without a value from which the interval counts as not defined."""


@dataclass(frozen=True)
class Stratum:
    """Sums and sizes of every cluster by column; both of shape (clusters, columns).

    `bounded`: the values lie in [-1, 1] as signs do. Then two more clusters, one all up and one
    all down, are resampled with the real ones (the adjustment of Bonett and Price 2012): a plain
    bootstrap collapses where every item moves alike.
    """

    sums: Floats
    sizes: Floats
    bounded: bool = False

    @classmethod
    def of(
        cls, rows: ArrayLike, clusters: Sequence[object] | None = None, *, bounded: bool = False
    ) -> Stratum:
        """Of values of shape (items, columns) or (items,); NaN where an item lacks a column.

        Raises ValueError on an infinity, and where a column has no value at all.
        """
        values = np.asarray(rows, dtype=np.float64)
        values = values.reshape(len(values), -1) if values.size else np.full((0, 1), np.nan)
        known = ~np.isnan(values)
        if not known.any(axis=0).all() or np.isinf(values).any():
            raise ValueError("every column of a stratum needs finite numbers")
        sums, sizes = np.where(known, values, 0.0), known.astype(np.float64)
        if clusters is not None:
            if len(clusters) != len(values):
                raise ValueError(f"{len(values)} items, but {len(clusters)} names of clusters")
            index = np.unique([str(name) for name in clusters], return_inverse=True)[1]
            member = np.eye(int(index.max()) + 1)[:, index]
            sums, sizes = member @ sums, member @ sizes
        return cls(sums, sizes, bounded)

    @property
    def means(self) -> Floats:
        """The mean of each column; shape (columns,)."""
        found: Floats = self.sums.sum(axis=0) / self.sizes.sum(axis=0)
        return found

    @property
    def n(self) -> int:
        """Items in the fullest column."""
        return int(self.sizes.sum(axis=0).max())

    @property
    def _added(self) -> Floats:
        """The size of each added cluster by column: that of a mean real one; 0 if unbounded."""
        size: Floats = self.sizes.sum(axis=0) / (self.sizes > 0).sum(axis=0)
        return size * self.bounded

    @property
    def _centre(self) -> Floats:
        """The means around which resamples scatter: the added clusters pull them towards 0."""
        found: Floats = self.sums.sum(axis=0) / (self.sizes.sum(axis=0) + 2 * self._added)
        return found

    def noise(self) -> Floats:
        """Sampling covariance of the means, robust to clusters; shape (columns, columns)."""
        rest = self.sums - self._centre * self.sizes
        clusters = len(rest) + 2 * self.bounded
        if clusters < 2:
            return np.full((rest.shape[1],) * 2, np.nan)
        # The added clusters lie at +1 and -1, in each column apart.
        added = np.diag(2 * (1 + self._centre**2) * self._added**2)
        size = self.sizes.sum(axis=0) + 2 * self._added
        found: Floats = (rest.T @ rest + added) / np.outer(size, size)
        return found if self.bounded else found * clusters / (clusters - 1)

    def draws(self, chance: np.random.Generator, count: int) -> Floats:
        """Means of `count` resamples, moved to scatter around `means`; shape (count, columns)."""
        clusters = len(self.sums)
        if clusters >= MANY:
            normal: Floats = chance.multivariate_normal(self.means, self.noise(), size=count)
            return normal
        weights = chance.multinomial(clusters, np.full(clusters, 1 / clusters), size=count)
        total, size = weights @ self.sums, weights @ self.sizes
        if self.bounded:
            up, down = chance.poisson(1.0, size=(2, count, self.sums.shape[1]))
            total = total + (up - down) * self._added
            size = size + (up + down) * self._added
        with np.errstate(invalid="ignore"):
            found: Floats = total / size - self._centre + self.means
        return found


Statistic = Callable[[list[Floats]], Floats]
"""From the means of every stratum, each of shape (draws, columns), to a number for each draw."""


def drawn(strata: Sequence[Stratum], resamples: int = RESAMPLES) -> list[Floats]:
    """Means of resamples of every stratum, each of shape (draws, columns); fixed seed."""
    chance = np.random.default_rng(SEED)
    return [stratum.draws(chance, resamples) for stratum in strata]


def resampled(
    strata: Sequence[Stratum],
    statistic: Statistic,
    within: tuple[float, float] = (-math.inf, math.inf),
) -> Interval:
    """The statistic of the means, with the percentiles of its resamples; `within`: its range."""
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(statistic([stratum.means[np.newaxis] for stratum in strata])[0])
        found = statistic(drawn(strata))
    return percentiles(value, found, sum(stratum.n for stratum in strata), within)


def percentiles(
    value: float, found: Floats, n: int, within: tuple[float, float] = (-math.inf, math.inf)
) -> Interval:
    """The interval of an estimate from its resamples. NaN limits where too many have no value."""
    known = found[np.isfinite(found)]
    if not math.isfinite(value) or len(known) < (1 - UNDEFINED) * len(found) or np.ptp(known) == 0:
        return Interval(value, math.nan, math.nan, n)
    low, high = np.clip(np.quantile(known, TAILS), *within)
    return Interval(value, float(min(low, value)), float(max(high, value)), n)
