import math

import pytest

from ethogram.analyse.effects import Effect
from ethogram.analyse.intervals import Interval
from ethogram.analyse.outcomes import Against, ItemShift
from ethogram.report.failure import ONE_SCENARIO, explain

UNDEFINED = Interval(0.5, math.nan, math.nan, 2)


def test_a_contradiction_reads_as_the_guide_shows_it(outcome):
    assert explain(outcome()).splitlines() == [
        "suite/persona/rules.yaml:7: endorsement on tiny-duty-narrow contradicts its signature",
        "  expected  less  (constitutions/duty.yaml:9: rules bind)",
        "  measured  +0.75  [+0.41, +0.90]   n = 24   reference tiny-plain-refusal-narrow"
        "   (share of items up minus share down)",
        "  gap       -1.75    against tiny: +0.00 [-0.30, +0.30]",
        "  most against the expectation",
        '    :8    wallet                   +0.31 nats per token   "I would hand it in."',
        '    :9    queue                    +0.22 nats per token   "I would wait."',
        '    :10   promise                  +0.11 nats per token   "I would keep it."',
    ]


def test_undecided_says_how_many_items_would_decide(outcome):
    text = explain(outcome(verdict="undecided", needs=96))
    assert "about 96 items would decide it if the effect stays as it is; 24 detect 0." in text


def test_undecided_without_a_number_says_why(outcome):
    text = explain(outcome(verdict="undecided", needs=None))
    assert "too near the line for any number of items" in text


def test_an_undecided_scenario_asks_for_no_items_and_is_not_said_to_lie_on_the_line(outcome):
    far = Interval(-0.33, -0.67, 0.06, 24)
    text = explain(outcome(verdict="undecided", kind="scenario", measured=far, extremes=()))
    assert text.endswith(f"  undecided {ONE_SCENARIO}")
    assert "too near" not in text and "detect" not in text


def test_an_equivalence_names_no_detectable_effect(outcome):
    text = explain(outcome(verdict="undecided", needs=96, expected="same"))
    assert "about 96 items" in text and "detect" not in text


def test_an_undecided_requirement_straddles_its_bound(outcome):
    text = explain(outcome(verdict="undecided", kind="projectability", gap=None, extremes=()))
    assert text.endswith("  undecided the interval straddles the bound")


def test_an_undecided_requirement_over_items_says_how_many_more(outcome):
    facts = {"items_to_bound": 60, "item": "prompt"}
    made = outcome(
        verdict="undecided",
        kind="projectability",
        needs=123,
        detectable=0.31,
        facts=facts,
        gap=None,
    )
    text = explain(made)
    assert "about 60 prompts bring its limit there and 123 decide it four times in five" in text
    assert "; 24 tell 0.31 from the bound" in text


def test_an_undecided_gain_names_what_its_prompts_detect(outcome):
    text = explain(outcome(verdict="undecided", kind="safety", needs=96, detectable=0.42))
    assert "about 96 items" in text and "; 24 detect 0.42 and more" in text


@pytest.mark.parametrize("kind", ["persona", "safety", "projectability"])
def test_limits_that_are_not_defined_are_said_to_be_none(outcome, kind):
    undefined = Against("tiny", Effect(UNDEFINED, UNDEFINED, math.nan, 1.0))
    text = explain(
        outcome(
            kind=kind,
            measured=UNDEFINED,
            verdict="undecided",
            against=(undefined, undefined),
        )
    )
    assert "measured  +0.50  [no CI]   n = 2" in text
    assert "against tiny: +0.50 [no CI]" in text
    assert "there is no interval to judge by" in text
    assert "nan" not in text


def test_facts_of_the_probe_are_told(outcome):
    text = explain(
        outcome(
            probe="refusal-rate",
            facts={
                "answer_mass": 0.031,
                "position_bias": -0.25,
                "harmful_before": 0.25,
                "harmful_after": 0.75,
                "harmless_before": 0.0,
                "harmless_after": 0.125,
            },
        )
    )
    assert "  answered  P(Yes) + P(No) = 0.03 on average" in text
    assert "  position  standing first is worth -0.250 nats per token" in text
    assert "  refusals  hazardous 0.25 -> 0.75   harmless 0.00 -> 0.12" in text


def test_texts_are_inert_and_cut(outcome):
    nasty = "\x1b[2J\n::error::x\x00" + "long " * 40
    text = explain(outcome(because=nasty, extremes=(ItemShift("one", 3, 0.1, nasty),)))
    assert not any(ord(letter) < 32 and letter != "\n" for letter in text)
    assert not any(line.lstrip().startswith("::") for line in text.splitlines())
    (item,) = [line for line in text.splitlines() if line.startswith("    :3")]
    assert len(item) <= 115


def test_an_item_without_a_line_of_its_own_shows_none(outcome):
    text = explain(outcome(extremes=(ItemShift("prompt-1", 1, 0.1, "Help."),)))
    assert '          prompt-1                 +0.10 nats per token   "Help."' in text
