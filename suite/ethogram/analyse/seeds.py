"""Several seeds of one model: intervals that resample seeds, then items."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ethogram.analyse.intervals import SEED, Interval
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
    parts: Sequence[Floats],
    weights: Sequence[float],
    clusters: Sequence[Sequence[object] | None] | None = None,
    *,
    bounded: bool = True,
) -> SeedSpread | None:
    """The weighted sum of the parts' means over seeds and items; None with fewer than two seeds.

    `parts`: an array (seeds, items) for every dimension, or side of the prompts; signs unless not
    `bounded`. `clusters`: of the items of every part, alike. Seeds are resampled, then items. All seeds answer the same items, so that items are
    drawn once for all drawn seeds (the pigeonhole bootstrap, Owen 2007, Ann. Appl. Stat. 1:386);
    of k seeds k - 1 are drawn, or their variance would come out too small by (k - 1) / k (Rao and
    Wu 1988, JASA 83:231). A few seeds say little of their own spread, and the bootstrap takes it
    for known: with three seeds that differ it covered 77 to 89 % in place of 95. So the
    limits are never narrower than those of items alone combined (MOVER) with Student's t of the
    seeds, k - 1 degrees of freedom. Coverage is simulated in tests/analyse/test_seeds.py.
    """
    seeds = {len(part) for part in parts}
    if len(seeds) != 1:
        raise ValueError(f"every part needs the same seeds, not {sorted(seeds)}")
    (k,) = seeds
    if k < 2:
        return None
    strata = [
        Stratum.of(part.T, names, bounded=bounded)
        for part, names in zip(parts, clusters or [None] * len(parts), strict=True)
    ]
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
    found = percentiles(value, draws, n)
    items = percentiles(value, on_items.mean(axis=1), n)
    half = float(stats.t.ppf(0.975, k - 1)) * between / math.sqrt(k)
    low = min(found.low, value - math.hypot(value - items.low, half))
    high = max(found.high, value + math.hypot(items.high - value, half))
    edge = float(np.abs(scale).sum()) if bounded else math.inf
    return SeedSpread(
        Interval(value, max(low, -edge), min(high, edge), n), between, tuple(each.tolist())
    )
