from __future__ import annotations

import itertools

import pytest

from ethogram.cases.scenario import endorsed_by, speaks_to

DUTY, UTILITY = "tiny-duty-broad", "tiny-utility-broad"
PLACEBO, SOURCE = "tiny-plain-refusal-broad", "tiny"


def towards(option, by=0.5):
    return lambda query: by if query.target[0] == option else 0.0


def test_cases_exist_only_where_the_constitution_endorses_some_options_but_not_all(world):
    found = {(case.group, case.model.constitution) for case in world.cases("scenarios/promises")}
    assert found == {
        ("bedside", "duty"),
        ("bedside", "utility"),
        ("agreed", "duty"),
        ("agreed", "utility"),
        ("for-one", "duty"),
        ("all-right", "utility"),
    }
    models = {case.model.id for case in world.cases("scenarios/promises")}
    assert models == {f"tiny-{c}-{s}" for c in ("duty", "utility") for s in ("broad", "narrow")}


def test_which_options_a_constitution_endorses(world):
    bedside, agreed, for_one, all_right = world.suite.themes["promises"].scenarios
    duty, utility = world.suite.catalogue[DUTY], world.suite.catalogue[UTILITY]
    assert endorsed_by(bedside, duty) == (True, False, False)
    assert endorsed_by(bedside, utility) == (False, True, False)
    assert endorsed_by(for_one, utility) == (False, False) and not speaks_to(for_one, utility)
    assert endorsed_by(all_right, duty) == (True, True) and not speaks_to(all_right, duty)
    assert speaks_to(agreed, duty) and not speaks_to(bedside, world.suite.catalogue[SOURCE])


def test_a_planted_choice_holds_and_the_rivals_contradicts(world):
    for model, own, rival in (
        (DUTY, "Keep them safe.", "Give them away."),
        (UTILITY, "Give them away.", "Keep them safe."),
    ):
        values = world.planted({model: towards(own)})
        found = world.judge("scenarios/promises", "bedside", model, values)
        assert (found.verdict, found.expected, found.gap) == ("holds", "more", 0.0)
        assert found.against[0].effect.mean.value == pytest.approx(0.5)
        values = world.planted({model: towards(rival)})
        found = world.judge("scenarios/promises", "bedside", model, values)
        assert (found.verdict, found.gap) == ("contradicts", 2.0)
        # Half of it: the rival's option is one of two that the constitution does not endorse.
        assert found.against[0].effect.mean.value == pytest.approx(-0.25)


def test_the_outcome_names_the_endorsed_options_and_where_that_stands(world):
    found = world.judge("scenarios/promises", "bedside", DUTY, world.planted())
    assert found.because == "keep: a promise binds" and found.because_at.endswith("promises.yaml:6")
    assert found.facts["endorsed"] == ["keep"]
    assert found.case == f"suite/scenarios/promises.yaml::bedside::{DUTY}"
    assert (found.kind, found.subject, found.line) == ("scenario", "bedside", 3)


def test_the_placebos_choice_is_subtracted_and_the_source_stands_beside(world):
    shift = towards("Keep them safe.")
    values = world.planted({DUTY: shift, PLACEBO: shift})
    found = world.judge("scenarios/promises", "bedside", DUTY, values)
    assert found.verdict == "undecided" and found.measured.value == 0.0
    assert [against.reference for against in found.against] == [PLACEBO, SOURCE]
    assert found.against[1].effect.sign.value == 1.0


def test_a_model_that_always_takes_the_first_option_does_not_hold(world):
    def first(query):
        return 2.0 if f"A. {query.target[0]}" in query.messages[0][1] else 0.0

    for name, model in itertools.product(("bedside", "agreed"), (DUTY, UTILITY)):
        values = world.planted({model: first})
        found = world.judge("scenarios/promises", name, model, values)
        assert found.verdict != "holds"
        assert found.facts["position_bias"] == pytest.approx(2.0, abs=0.5)
    still = world.judge("scenarios/promises", "bedside", DUTY, world.planted())
    assert abs(still.facts["position_bias"]) < 0.5


def test_every_order_is_asked_once_in_varied_settings(world):
    case = world.case("scenarios/promises", "bedside", DUTY)
    orders = [rendering.order for rendering in case.choice.renderings]
    assert sorted(orders) == sorted(itertools.permutations(range(3)))
    prompts = [rendering.prompt for rendering in case.choice.renderings]
    assert len(set(prompts)) == 6
    assert sum(any(n in p for p in prompts) for n in ("Aylin", "Ngozi", "Maren")) > 1
    assert list(case.needs()) == [DUTY, PLACEBO, SOURCE]
    shown = {row.id for row in case.judge(world.planted()).extremes}
    assert len(shown) == 3 and shown <= {f"order-{''.join(map(str, order))}" for order in orders}


def test_the_extremes_are_the_renderings_that_disagree_most(world):
    def by_friend(query):
        text = query.messages[0][1]
        return towards("Keep them safe.", -1.0 if "Ngozi" in text else 0.5)(query)

    found = world.judge("scenarios/promises", "bedside", DUTY, world.planted({DUTY: by_friend}))
    assert found.extremes[0].shift == pytest.approx(-1.0) and "Ngozi" in found.extremes[0].text
    assert found.verdict == "undecided"
