import math
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ethogram.analyse.intervals import Interval
from ethogram.analyse.projectability import Discriminant, SafetyGain
from ethogram.report.terminal import WIDTH, render

UP = Interval(0.5, 0.25, 0.75, 24)
GAIN = SafetyGain(rate=UP, over_refusal=UP, margin=UP, auc_before=0.5, auc_after=0.75)
IDS = st.lists(st.text("abz09", min_size=1, max_size=30), min_size=1, max_size=5).map("-".join)
SIZES = st.floats(-2, 2) | st.sampled_from([0.0, -0.0, -1.0, 1.0, math.nan])
MEASURED = st.builds(Interval, SIZES, SIZES, SIZES, st.integers(1, 10_000))
INTERVALS = st.none() | MEASURED


def lines_with(text, start):
    return [line for line in text.splitlines() if line.startswith(start)]


def test_a_run_without_models_still_counts(report):
    assert render(report()) == "0 hold · 0 contradict · 0 undecided · 0 not measured"


def test_the_last_line_counts_verdicts_and_errors(report, outcome):
    text = render(
        report(outcomes=(outcome(), outcome(case="b", verdict="holds")), errors=("c", "d"))
    )
    assert text.splitlines()[-1] == "1 hold · 1 contradict · 0 undecided · 2 not measured"


def test_the_persona_row_shows_match_rank_and_worst_gap(report, row, outcome):
    mine = row(
        match=UP,
        match_against_source=Interval(-0.5, -0.75, -0.25, 24),
        discriminant=Discriminant(2, 4, "utility", UP),
        verdicts={"holds": 3, "contradicts": 1, "undecided": 0},
    )
    text = render(report(models=(mine,), outcomes=(outcome(),)))
    (line, *_) = lines_with(text, "tiny-duty-narrow ")
    assert line.split("  ")[0] == "tiny-duty-narrow"
    for part in ("+0.50 [+.25,+.75]", "-0.50 [-.75,-.25]", "2 of 4", "rules", "-1.75", "3/1/0"):
        assert part in line


def test_what_was_not_measured_is_said_and_never_zero(report, row):
    text = render(report(models=(row(),)))
    persona, safety = lines_with(text, "tiny-duty-narrow ")
    assert persona.count("not measured") == 3
    assert safety.count("not measured") == 3
    assert "0.00" not in persona + safety


def test_a_model_without_held_out_categories_says_so(report, row):
    text = render(report(models=(row(scope="broad", safety_trained=GAIN, over_refusal=UP),)))
    assert "none held out" in lines_with(text, "tiny-duty-narrow ")[1]


def test_a_narrow_model_whose_held_out_categories_did_not_run_is_not_measured(report, row):
    text = render(report(models=(row(scope="narrow", safety_trained=GAIN, over_refusal=UP),)))
    assert "none held out" not in text
    assert "not measured" in lines_with(text, "tiny-duty-narrow ")[1]


@pytest.mark.parametrize("auc", [0.0, 0.5])
def test_an_area_of_zero_is_a_number(report, row, auc):
    gain = SafetyGain(rate=UP, over_refusal=UP, margin=UP, auc_before=auc, auc_after=1.0)
    text = render(report(models=(row(safety_held_out=gain),)))
    assert f"{auc:.2f} 1.00" in lines_with(text, "tiny-duty-narrow ")[1]


def test_sources_and_placebos_have_no_persona_row(report, row):
    source = row(model="tiny", kind="source", constitution=None, scope=None, seed=None)
    placebo = row(model="tiny-plain", kind="placebo", constitution=None)
    text = render(report(models=(source, placebo)))
    assert "Persona" not in text
    assert lines_with(text, "tiny-plain ") and not lines_with(text, "tiny ")


def test_the_widest_gaps_come_first_and_are_few(report, outcome):
    outcomes = tuple(
        outcome(case=f"c{n:02}", subject=f"subject-{n:02}", gap=(-1) ** n * n / 10)
        for n in range(20)
    )
    text = render(report(outcomes=outcomes))
    found = re.findall(r"^([+-]\d\.\d\d)  .*subject-(\d\d)", text, re.MULTILINE)
    assert [int(number) for _, number in found] == list(range(19, 7, -1))
    assert found[0][0] == "-1.90"


def test_problems_are_named(report):
    text = render(report(problems=("tiny-duty-narrow: the loss is nan at step 3 of 6",)))
    assert "not measured: tiny-duty-narrow: the loss is nan at step 3 of 6" in text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_no_table_is_wider_than_the_terminal(report, row, outcome, data):
    def gain():
        rate = data.draw(INTERVALS)
        area = st.none() | st.floats(0, 1)
        return SafetyGain(rate, rate, rate, data.draw(area), data.draw(area))

    names = data.draw(st.lists(IDS, min_size=1, max_size=4, unique=True))
    rows = tuple(
        row(
            model=name,
            match=data.draw(INTERVALS),
            match_against_source=data.draw(INTERVALS),
            discriminant=data.draw(st.none() | st.just(Discriminant(12, 14, "utility", UP))),
            safety_held_out=data.draw(st.none() | st.builds(gain)),
            safety_trained=data.draw(st.none() | st.builds(gain)),
            over_refusal=data.draw(INTERVALS),
            verdicts=dict.fromkeys(
                ("holds", "contradicts", "undecided"), data.draw(st.integers(0, 999))
            ),
        )
        for name in names
    )
    outcomes = tuple(
        outcome(
            case=f"c::{name}",
            model=name,
            subject=data.draw(IDS),
            probe="refusal-margin",
            measured=data.draw(MEASURED),
            gap=data.draw(SIZES),
        )
        for name in names
    )
    text = render(report(models=rows, outcomes=outcomes))
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "nan" not in text


def test_names_that_fit_are_not_cut(report, row):
    name = "smollm2-consequentialism-narrow"
    assert name in render(report(models=(row(model=name, match=UP),)))


def test_how_far_a_persona_carries_is_a_table_of_its_own(report, row):
    from ethogram.analyse.intervals import Interval
    from ethogram.analyse.transfer import Transfer

    plain = render(report(models=(row(),)))
    assert "Projectability" not in plain
    moved = Transfer(Interval(0.62, 0.41, 0.83, 240), Interval(0.9, 0.7, 1.0, 240), 10)
    text = render(report(models=(row(transfer=moved, choice_match=Interval(0.4, 0.1, 0.6, 24)),)))
    nothing = Interval(1.38, math.nan, math.nan, 240)
    untold = render(report(models=(row(transfer=Transfer(nothing, nothing, 10)),)))
    assert "not told from zero" in untold and "1.38" not in untold
    assert "+0.62 [+.41,+.83]" in text and "+0.40 [+.10,+.60]" in text
    assert max(map(len, text.splitlines())) <= 100
