import json

import jsonschema
import pytest

from ethogram.analyse.controls import Control
from ethogram.analyse.intervals import Interval
from ethogram.analyse.retest import Retest, Twice
from ethogram.report import html
from ethogram.report.controls import ControlsReport
from ethogram.report.document import Report
from ethogram.report.retest import RetestReport
from ethogram.report.schema import report_schema
from ethogram.report.studies import CONTROLS, RELIABILITY, RETEST, studies

WHEN = "2026-11-24T10:00:00+00:00"
NOW = {"suite/projectability.yaml": "a" * 64}
SAME = Interval(0.9, 0.6, 0.98, 10)


def planted(model, defect, expected, decided):
    return Control(model, defect, f"about {defect}", expected, decided, (), 3)


CONTROLLED = ControlsReport(
    controls=[
        planted("one", "faithful", "promote", "promote"),
        planted("two", "faithful", "promote", "keep back"),
        planted("one", "first-option", "stop", "promote"),
        planted("two", "first-option", "stop", "undecided"),
        planted("two", "shuffled-labels", "stop", "keep back"),
    ],
    started=WHEN,
    command="ethogram controls",
    files=NOW,
    digests={"tiny": "1" * 64, "elsewhere": "2" * 64},
)
RETESTED = RetestReport(
    models=[
        Retest(
            model="one",
            same=SAME,
            kappa=SAME,
            largest=0.25,
            largest_log_prob=0.0000123,
            texts=4,
            texts_same=3,
            flipped=(Twice("a::b::one", "holds", "undecided", 0.5, 0.25),),
        )
    ],
    conditions={"threads": 1},
    usual={"threads": 2},
    started=WHEN,
    command="ethogram retest one",
    files=NOW,
    digests={"tiny": "1" * 64},
)


@pytest.fixture
def write(tmp_path):
    def put(file, content):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content.as_json())
        (tmp_path / file).write_text(text)
        return tmp_path

    return put


def test_a_suite_without_studies_has_none(tmp_path):
    assert studies(tmp_path, NOW, {}) == []


def test_controls_are_counted_by_what_should_have_become_of_them(write):
    (found,) = studies(write(CONTROLS, CONTROLLED), NOW, {"tiny": "1" * 64, "elsewhere": None})
    assert found.found == (
        "before 2 gates a planted faithful model was promoted 1 of 2 times, "
        "planted defects 1 of 3 times"
    )
    assert found.rows[1] == (
        "first-option",
        "about first-option",
        "stop",
        "promote (1), undecided (1)",
    )
    assert found.changed == ()


def test_a_retest_counts_the_verdicts_that_stayed(write):
    (found,) = studies(write(RETEST, RETESTED), NOW, {})
    assert "9 of 10 verdicts stayed" in found.found and "1.2e-05 nats" in found.found
    assert found.rows == (("one", "9 of 10", "0.2500", "1.2e-05", "3 of 4"),)


def test_a_study_of_other_files_or_models_is_no_witness_and_names_them(write):
    root = write(CONTROLS, CONTROLLED)
    (found,) = studies(root, {"suite/projectability.yaml": "b" * 64}, {"tiny": "3" * 64})
    assert found.changed == ("suite/projectability.yaml", "tiny")
    assert found.note.endswith("made before suite/projectability.yaml and 1 more changed")


@pytest.mark.parametrize("content", ["not json", "[]", "{}", '{"controls": [1]}'])
def test_a_file_that_is_no_study_says_so_and_costs_no_report(write, content):
    (found,) = studies(write(CONTROLS, content), NOW, {})
    assert found.found.startswith("not readable: ")
    assert found.rows == ()


def test_the_reliability_study_tells_the_middle_alpha_of_each_probe(write):
    def dimension(probe, value):
        return {"probe": probe, "alpha": {"value": value, "n": 8}}

    data = {
        "started": WHEN,
        "files": {},
        "digests": {},
        "instrument": {
            "models": ["one", "two"],
            "dimensions": [
                dimension("endorsement", -0.5),
                dimension("endorsement", 0.5),
                dimension("endorsement", 0.25),
                dimension("agreement", None),
            ],
        },
    }
    (found,) = studies(write(RELIABILITY, json.dumps(data)), NOW, {})
    assert found.found.endswith("over 2 models, median of the dimensions: endorsement +0.25")
    assert found.rows == (("endorsement", "3", "+0.25", "-0.50 to +0.50"),)


def test_a_report_holds_its_studies_as_its_schema_says_and_its_page_shows_them(write):
    root = write(CONTROLS, CONTROLLED)
    report = Report(WHEN, 1.0, "pytest", (), (), studies=tuple(studies(root, {}, {})))
    data = report.as_json()
    schema = {**report_schema()["properties"]["studies"], "$defs": report_schema()["$defs"]}
    jsonschema.validate(data["studies"], schema)
    assert any(
        note.startswith("controls (results/controls/controls.json): ") for note in data["notes"]
    )
    page = html.page(data)
    assert "Before 2 gates a planted faithful model" in page and "about first-option" in page
