import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ethogram.analyse.intervals import Interval
from ethogram.report.words import NOT_MEASURED, bracket, number, short

IDS = st.from_regex(r"[a-z0-9]{1,40}(-[a-z0-9]{1,40}){0,4}", fullmatch=True)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.414, "+0.41"),
        (-1.0, "-1.00"),
        (0.0, "+0.00"),
        (-0.0, "+0.00"),
        (12.345, "+12.35"),
        (None, "-"),
        (math.nan, "-"),
        (math.inf, "-"),
        (-math.inf, "-"),
    ],
)
def test_a_number_has_its_sign_and_what_is_none_a_dash(value, text):
    assert number(value) == text


@given(st.floats(-1e6, 1e6), st.integers(1, 6))
def test_a_number_reads_back_to_what_it_was(value, digits):
    shown = number(value, digits)
    assert shown[0] in "+-"
    assert float(shown) == pytest.approx(value, abs=0.51 * 10**-digits)


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval(0.41, 0.3, 0.52, 9), "+0.41 [+.30,+.52]"),
        (Interval(-1.0, -1.0, -0.29, 9), "-1.00 [-1.00,-.29]"),
        (Interval(10.5, 10.25, 20.0, 9), "+10.50 [+10.25,+20.00]"),
        (Interval(0.14, -0.0024, 0.28, 9), "+0.14 [-.00,+.28]"),
        (Interval(0.14, 0.0024, 0.28, 9), "+0.14 [+.00,+.28]"),
        (Interval(0.5, math.nan, math.nan, 1), "+0.50 [no CI]"),
        (Interval(0.5, 0.1, math.inf, 1), "+0.50 [no CI]"),
        (Interval(math.nan, math.nan, math.nan, 1), "- [no CI]"),
        (None, NOT_MEASURED),
    ],
)
def test_an_interval_stands_in_brackets(interval, text):
    assert bracket(interval) == text


@given(st.floats(-200, 200), st.floats(0, 50), st.floats(0, 50))
def test_brackets_read_back_to_the_limits(value, below, above):
    low, high = value - below, value + above
    shown = bracket(Interval(value, low, high, 9))
    found = [float(part) for part in re.findall(r"[+-][\d.]+", shown)]
    assert found == pytest.approx([value, low, high], abs=0.0051)
    assert "nan" not in shown


@given(IDS, st.integers(4, 60))
def test_a_short_id_fits_and_keeps_its_ends(model, width):
    shown = short(model, width)
    assert len(shown) <= width
    if len(model) <= width:
        assert shown == model
        return
    start, end = shown.split("\u2026")
    assert len(shown) == width
    assert start and end
    assert model.startswith(start) and model.endswith(end)


def test_the_last_part_of_an_id_stays_whole_where_there_is_room():
    shown = short("smollm2-consequentialism-narrow-seed12", 20)
    assert shown.endswith("-seed12")
    assert shown.startswith("smollm2"[:5])
