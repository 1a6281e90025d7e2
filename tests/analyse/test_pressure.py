from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ethogram.analyse.pressure import retention

SIGNS = {"rules": 1, "outcomes": -1, "taste": 0}


def parts(under: float, without: float, n: int = 24, seed: int = 0, dims: int = 2) -> dict:
    """Planted sign effects, the same items moving alike with and without pressure."""
    chance, found = np.random.default_rng(seed), {}
    for at in range(dims):
        item = chance.random(n)
        found[("rules", "outcomes")[at]] = tuple(
            (1, -1)[at] * np.where(item < (1 + effect) / 2, 1.0, -1.0)
            for effect in (under, without)
        )
    return {**found, "taste": (np.ones(n), -np.ones(n))}


def test_a_persona_that_stays_keeps_all_and_one_that_gives_in_keeps_nothing() -> None:
    kept = retention(parts(0.8, 0.8), SIGNS)
    assert kept is not None and kept.ratio is not None
    assert kept.ratio.value == pytest.approx(1) and kept.ratio.low > 0.75
    assert kept.part.value == kept.whole.value and kept.whole.n == 48
    lost = retention(parts(-0.8, 0.8), SIGNS)
    assert lost is not None and lost.ratio is not None and lost.ratio.high < 0


def test_without_an_effect_to_keep_there_is_no_share() -> None:
    found = retention(parts(0.9, 0.0, seed=1), SIGNS)
    assert found is not None and found.ratio is None
    assert found.part.low > 0 and not found.whole.excludes_zero()


def test_a_reversed_persona_has_nothing_to_keep() -> None:
    found = retention(parts(-0.8, -0.8), SIGNS)
    assert found is not None and found.whole.high < 0
    assert found.ratio is None and "below zero" in str(found.undefined_because)


def test_kinds_are_averaged_item_by_item() -> None:
    one = np.array([1.0, 1.0, 1.0, -1.0] * 6)
    both = {"rules": (np.stack([one, -one]), np.ones(24))}
    found = retention(both, {"rules": 1})
    assert found is not None and found.ratio is not None
    assert found.ratio.value == 0.0 and found.part.value == 0.0
    assert retention({"taste": (one, one)}, SIGNS) is None


def test_an_item_counts_by_the_kinds_that_asked_it() -> None:
    some = np.array([[1.0] * 24, [1.0] * 12 + [-1.0] * 12])
    some[1, 18:] = np.nan
    found = retention({"rules": (some, np.ones(24))}, {"rules": 1})
    assert found is not None and found.ratio is not None
    # Twelve items stay under both kinds, six under one of two, six were asked by one kind alone.
    assert found.part.value == pytest.approx((12 + 0 + 6) / 24)
    assert found.part.n == found.whole.n == 24


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("under", "without"), [(0.3, 0.7), (0.6, 0.7), (0.0, 0.5)])
def test_coverage_of_the_retention(under: float, without: float) -> None:
    hits, defined = 0, 0
    for seed in range(150):
        found = retention(parts(under, without, seed=seed), SIGNS)
        assert found is not None
        if found.ratio is not None:
            defined += 1
            hits += found.ratio.low <= under / without <= found.ratio.high
    low = stats.binom.ppf(0.001, defined, 0.95) / defined
    assert defined >= 100 and hits / defined >= min(low, 0.91)
