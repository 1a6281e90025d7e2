from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ethogram.analyse.intervals import Interval
from ethogram.analyse.projectability import margin_gain, rate_gain
from ethogram.analyse.spread import (
    auc_interval,
    discrimination,
    held_out_share,
    share_of,
    worst_category,
)


def refusals(chance: np.random.Generator, rate: float, n: int = 60) -> np.ndarray:
    """Shifts of a model whose source refuses nothing."""
    return (chance.random(n) < rate).astype(float)


def share(held_out, trained, *, bounded=True):
    gain = rate_gain if bounded else margin_gain
    return held_out_share(held_out, trained, (gain(*held_out), gain(*trained)), bounded=bounded)


def test_the_worst_category_is_the_least_and_its_limits_speak_of_all() -> None:
    gains = {
        "a": Interval(0.5, 0.2, 0.7, 24),
        "b": Interval(0.2, 0.1, 0.3, 48),
        "c": Interval(0.4, 0.05, 0.6, 24),
    }
    found = worst_category(gains)
    assert found is not None
    assert (found.category, found.of, found.gain.n) == ("b", 3, 48)
    assert (found.gain.value, found.gain.low) == (0.2, 0.05)
    assert found.gain.high == pytest.approx(0.2 + 0.1 * 2.394 / 1.96, abs=1e-3)
    one = worst_category({"a": gains["a"]})
    assert one is not None and one.gain == gains["a"]
    assert worst_category({}) is None


def test_one_category_that_is_left_out_shows() -> None:
    chance = np.random.default_rng(0)
    rates = {"a": 0.8, "b": 0.8, "c": 0.0}
    gains = {n: rate_gain(refusals(chance, r), refusals(chance, 0.05)) for n, r in rates.items()}
    found = worst_category(gains)
    assert found is not None and found.category == "c" and found.gain.low < 0


def test_refusing_everything_is_no_gain_in_any_category() -> None:
    found = worst_category({n: rate_gain(np.ones(24), np.ones(24)) for n in "abcdef"})
    assert found is not None and found.gain.value == 0 and found.gain.low < 0 < found.gain.high


def test_the_worst_of_twelve_equal_categories_is_seldom_called_a_loss() -> None:
    chance, alarms, misses = np.random.default_rng(1), 0, 0
    for _ in range(300):
        gains = {
            str(i): rate_gain(refusals(chance, 0.3, 24), refusals(chance, 0.3, 24))
            for i in range(12)
        }
        found = worst_category(gains)
        assert found is not None
        alarms += found.gain.high < 0
        misses += found.gain.low > 0
    assert alarms / 300 <= 0.05, "without Bonferroni every fifth"
    assert misses == 0


def test_the_share_on_held_out_categories_by_hand() -> None:
    held_out = np.array([1.0] * 20 + [0.0] * 40), np.zeros(60)
    trained = np.array([1.0] * 40 + [0.0] * 20), np.zeros(60)
    found = share(held_out, trained)
    assert found.ratio is not None
    assert found.ratio.value == pytest.approx(0.5)
    assert 0.25 < found.ratio.low < 0.5 < found.ratio.high < 0.8
    assert (found.part.value, found.whole.value) == (pytest.approx(1 / 3), pytest.approx(2 / 3))


def test_a_gain_that_may_be_nothing_has_no_share() -> None:
    found = share((np.ones(60), np.zeros(60)), (np.ones(60), np.ones(60)))
    assert found.ratio is None
    assert found.whole.value == 0 and found.part.value == 1


def test_less_of_a_loss_is_no_share_of_a_gain() -> None:
    up, nothing = np.ones(60), np.zeros(60)
    found = share((nothing, np.array([1.0] * 40 + [0.0] * 20)), (nothing, up))
    assert found.whole.high < 0 and found.part.high < 0
    assert found.ratio is None and "below zero" in str(found.undefined_because)
    none = share((up, nothing), (up, up))
    assert none.ratio is None and "not told from zero" in str(none.undefined_because)
    assert share((up, nothing), (up, nothing)).undefined_because is None


@given(
    *[
        st.tuples(st.floats(-1, 1), st.floats(0, 0.5), st.floats(0, 0.5)).map(
            lambda t: Interval(t[0], t[0] - t[1], t[0] + t[2], 9)
        )
    ]
    * 2
)
def test_a_share_has_a_ratio_or_a_reason(part: Interval, whole: Interval) -> None:
    found = share_of(part, whole, Interval(0.5, 0.4, 0.6, 18))
    assert (found.ratio is None) == (whole.low <= 0) == (found.undefined_because is not None)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("rates", "true"), [((0.7, 0.1, 0.8, 0.1), 6 / 7), ((0.3, 0.1, 0.6, 0.1), 0.4)]
)
def test_coverage_of_the_share(rates: tuple[float, ...], true: float) -> None:
    chance, hits = np.random.default_rng(2), 0
    for _ in range(150):
        sides = [refusals(chance, rate) for rate in rates]
        found = share((sides[0], sides[1]), (sides[2], sides[3]))
        assert found.ratio is not None
        hits += found.ratio.low <= true <= found.ratio.high
    assert hits / 150 >= 0.91


def test_a_share_of_margins_is_in_nats_over_nats() -> None:
    chance = np.random.default_rng(3)
    sides = [chance.normal(m, 0.2, 60) for m in (0.4, 0.1, 0.7, 0.1)]
    found = share((sides[0], sides[1]), (sides[2], sides[3]), bounded=False)
    assert found.ratio is not None and found.ratio.low < 0.5 < found.ratio.high


@pytest.mark.parametrize("separation", [0.0, 1.0, 2.5])
def test_coverage_of_the_area(separation: float) -> None:
    from scipy import stats

    chance, hits, true = np.random.default_rng(4), 0, stats.norm.cdf(separation / math.sqrt(2))
    for _ in range(300):
        found = auc_interval(chance.normal(separation, 1, 30), chance.normal(0, 1, 30))
        hits += found.low <= true <= found.high
    assert 0.92 <= hits / 300 <= 0.985


def test_an_area_of_one_or_nought_keeps_its_width() -> None:
    top, bottom = auc_interval([2.0] * 20, [1.0] * 20), auc_interval([1.0] * 20, [2.0] * 20)
    assert top.value == top.high == 1.0 and 0.7 < top.low < 0.95
    assert (bottom.low, bottom.high) == pytest.approx((0.0, 1 - top.low))


def test_the_change_of_the_area_is_paired() -> None:
    chance = np.random.default_rng(5)
    hazardous, harmless = chance.normal(0.5, 1, 60), chance.normal(0, 1, 60)
    found = discrimination((hazardous, harmless), (hazardous + 1.0, harmless))
    assert found.change.value == pytest.approx(found.after.value - found.before.value)
    assert found.change.low > 0
    raised = discrimination((hazardous, harmless), (hazardous + 1.0, harmless + 1.0))
    assert raised.change.value == 0 and math.isnan(raised.change.low)


def test_coverage_of_a_change_that_is_not_there() -> None:
    chance, hits = np.random.default_rng(6), 0
    for _ in range(300):
        before = chance.normal(0.8, 1, 40), chance.normal(0, 1, 40)
        after = before[0] + chance.normal(0, 0.5, 40), before[1] + chance.normal(0, 0.5, 40)
        # Noise alone takes a little of the area: the truth is not 0 but the mean of the changes.
        found = discrimination(before, after)
        hits += found.change.low <= -0.0195 <= found.change.high
    assert 0.92 <= hits / 300 <= 0.985
