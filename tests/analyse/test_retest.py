from __future__ import annotations

import math

import pytest

from ethogram.analyse.intervals import Interval
from ethogram.analyse.outcomes import Outcome
from ethogram.analyse.retest import retest


def outcome(case, verdict, value):
    return Outcome(
        case=case,
        kind="persona",
        subject="rules",
        probe="endorsement",
        model="m",
        file="f",
        line=1,
        expected="more",
        because="",
        because_at="",
        measured=Interval(value, value - 0.1, value + 0.1, 24),
        unit="share",
        reference="s",
        verdict=verdict,
    )


def test_equal_verdicts_agree_and_a_flip_is_named():
    pairs = [
        (outcome("a", "holds", 0.5), outcome("a", "holds", 0.5)),
        (outcome("b", "undecided", 0.1), outcome("b", "holds", 0.2)),
        (outcome("c", "contradicts", -0.5), outcome("c", "contradicts", -0.5)),
        (outcome("d", "holds", 0.4), outcome("d", "holds", 0.4)),
    ]
    found = retest("m", pairs, [1e-6, 2e-5], [True, True, False])
    assert (found.same.value, found.same.n) == (0.75, 4)
    # p_o = 3/4, p_e = (2*3 + 1*0 + 1*1)/16 = 7/16: kappa = (3/4 - 7/16)/(9/16) = 5/9
    assert found.kappa.value == pytest.approx(5 / 9)
    assert found.largest == pytest.approx(0.1) and found.largest_log_prob == 2e-5
    assert (found.texts, found.texts_same) == (3, 2)
    assert [(t.case, t.first, t.again) for t in found.flipped] == [("b", "undecided", "holds")]


def test_where_every_verdict_is_the_same_kappa_is_not_defined():
    pairs = [(outcome(c, "holds", 0.5), outcome(c, "holds", 0.5)) for c in "abc"]
    found = retest("m", pairs, [], [])
    assert found.same.value == 1.0 and found.same.low < 0.5
    assert math.isnan(found.kappa.value) and found.flipped == ()


def test_no_case_is_an_error():
    with pytest.raises(ValueError, match="0 of 0"):
        retest("m", [], [], [])
