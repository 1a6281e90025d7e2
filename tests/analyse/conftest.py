"""Simulated models, and bootstraps with fewer resamples where hundreds of them are run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from ethogram.analyse import resample, seeds, transfer


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 resamples: enough where the coverage of many intervals is counted."""
    whole = resample.drawn
    for module in (resample, seeds, transfer):
        monkeypatch.setattr(module, "drawn", lambda strata: whole(strata, 1_000))


Twins = Callable[..., tuple[dict[str, NDArray], dict[str, NDArray]]]


@pytest.fixture(scope="session")
def twins() -> Twins:
    """Shifts of two models on the same items, with planted sign effects by dimension.

    `shared`: the correlation of an item's shifts in the two models.
    """

    def make(
        chance: np.random.Generator,
        one: NDArray,
        other: NDArray,
        shared: float = 0.3,
        n: int = 24,
    ) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
        middle = stats.norm.ppf((1 + np.column_stack([one, other])) / 2)
        first, second = {}, {}
        for index, (left, right) in enumerate(middle):
            a, b = chance.normal(size=(2, n))
            b = shared * a + np.sqrt(1 - shared**2) * b
            first[f"dimension-{index}"], second[f"dimension-{index}"] = a + left, b + right
        return first, second

    return make
