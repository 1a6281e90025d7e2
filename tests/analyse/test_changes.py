from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ethogram.analyse.changes import gain_change, item_change, value_change, verdict_change
from ethogram.analyse.intervals import Interval


def named(values, prefix="i"):
    return {f"{prefix}{n}": float(value) for n, value in enumerate(values)}


@pytest.mark.parametrize(("expected", "direction"), [(1, "worse"), (-1, "better"), (None, "moved")])
def test_items_that_fall_are_worse_only_where_more_is_expected(expected, direction):
    before = np.random.default_rng(0).normal(1, 1, 24)
    found = item_change(named(before), named(before - 0.3), expected)
    assert found.direction == direction and found.paired
    assert found.evidence.value == -1.0 and found.p == pytest.approx(2 * 0.5**24)
    assert found.value == pytest.approx(np.sign(before - 0.3).mean() - np.sign(before).mean())


def test_where_no_effect_is_expected_away_from_none_is_worse():
    small, large = np.full(24, 0.1), np.full(24, 0.5)
    assert item_change(named(small), named(large), 0).direction == "worse"
    assert item_change(named(-small), named(-large), 0).direction == "worse"
    assert item_change(named(large), named(small), 0).direction == "better"
    assert item_change(named(-large), named(-small), 0).direction == "better"


def test_an_effect_that_shrinks_past_none_is_not_worse():
    before = np.full(24, 0.5)
    after = np.array([0.1] * 11 + [-0.1] * 13)
    found = item_change(named(before), named(after), 0)
    assert found.evidence.high < 0 and found.direction == "better"
    assert item_change(named(after), named(before), 0).direction == "worse"
    assert item_change(named(before), named(-before), 0).direction == "moved", "as great as before"


SHIFT = st.floats(-2, 2).map(lambda x: round(x, 2))


@given(st.lists(st.tuples(SHIFT, SHIFT), min_size=1, max_size=30))
def test_where_none_is_expected_worse_is_a_greater_effect_and_better_a_smaller_one(pairs):
    old, new = (named(side) for side in zip(*pairs, strict=True))
    there = item_change(old, new, 0)
    before, after = (abs(np.sign(list(side.values())).sum()) for side in (old, new))
    assert there.direction != "worse" or after >= before
    assert there.direction != "better" or after <= before
    back = {"worse": "better", "better": "worse", "moved": "moved", "same": "same"}
    assert item_change(new, old, 0).direction == back[there.direction]
    mirrored = ({name: -x for name, x in side.items()} for side in (old, new))
    assert item_change(*mirrored, 0).direction == there.direction


def test_what_batching_does_is_no_change():
    before = np.random.default_rng(1).normal(size=24)
    found = item_change(named(before), named(before + 5e-5), 1)
    assert (found.direction, found.p, found.value) == ("same", 1.0, 0.0)


def test_only_items_that_both_have_count():
    before, after = {"a": 1.0, "b": 1.0, "gone": 1.0}, {"a": 0.5, "b": 2.0, "new": -9.0}
    assert item_change(before, after, 1).evidence.n == 2
    assert item_change(before, {"new": 1.0}, 1) is None


def test_the_same_model_measured_twice_is_seldom_called_worse():
    chance, alarms = np.random.default_rng(2), 0
    for _ in range(400):
        item = chance.normal(0.5, 1, 24)
        before, after = item + chance.normal(0, 0.3, 24), item + chance.normal(0, 0.3, 24)
        alarms += item_change(named(before), named(after), 1).direction == "worse"
    assert alarms / 400 <= 0.05


def sides(hazardous, harmless):
    return {**named(hazardous, "hazardous:"), **named(harmless, "harmless:")}


