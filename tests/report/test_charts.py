import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ethogram.report import charts
from ethogram.report.charts import Scale, element, estimate, limit_for, mark, shares, signed, told

VERDICTS = ("holds", "contradicts", "undecided", "unjudged")
NUMBERS = st.none() | st.floats(allow_nan=True, allow_infinity=True)
INTERVALS = st.fixed_dictionaries(
    {"value": NUMBERS, "low": NUMBERS, "high": NUMBERS, "n": st.integers(0, 99)}
)


def parsed(*parts):
    return ET.fromstring("<svg>" + "".join(parts) + "</svg>")


def test_text_and_attributes_are_escaped():
    made = element("text", "<b>", class_="a", title='"><script>')
    assert made == '<text class="a" title="&#34;&gt;&lt;script&gt;">&lt;b&gt;</text>'


def test_every_verdict_has_a_shape_of_its_own():
    shapes = {verdict: parsed(mark(verdict, 5, 5))[0] for verdict in VERDICTS}
    kinds = {v: (s.tag, "undecided" in s.get("class")) for v, s in shapes.items()}
    assert len(set(kinds.values())) == 4


@given(INTERVALS, st.sampled_from(VERDICTS))
def test_any_interval_can_be_drawn_inside_its_scale(interval, verdict):
    scale = Scale(10, 90)
    found = parsed(*estimate(interval, verdict, scale, 5.0))
    for part in found.iter():
        for name in ("x1", "x2", "cx"):
            if part.get(name):
                assert 10 <= float(part.get(name)) <= 90
    assert "nan" not in ET.tostring(found).decode()


@pytest.mark.parametrize("interval", [None, {"value": None, "low": 0.1, "high": 0.2}])
def test_what_was_not_measured_is_said_and_no_dot_is_drawn(interval):
    (text,) = parsed(*estimate(interval, "holds", Scale(0, 100), 5.0))
    assert (text.tag, text.text) == ("text", "not measured")


def test_an_interval_without_limits_is_a_dot_alone():
    (dot,) = parsed(*estimate({"value": 0.5, "low": None, "high": 1.0}, "holds", Scale(0, 1), 5.0))
    assert dot.tag == "circle"


@given(st.lists(INTERVALS))
def test_the_scale_holds_every_limit(intervals):
    limit = limit_for(intervals)
    finite = [
        abs(part[key])
        for part in intervals
        for key in ("value", "low", "high")
        if part[key] is not None and math.isfinite(part[key])
    ]
    assert limit >= max([0.5, *finite])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.414, "+0.41"), (-0.004, "+0.00"), (-1, "\u22121.00"), (None, "\u2013"), (True, "\u2013")],
)
def test_a_number_has_a_true_minus_and_zero_no_sign_of_its_own(value, text):
    assert signed(value) == text


def test_an_interval_in_words():
    assert (
        told({"value": 0.5, "low": -0.1, "high": 1, "n": 9}) == "+0.50 [\u22120.10, +1.00], n = 9"
    )
    assert told({"value": 0.5, "low": None, "high": 1}) == "+0.50 no CI"
    assert told(None) == "not measured"


def test_shares_fill_the_bar_and_say_their_counts():
    made = parsed(shares({"holds": 1, "contradicts": 3, "undecided": 0}))[0]
    assert made.get("aria-label") == "1 holds, 3 contradicts"
    assert [float(part.get("x")) for part in made] == [0, 250]
    assert shares({"holds": 0}) == ""


def test_no_drawing_carries_a_style_that_the_policy_would_refuse():
    text = charts.spark({"value": 0, "low": -1, "high": 1}, 1) + shares({"holds": 1})
    assert not re.search(r"\sstyle=|\son\w+=", text)
