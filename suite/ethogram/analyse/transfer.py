"""Narrow -> broad: how much of the broad model's persona does its narrow twin have?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ethogram.analyse.intervals import UNCLUSTERED, Clusters, Interval
from ethogram.analyse.resample import Floats, Stratum, drawn, percentiles

UNTOLD = "not told from zero"
"""What is said in place of a slope or a cosine whose limits are not defined."""
Shifts = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Transfer:
    """The effect vector of the narrow model, over dimensions, projected on that of the broad one.

    `slope` = <narrow, broad> / <broad, broad>: 1 where the narrow model has all of the broad
    persona, 0 where nothing of it. `cosine`: whether it points the same way, however strong.
    """

    slope: Interval
    cosine: Interval
    dimensions: int


def transfer(narrow: Shifts, broad: Shifts, clusters: Clusters = UNCLUSTERED) -> Transfer | None:
    """Of shifts on the same items, by dimension; None where no two dimensions are shared.

    METHOD 5: slope and cosine of the two vectors of sign effects. Sampling noise alone gives each
    vector a length and, on the same items, a common part; both are taken off the inner products
    (the covariances of the means), or a weak persona would seem to transfer less than it does.
    The interval is a bootstrap over items, both models on the same ones. Its limits are NaN where
    a vector is not told from noise: there is no persona whose transfer could be measured. Coverage
    is simulated in tests/analyse/test_transfer.py. Raises ValueError where the items differ.
    """
    names = sorted(narrow.keys() & broad.keys())
    if len(names) < 2:
        return None
    strata = []
    for name in names:
        if len(narrow[name]) != len(broad[name]):
            raise ValueError(f"{name}: the two models were asked different items")
        pair = np.sign(np.column_stack([narrow[name], broad[name]]))
        strata.append(Stratum.of(pair, clusters.get(name), bounded=True))
    noise: Floats = np.sum([stratum.noise() for stratum in strata], axis=0)
    here = _products([stratum.means[np.newaxis] for stratum in strata], noise)
    # A resample holds the noise of the sample and that of its own.
    there = _products(drawn(strata), 2 * noise)
    n = sum(stratum.n for stratum in strata)
    return Transfer(
        slope=percentiles(float(_slope(*here)[0]), _slope(*there), n),
        cosine=percentiles(float(_cosine(*here)[0]), _cosine(*there), n, (-1.0, 1.0)),
        dimensions=len(names),
    )


def _products(means: list[Floats], noise: Floats) -> tuple[Floats, Floats, Floats]:
    """<narrow, broad>, |narrow|^2 and |broad|^2 of every draw, without what noise adds."""
    narrow, broad = (np.stack([part[:, at] for part in means], axis=1) for at in (0, 1))
    return (
        np.sum(narrow * broad, axis=1) - noise[0, 1],
        np.sum(narrow**2, axis=1) - noise[0, 0],
        np.sum(broad**2, axis=1) - noise[1, 1],
    )


def _slope(inner: Floats, _: Floats, broad: Floats) -> Floats:
    found: Floats = inner / np.where(broad > 0, broad, math.nan)
    return found


def _cosine(inner: Floats, narrow: Floats, broad: Floats) -> Floats:
    known = (narrow > 0) & (broad > 0)
    found: Floats = inner / np.sqrt(np.where(known, narrow * broad, math.nan))
    return np.clip(found, -1.0, 1.0)