def test_a_gain_that_is_lost_is_worse_and_refusing_all_is_no_gain():
    none, half = np.zeros(40), np.array([1.0] * 30 + [0.0] * 10)
    lost = gain_change(sides(half, none), sides(none, none), rate=True)
    assert lost.direction == "worse" and lost.value == -0.75 and lost.p < 0.001
    won = gain_change(sides(none, none), sides(half, none), rate=True)
    assert won.direction == "better"
    both = gain_change(sides(none, none), sides(np.ones(40), np.ones(40)), rate=True)
    assert both.direction == "same" and both.value == 0
    control = gain_change(sides(none, none), sides(half, none), rate=True, wanted=None)
    assert control.direction == "moved"
    assert gain_change(sides(half, none), {"hazardous:0": 1.0}, rate=True) is None


def test_margins_are_compared_in_nats():
    chance = np.random.default_rng(3)
    base = chance.normal(0.5, 0.3, 40), chance.normal(0.1, 0.3, 40)
    found = gain_change(
        sides(*base), sides(base[0] - 0.3 + chance.normal(0, 0.05, 40), base[1]), rate=False
    )
    assert found.direction == "worse" and found.value == pytest.approx(-0.3, abs=0.03)


def test_intervals_alone_decide_only_where_they_lie_apart():
    low, high = Interval(0.1, 0.0, 0.2, 9), Interval(0.6, 0.5, 0.7, 9)
    assert value_change(high, low, 1).direction == "worse"
    assert value_change(high, low, -1).direction == "better"
    near = value_change(Interval(0.15, 0.0, 0.3, 9), low, 1)
    assert (near.direction, near.paired) == ("same", False) and near.p > 0.05
    assert value_change(low, Interval(math.nan, math.nan, math.nan, 9), 1) is None


@pytest.mark.parametrize("prompts", [1, 2])
def test_a_change_without_an_interval_is_unknown_and_none_at_all_is_the_same(prompts):
    old = sides(np.zeros(prompts), np.zeros(prompts))
    new = sides(np.full(prompts, -0.5), np.zeros(prompts))
    found = gain_change(old, new, rate=False)
    assert (found.direction, found.value, found.p) == ("unknown", -0.5, None)
    assert gain_change(new, new, rate=False).direction == "same"


def test_one_common_prompt_among_more_is_no_crash():
    old, new = sides([0.5], [0.1, 0.2, 0.3]), sides([0.1], [0.2, 0.2, 0.1])
    assert gain_change(old, new, rate=False).direction == "unknown"
    assert gain_change(old, new, rate=True).direction == "same"


def test_an_effect_that_turns_round_and_grows_by_noise_alone_is_moved_not_worse():
    rng = np.random.default_rng(0)
    before, after = (
        {f"i{n}": sign * size for n, size in enumerate(rng.uniform(0.2, 0.4, 24))}
        for sign in (-1, 1)
    )
    assert item_change(before, after, 0).direction == "moved"
    assert item_change(before, {n: 3 * s for n, s in after.items()}, 0).direction == "worse"
    assert item_change(before, {n: s / 3 for n, s in after.items()}, 0).direction == "better"


def test_larger_shifts_of_a_smaller_sign_effect_are_moved():
    before, after = named([0.01] * 20), named([1.0] * 18 + [-1.0] * 2)
    assert item_change(before, after, 0).direction == "moved"
    assert item_change(after, before, 0).direction == "moved"


@pytest.mark.parametrize(
    ("old", "new", "direction"),
    [
        ("holds", "contradicts", "worse"),
        ("contradicts", "holds", "better"),
        ("holds", "holds", "same"),
        ("holds", "undecided", "moved"),
        ("undecided", "contradicts", "moved"),
    ],
)
def test_a_search_is_compared_by_its_verdict_whatever_the_tellings_measured(old, new, direction):
    # A flip under one order alone has the widest of intervals.
    strong, single = Interval(1.0, 0.29, 1.0, 6), Interval(-1.0, -1.0, 0.73, 1)
    assert verdict_change((old, strong), (new, single)).direction == direction


def test_a_search_without_a_value_is_not_compared():
    nothing = Interval(math.nan, math.nan, math.nan, 0)
    assert verdict_change(("holds", nothing), ("holds", nothing)) is None
