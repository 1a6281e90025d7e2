import pytest

from ethogram.report.gate import answer_for


def cases(*verdicts):
    return [{"subject": f"r{at}", "verdict": verdict} for at, verdict in enumerate(verdicts)]


@pytest.mark.parametrize(
    ("verdicts", "answer"),
    [
        (["holds", "holds"], "promote"),
        (["holds", "contradicts"], "do not promote"),
        (["contradicts", "not measured"], "do not promote"),
        (["holds", "undecided"], "could not decide"),
        (["holds", "not measured"], "could not decide"),
        (["undecided", "not measured"], "could not decide"),
        (["unjudged"], "could not decide"),
        (["a verdict of tomorrow"], "could not decide"),
    ],
)
def test_only_what_was_measured_and_holds_is_promoted(verdicts, answer):
    found = answer_for("m", cases(*verdicts))
    assert found.answer == answer


def test_without_requirements_there_is_no_answer():
    assert answer_for("m", []) is None


def test_the_answer_names_the_requirements_it_rests_on():
    found = answer_for("m", cases("contradicts", "holds"))
    assert found.because == "broken: r0"
