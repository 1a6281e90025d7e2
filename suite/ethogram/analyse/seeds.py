"""Several seeds of one model: intervals that resample seeds, then items."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ethogram.analyse.intervals import SEED, Interval, Z
from ethogram.analyse.resample import Floats, Stratum, drawn, percentiles


@dataclass(frozen=True, slots=True)
class SeedSpread:
    """A measure pooled over seeds. `pooled` speaks of the recipe and not of one adapter.

    `between`: the standard deviation of the measure between seeds; `each`: its value by seed.
    """

    pooled: Interval
    between: float
    each: tuple[float, ...]


def over_seeds(
    parts: Sequence[Floats], weights: Sequence[float], *, bounded: bool = True
) -> SeedSpread | None:
    """The weighted sum of the parts' means over seeds and items; None with fewer than two seeds.

    `parts`: an array (seeds, items) for every dimension, or side of the prompts; signs unless not
    `bounded`. All seeds answer the same items, so items are drawn once for all drawn seeds (the
    pigeonhole bootstrap, Owen 2007, Ann. Appl. Stat. 1:386). Of k seeds k - 1 are drawn, or the
    variance of a few would come out too small by (k - 1) / k (Rao and Wu 1988, JASA 83:231). The
    percentiles are widened from the normal to Student's t with Satterthwaite's degrees of freedom,
    since two or three seeds say little of their own spread. Coverage with three seeds is simulated
    in tests/analyse/test_seeds.py.
    """
    seeds = {len(part) for part in parts}
    if len(seeds) != 1:
        raise ValueError(f"every part needs the same seeds, not {sorted(seeds)}")
    (k,) = seeds
    if k < 2:
        return None
    strata = [Stratum.of(part.T, bounded=bounded) for part in parts]
    scale = np.asarray(weights, dtype=np.float64)
    each: Floats = np.einsum("s,sk->k", scale, np.stack([stratum.means for stratum in strata]))
    value = float(each.mean())
    # (draws, seeds): every seed's value on the items of the draw.
    on_items: Floats = np.einsum("s,sdk->dk", scale, np.stack(drawn(strata)))
    chance = np.random.default_rng(SEED + 1)
    taken = chance.multinomial(k - 1, np.full(k, 1 / k), size=len(on_items)) / (k - 1)
    draws: Floats = np.sum(taken * on_items, axis=1)
    n = sum(part.shape[1] for part in parts)
    between = float(each.std(ddof=1))
    pooled = percentiles(value, value + _widening(between, k, draws) * (draws - value), n)
    return SeedSpread(pooled, between, tuple(each.tolist()))


def _widening(between: float, k: int, draws: Floats) -> float:
    """Student's t over the normal quantile; the seeds' part of the variance has k - 1 degrees."""
    ours, total = between**2 / k, float(draws.var())
    if ours == 0 or total == 0:
        return 1.0
    degrees = (k - 1) * max(1.0, total / ours) ** 2
    return float(stats.t.ppf(0.975, degrees)) / Z if math.isfinite(degrees) else 1.0
