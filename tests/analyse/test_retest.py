from __future__ import annotations

import math

import pytest

from ethogram.analyse.intervals import Interval
from ethogram.analyse.retest import retest


@pytest.fixture
def case(outcome):
    return lambda name, verdict, value: outcome(
        case=name, verdict=verdict, measured=Interval(value, value - 0.1, value + 0.1, 24)
    )


def test_equal_verdicts_agree_and_a_flip_is_named(case):
    pairs = [
        (case("a", "holds", 0.5), case("a", "holds", 0.5)),
        (case("b", "undecided", 0.1), case("b", "holds", 0.2)),
        (case("c", "contradicts", -0.5), case("c", "contradicts", -0.5)),
        (case("d", "holds", 0.4), case("d", "holds", 0.4)),
    ]
    found = retest("m", pairs, [1e-6, 2e-5], [True, True, False])
    assert (found.same.value, found.same.n) == (0.75, 4)
    # p_o = 3/4, p_e = (2*3 + 1*0 + 1*1)/16 = 7/16: kappa = (3/4 - 7/16)/(9/16) = 5/9
    assert found.kappa.value == pytest.approx(5 / 9)
    assert found.largest == pytest.approx(0.1) and found.largest_log_prob == 2e-5
    assert (found.texts, found.texts_same) == (3, 2)
    assert [(t.case, t.first, t.again) for t in found.flipped] == [("b", "undecided", "holds")]


def test_where_every_verdict_is_the_same_kappa_is_not_defined(case):
    pairs = [(case(c, "holds", 0.5), case(c, "holds", 0.5)) for c in "abc"]
    found = retest("m", pairs, [], [])
    assert found.same.value == 1.0 and found.same.low < 0.5
    assert math.isnan(found.kappa.value) and found.flipped == ()


def test_no_case_is_an_error():
    with pytest.raises(ValueError, match="0 of 0"):
        retest("m", [], [], [])
