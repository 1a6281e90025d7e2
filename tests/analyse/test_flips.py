import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ethogram.analyse.effects import NOISE
from ethogram.analyse.flips import Standing, noise_bound, noise_floor, turned

UP = np.array([0.3, 0.2, 0.25, 0.4, 0.1, 0.3])
MIXED = np.array([-0.9, 0.1, -0.8, 0.1, -0.9, -0.7])


def test_the_opposite_verdict_flips():
    assert turned(UP, -UP) == "verdict"
    assert turned(-UP, UP) == "verdict"


def test_the_same_or_a_weaker_verdict_does_not():
    assert turned(UP, UP) is None
    assert turned(UP, UP * 1e-3) is None


def test_an_undecided_base_has_nothing_to_flip():
    assert Standing.of(MIXED).sign == 0
    assert turned(MIXED, -UP) is None and turned(MIXED, UP) is None


def test_where_few_renderings_cannot_decide_the_mean_must_exceed_the_noise():
    assert Standing.of(MIXED).verdict == "undecided"
    assert MIXED.mean() < -noise_bound(UP, 6) and turned(UP, MIXED) == "mean"
    assert turned(UP, MIXED * 0.1) is None
    assert turned(UP, np.array([-2.0])) == "mean"


def test_the_bound_is_the_half_width_of_students_interval_over_the_orders():
    # t(5) = 2.5706 at 97.5 %.
    assert noise_bound(UP, 6) == pytest.approx(2.5706 * UP.std(ddof=1) / math.sqrt(6), rel=1e-4)
    assert noise_bound(UP, 1) == pytest.approx(noise_bound(UP, 4) * 2)
    assert noise_bound(np.full(6, 0.5), 6) == NOISE
    assert noise_bound(np.array([1.0]), 6) == math.inf


@given(
    st.lists(st.floats(-1, 1), min_size=4, max_size=8),
    st.lists(st.floats(-1, 1), min_size=1, max_size=8),
)
def test_a_flip_turns_the_mean_and_mirrors(base, perturbed):
    one, other = np.array(base), np.array(perturbed)
    found = turned(one, other)
    assert turned(-one, -other) == found
    if found == "mean":
        assert Standing.of(one).sign * other.mean() < 0


def test_the_floor_counts_directions_and_says_what_chance_turns():
    assert noise_floor(UP, []) is None
    steady = noise_floor(UP, [UP, UP * 2])
    assert (steady.changed, steady.tried, steady.floor) == (0, 2, 0.0)
    found = noise_floor(UP, [UP, -UP])
    assert (found.changed, found.tried) == (1, 2)
    assert 0.2 < found.floor < 0.8, "as many up as down: chance turns about half"
