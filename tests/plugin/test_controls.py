"""`--ethogram-controls`: planted models before the gate at the end of a run."""

from __future__ import annotations

import json

import pytest


@pytest.mark.parametrize(
    "options", [("--ethogram-controls",), ("--ethogram-controls", "-n", "2"), ("--ethogram-all",)]
)
def test_planted_models_meet_the_gate_after_the_cases_and_their_table_is_in_the_report(
    house, options
):
    result = house.run_apart("suite", "-k", "tiny-duty-narrow", *options)
    text = result.stdout.str()
    assert text.index("Controls: planted models before 1 gate") < text.index("Persona: effect")
    # Three items decide nothing, so that this gate lets no faithful model pass either.
    assert "controls failed" in text and result.ret == pytest.ExitCode.TESTS_FAILED
    (study,) = house.report()["studies"]
    assert study["title"] == "controls" and study["changed"] == []
    assert "before 1 gate " in study["found"]
    assert {row[0] for row in study["rows"]} >= {"faithful", "refuses-everything", "first-option"}
    written = json.loads((house.root / "results" / "controls" / "controls.json").read_text())
    assert {row["model"] for row in written["controls"]} == {"tiny-duty-narrow"}


def test_a_run_that_passes_fails_where_the_gate_is_not_proven(house):
    (house.root / "suite" / "projectability.yaml").unlink()
    chosen = ("suite/persona", "-k", "tiny-duty-narrow", "--ethogram-undecided=skip")
    passed = house.run(*chosen)
    if passed.ret != pytest.ExitCode.OK:
        pytest.fail("the cases of this house were meant to pass or to be skipped")
    result = house.run(*chosen, "--ethogram-controls")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "No gate was tried." in result.stdout.str()
    assert "the gate requires nothing of it" in result.stdout.str()


def test_controls_that_cannot_be_written_cost_no_report(house):
    (house.root / "results").mkdir()
    (house.root / "results" / "controls").write_text("in the way", encoding="utf-8")
    result = house.run("suite", "--ethogram-controls", "-k", "tiny-duty-narrow and rules")
    assert result.ret in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    text = result.stdout.str() + result.stderr.str()
    assert "the controls could not be written to" in text and "INTERNALERROR" not in text
    assert house.report()["cases"]
