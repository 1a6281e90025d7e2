from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ethogram.analyse.reliability import (
    contrasts,
    correlation_of_effects,
    cronbach_alpha,
    discrimination,
    item_rest,
    oriented,
    share_above,
    split_half,
)

Matrix = NDArray[np.float64]
SIGNS = (1, 1, -1, -1, 0, 0, 1, -1)


def one_trait(spread: float, items: int = 24, models: int = 8, seed: int = 1) -> Matrix:
    """Every item shows the model's trait (standard normal) with noise of the given spread."""
    chance = np.random.default_rng(seed)
    trait = chance.normal(size=models)
    return trait + chance.normal(scale=spread, size=(items, models))


def test_alpha_is_the_textbook_value() -> None:
    """Two items with covariance 1 and variances 5/3 and 5/3: 2 * (1 - (10/3) / (10/3 + 2c))."""
    left, right = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 1.0, 4.0, 3.0])
    shifts = np.vstack([left, right])
    variances = left.var(ddof=1) + right.var(ddof=1)
    expected = 2 * (1 - variances / (left + right).var(ddof=1))
    found = cronbach_alpha(shifts)
    assert found is not None
    assert (found.value, found.n) == (pytest.approx(expected), 4)
    assert found.low < found.value < found.high


def test_alpha_is_high_for_one_trait_and_near_zero_for_none() -> None:
    high, none = cronbach_alpha(one_trait(0.5)), cronbach_alpha(one_trait(1e6))
    assert high is not None and none is not None
    assert high.value > 0.95 and high.low > 0.8
    assert none.value < 0.6 and none.low < 0


def test_a_drift_that_all_models_share_changes_no_alpha() -> None:
    shifts = one_trait(1.0)
    drift = np.linspace(-3, 3, len(shifts))[:, None]
    plain, moved = cronbach_alpha(shifts), cronbach_alpha(shifts + drift)
    assert plain is not None and moved is not None
    assert moved.value == pytest.approx(plain.value)


def test_alphas_interval_holds_the_true_value_about_as_often_as_it_says() -> None:
    """Four parallel items with reliability 0.8: error variance 1 gives 4 / (4 + 1)."""
    held = 0
    for seed in range(200):
        found = cronbach_alpha(one_trait(1.0, items=4, seed=seed))
        assert found is not None
        held += found.low <= 0.8 <= found.high
    assert 0.90 <= held / 200 <= 0.99


def test_halves_agree_where_there_is_one_trait_and_not_where_there_is_none() -> None:
    high, none = split_half(one_trait(0.5)), split_half(one_trait(1e6))
    assert high is not None and none is not None
    assert high.value > 0.9 and high.low > 0.8 and high.n == 24
    assert none.low < 0 < none.high


def test_copies_of_an_item_never_lie_in_both_halves() -> None:
    """Pure noise would seem reliable in resamples if an item could agree with itself."""
    found = [split_half(one_trait(1e6, items=6, seed=seed)) for seed in range(10)]
    assert np.median([one.high for one in found if one]) < 1 - 1e-6
    assert np.median([one.low for one in found if one]) < 0


def test_halves_are_seeded() -> None:
    assert split_half(one_trait(1.0)) == split_half(one_trait(1.0))


def test_what_is_not_defined_is_none() -> None:
    same = np.ones((6, 8))
    assert cronbach_alpha(same) is None
    assert split_half(same) is None
    assert item_rest(same) == [None] * 6
    few = one_trait(1.0, models=2)
    assert cronbach_alpha(few) is None and split_half(few) is None
    assert item_rest(few) == [None] * 24
    assert cronbach_alpha(one_trait(1.0, items=1)) is None
    assert correlation_of_effects([0.1, 0.2, 0.3], [0.1, 0.2, 0.3]) is None
    assert correlation_of_effects([0.1] * 8, list(np.linspace(0, 1, 8))) is None


def test_an_item_that_runs_against_the_others_shows() -> None:
    shifts = one_trait(0.1)
    shifts[3] *= -1
    found = item_rest(shifts)
    assert found[3] is not None and found[3] < -0.9
    assert all(r is not None and r > 0.9 for i, r in enumerate(found) if i != 3)


def test_items_that_move_as_expected_discriminate() -> None:
    shifts = np.tile(np.array(SIGNS, dtype=float), (10, 1)) + 0.5
    found = discrimination(shifts, SIGNS)
    assert found.expected is not None and found.items is not None
    assert (found.expected.value, found.expected.n) == (1.0, 60)
    assert found.items.value == 1.0 and found.items.low < 1.0
    assert found.contrasts == pytest.approx((1.0,) * 10), "the shared drift of 0.5 cancels"


def test_a_drift_alone_discriminates_nothing() -> None:
    found = discrimination(np.full((10, 8), 0.7), SIGNS)
    assert found.expected is not None and found.expected.value == pytest.approx(0.5)
    assert found.contrasts == pytest.approx((0.0,) * 10)
    assert found.rest is None


def test_without_signs_nothing_is_expected() -> None:
    found = discrimination(one_trait(0.5), (0,) * 8)
    assert found.expected is None and found.items is None
    assert found.contrasts == (None,) * 24
    assert found.rest is not None and found.rest.value == 1.0


def test_signs_that_all_point_one_way_leave_the_mean() -> None:
    found = contrasts(np.full((3, 4), -0.2), (-1, 0, 0, -1))
    assert found == pytest.approx([0.2] * 3)
    assert oriented(np.full((3, 4), -0.2), (-1, 0, 0, -1)).shape == (3, 2)


def test_ties_count_half() -> None:
    assert share_above(np.array([1.0, 0.0, 0.0, -1.0])).value == 0.5


def test_dimensions_correlate_over_models() -> None:
    effects = list(np.linspace(-1, 1, 8))
    found = correlation_of_effects(effects, [-e for e in effects])
    assert found is not None
    assert (found.value, found.n) == (pytest.approx(-1.0), 8)
    loose = correlation_of_effects(effects, [*effects[4:], *effects[:4]])
    assert loose is not None and loose.low < loose.value < loose.high and loose.high - loose.low > 1
