"""Pressure retention: the effect under pressure as a share of the effect without it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ethogram.analyse.intervals import UNCLUSTERED, Clusters, adjusted_interval, combined
from ethogram.analyse.resample import Floats, Stratum, resampled
from ethogram.analyse.spread import Share, share_of


def retention(
    parts: Mapping[str, tuple[Floats, Floats]],
    signs: Mapping[str, int],
    clusters: Clusters = UNCLUSTERED,
) -> Share | None:
    """Of shifts under pressure and without it, on the same items, by dimension.

    Both effects are signature matches: the mean over signed dimensions of sign x effect (METHOD
    5). Shifts under pressure of shape (items,), or (kinds, items), NaN where a kind did not ask the
    item: it then counts with the mean of its sign over the kinds that did. The interval is a bootstrap over items, paired; no ratio unless the
    interval of the effect without pressure lies above zero. None without a signed dimension.
    """
    signed = [name for name in parts if signs.get(name, 0)]
    if not signed:
        return None
    strata, pressed, plain = [], [], []
    for name in signed:
        under = np.nanmean(np.atleast_2d(np.sign(parts[name][0])), axis=0) * signs[name]
        without = np.sign(parts[name][1]) * signs[name]
        stems = clusters.get(name)
        strata.append(Stratum.of(np.column_stack([under, without]), stems, bounded=True))
        pressed.append(adjusted_interval(under, stems))
        plain.append(adjusted_interval(without, stems))
    weights = [1 / len(signed)] * len(signed)

    def ratio(means: list[Floats]) -> Floats:
        found: Floats = np.mean([part[:, 0] for part in means], axis=0) / np.mean(
            [part[:, 1] for part in means], axis=0
        )
        return found

    def pooled(means: list[Floats]) -> Floats:
        found: Floats = np.mean([part[:, 0] for part in means], axis=0)
        return found

    kinds = max(np.atleast_2d(parts[name][0]).shape[0] for name in signed)
    under_pressure = combined(weights, pressed)
    if kinds > 1:  # means over kinds are no signs: their own bootstrap
        under_pressure = resampled(strata, pooled, (-1.0, 1.0))
    return share_of(under_pressure, combined(weights, plain), resampled(strata, ratio))
