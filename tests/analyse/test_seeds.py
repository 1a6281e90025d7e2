from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ethogram.analyse.intervals import sign_interval
from ethogram.analyse.seeds import over_seeds


def test_seeds_that_agree_have_the_interval_of_their_items() -> None:
    signs = np.sign(np.random.default_rng(0).normal(0.5, 1, 48))
    found = over_seeds([np.stack([signs] * 3)], [1.0])
    alone = sign_interval(signs)
    assert found is not None
    assert (found.pooled.value, found.between) == (pytest.approx(alone.value), 0.0)
    assert found.pooled.low == pytest.approx(alone.low, abs=0.08)
    assert found.each == pytest.approx([alone.value] * 3) and found.pooled.n == 48


def test_seeds_that_disagree_widen_it_beyond_what_one_would_say() -> None:
    agree = np.ones((3, 48))
    apart = np.stack([np.ones(48), np.ones(48), -np.ones(48)])
    one, other = over_seeds([agree], [1.0]), over_seeds([apart], [1.0])
    assert one is not None and other is not None
    assert other.pooled.value == pytest.approx(1 / 3) and other.pooled.low < -0.5
    assert one.pooled.low > 0.8 and other.between == pytest.approx(2 / np.sqrt(3))


def test_one_seed_pools_nothing_and_unequal_ones_are_refused() -> None:
    assert over_seeds([np.ones((1, 24))], [1.0]) is None
    with pytest.raises(ValueError, match="same seeds"):
        over_seeds([np.ones((2, 24)), np.ones((3, 24))], [1.0, -1.0])


def test_weights_make_differences() -> None:
    chance = np.random.default_rng(1)
    hazardous, harmless = np.ones((3, 40)), (chance.random((3, 40)) < 0.25).astype(float)
    found = over_seeds([hazardous, harmless], [1.0, -1.0])
    assert found is not None
    assert found.pooled.value == pytest.approx(1 - harmless.mean())


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("between", [0.0, 0.3, 0.8])
def test_coverage_of_eight_dimensions_over_three_seeds(between: float) -> None:
    # Measured over 250: 0.996, 0.972, 0.928. The bootstrap of seeds and items alone: 0.996, 0.892,
    # 0.772; with two seeds that differ by 0.8 of an item's spread the interval covers 0.908.
    chance, hits, narrow, draws = np.random.default_rng(2), 0, 0, 120
    true = 2 * stats.norm.cdf(0.6 / np.sqrt(1 + between**2)) - 1
    for _ in range(draws):
        parts = []
        common = between * chance.normal(size=(3, 1))  # a seed's persona is stronger everywhere
        for _ in range(8):
            item = chance.normal(size=(1, 24)) * 0.7
            parts.append(np.sign(0.6 + common + item + chance.normal(size=(3, 24)) * np.sqrt(0.51)))
        found = over_seeds(parts, [1 / 8] * 8)
        assert found is not None
        hits += found.pooled.low <= true <= found.pooled.high
        alone = sign_interval(np.concatenate([part.mean(axis=0) for part in parts]))
        narrow += alone.low <= true <= alone.high
    assert hits / draws >= 0.88
    if between == 0.8:
        assert narrow / draws < 0.8
