import json
import math
import os
from pathlib import Path

import pytest

from ethogram.analyse.effects import null_rate
from ethogram.analyse.intervals import Interval
from ethogram.analyse.outcomes import Moved
from ethogram.report.document import false_alarms, write


def load(file):
    def refuse(text):
        raise ValueError(f"{text} is not JSON")

    return json.loads(Path(file).read_text(encoding="utf-8"), parse_constant=refuse)


def test_the_document_holds_every_case_in_order_of_ids(report, outcome):
    made = report(outcomes=(outcome(case="b"), outcome(case="a", verdict="holds", p=None)))
    data = made.as_json()
    assert [case["case"] for case in data["cases"]] == ["a", "b"]
    assert data["counts"] == {
        "holds": 1,
        "contradicts": 1,
        "undecided": 0,
        "unjudged": 0,
        "not measured": 0,
    }
    assert data["schema_version"] == 2 and data["confidence"] == 0.95


def test_p_values_are_adjusted_among_those_that_have_one(report, outcome):
    made = report(
        outcomes=(
            outcome(case="a", p=0.01),
            outcome(case="b", p=0.02),
            outcome(case="c", p=None),
        )
    )
    adjusted = {case["case"]: case["p_holm"] for case in made.as_json()["cases"]}
    assert adjusted == {"a": 0.02, "b": 0.02, "c": None}


def test_errors_are_counted_as_not_measured(report):
    data = report(errors=("z", "y"), problems=("m: why",)).as_json()
    assert data["counts"]["not measured"] == 2
    assert data["errors"] == ["y", "z"] and data["problems"] == ["m: why"]
    assert data["cases"] == []


def test_a_note_says_that_same_cannot_hold_of_few_moving_items(report, outcome):
    few = outcome(expected="same", measured=Interval(0.0, -0.38, 0.38, 24))
    many = outcome(expected="same", measured=Interval(0.0, -0.18, 0.18, 120))
    said = "1 case expects `same` of fewer than 94 items"
    assert any(note.startswith(said) for note in report(outcomes=(few, many)).notes)
    assert not any("`same`" in note for note in report(outcomes=(many, outcome())).notes)


def test_false_alarms_are_expected_of_the_tested_cases_only(outcome):
    found = false_alarms([outcome(p=0.5), outcome(p=0.5), outcome(p=None)])
    each_way = 2 * 0.032  # n = 24, exact: counts are discrete
    assert found["tested"] == 2.0
    assert found["expected_holds"] == pytest.approx(each_way, abs=1e-3)
    assert found["expected_contradicts"] == found["expected_holds"]


def test_false_alarms_add_up_the_rate_of_every_number_of_items(outcome):
    measured = [Interval(0.0, -0.4, 0.4, n) for n in (24, 96)]
    found = false_alarms([outcome(p=0.5, measured=each) for each in measured])
    assert found["expected_holds"] == pytest.approx(0.0320 + 0.0262, abs=1e-3)
    stems = Moved.of(map(str, range(24)), [0.0] * 24, [str(at // 2) for at in range(24)])
    (paired,) = [false_alarms([outcome(p=0.5, moved=stems)])["expected_holds"]]
    assert paired == null_rate(12)


def test_limits_that_are_not_defined_are_null_and_the_file_is_json(report, outcome, row, tmp_path):
    undefined = Interval(0.5, math.nan, math.inf, 1)
    made = report(outcomes=(outcome(measured=undefined),), models=(row(match=undefined),))
    data = load(write(made, tmp_path, "one"))
    assert data["cases"][0]["measured"] == {"value": 0.5, "low": None, "high": None, "n": 1}
    assert data["models"][0]["match"]["low"] is None
    assert data["models"][0]["over_refusal"] is None


def test_latest_follows_the_newest_run(report, tmp_path):
    write(report(seconds=1), tmp_path, "first")
    write(report(seconds=2), tmp_path, "second")
    assert load(tmp_path / "latest" / "report.json")["seconds"] == 2
    assert load(tmp_path / "first" / "report.json")["seconds"] == 1


def test_a_second_run_of_the_same_moment_replaces_nothing(report, tmp_path):
    first = write(report(seconds=1), tmp_path, "now")
    second = write(report(seconds=2), tmp_path, "now")
    third = write(report(seconds=3), tmp_path, "now")
    assert [load(file)["seconds"] for file in (first, second, third)] == [1, 2, 3]
    assert load(tmp_path / "latest" / "report.json")["seconds"] == 3


def test_latest_is_a_relative_link_so_that_results_may_move(report, tmp_path):
    write(report(seconds=7), tmp_path / "results", "one")
    (tmp_path / "results").rename(tmp_path / "moved")
    assert load(tmp_path / "moved" / "latest" / "report.json")["seconds"] == 7


def test_a_folder_in_the_place_of_latest_gives_way(report, tmp_path):
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest" / "report.json").write_text("{}")
    write(report(seconds=4), tmp_path, "one")
    assert load(tmp_path / "latest" / "report.json")["seconds"] == 4


def test_where_links_are_not_to_be_had_latest_is_a_copy(report, tmp_path, monkeypatch):
    def refuse(*args, **keywords):
        raise OSError("a required privilege is not held")

    monkeypatch.setattr(os, "symlink", refuse)
    monkeypatch.setattr(Path, "symlink_to", refuse)
    write(report(seconds=1), tmp_path, "first")
    write(report(seconds=2), tmp_path, "second")
    assert load(tmp_path / "latest" / "report.json")["seconds"] == 2
    assert not (tmp_path / "latest").is_symlink()


def test_nothing_else_is_left_beside_the_report(report, tmp_path):
    write(report(), tmp_path, "one")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "one"]
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["report.json"]


def test_a_place_that_cannot_be_written_raises_an_error_of_the_system(report, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OSError, match="taken"):
        write(report(), tmp_path / "taken", "one")


def test_any_text_is_plain_ascii_in_the_file(report, outcome, tmp_path):
    made = report(outcomes=(outcome(because="\x1b[31m é \u202e \ud800"),))
    file = write(made, tmp_path, "one")
    assert file.read_bytes().isascii()
    assert b"\x1b" not in file.read_bytes()


def test_what_the_filters_kept_of_a_teachers_transcripts_is_noted(report, row):
    taught = {
        "teacher": "itself (teaching own)",
        "made": 64,
        "kept": 25,
        "dropped": {"empty": 0, "still complies": 13, "repeats itself": 26},
    }
    (note,) = [
        note
        for note in report(models=(row(training={"teaching": taught}),)).notes
        if "taught" in note
    ]
    assert note.endswith(
        "was taught by itself (teaching own): 25 of 64 transcripts kept; dropped: 13 still complies, "
        "26 repeats itself"
    )
    assert not any("taught" in note for note in report(models=(row(),)).notes)
