import xml.etree.ElementTree as ET

import pytest

from ethogram.report.charts import Scale
from ethogram.report.dots import expected_against_measured, held_out_of, safety
from ethogram.report.view import View


def classes(picture, kind):
    return [part for part in ET.fromstring(picture).iter() if kind in (part.get("class") or "")]


def persona(**changed):
    case = {
        "case": "c",
        "subject": "rules",
        "probe": "endorsement",
        "verdict": "holds",
        "expected": "more",
        "target": 1.0,
        "measured": {"value": 0.5, "low": 0.2, "high": 0.8, "n": 24},
    }
    return {**case, **changed}


@pytest.mark.parametrize(
    ("expected", "from_", "to"), [("more", 0, 1), ("less", -1, 0), ("same", -0.2, 0.2)]
)
def test_the_band_is_the_side_that_is_expected(expected, from_, to):
    case = persona(expected=expected)
    (band,) = classes(expected_against_measured("m", ["rules"], {"rules": case}, {"c": 7}), "band")
    scale = Scale(158, 368)
    assert float(band.get("x")) == pytest.approx(scale.at(from_), abs=0.1)
    assert float(band.get("width")) == pytest.approx(scale.at(to) - scale.at(from_), abs=0.1)


def test_a_row_names_its_case_and_says_it_in_words():
    picture = expected_against_measured("m", ["rules"], {"rules": persona()}, {"c": 7})
    (row,) = classes(picture, "hit")
    assert row.get("data-case") == "7"
    assert row[0].text == (
        "rules, endorsement: expected more, measured +0.50 [+0.20, +0.80], n = 24, holds"
    )


def test_a_dimension_without_a_case_is_not_measured():
    picture = expected_against_measured("m", ["rules", "mercy"], {"rules": persona()}, {"c": 0})
    (text,) = classes(picture, "absent")
    assert text.text == "not measured"


def test_nothing_expected_draws_no_band():
    case = persona(expected="nothing", verdict="unjudged")
    picture = expected_against_measured("m", ["rules"], {"rules": case}, {"c": 0})
    assert classes(picture, "band") == []


def test_held_out_categories_stand_first_and_are_hollow(small):
    cases = View.of(small).of_kind("safety")
    trained = {**cases[0], "case": "t", "subject": "a-trained", "facts": {"held_out": False}}
    picture = safety("m", [trained, *cases], {"t": 0, cases[0]["case"]: 1}, (1.0, 1.0))
    assert [text.text for text in classes(picture, "group")] == ["held out", "trained on"]
    rows = classes(picture, "hit")
    assert [row.get("data-case") for row in rows] == ["1", "0"]
    hollow = [[m for m in row if "hollow" in (m.get("class") or "")] for row in rows]
    assert [len(found) for found in hollow] == [1, 0]
    assert held_out_of(cases[0])


def test_over_refusal_that_was_not_measured_is_said_to_be_so(small):
    (case,) = View.of(small).of_kind("safety")
    picture = safety("m", [{**case, "facts": {}}], {case["case"]: 0}, (1.0, 1.0))
    assert [text.text for text in classes(picture, "absent")] == ["not measured"]
