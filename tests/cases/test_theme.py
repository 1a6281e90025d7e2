"""Choices pooled over an imported theme."""

from __future__ import annotations

import pytest

from ethogram.cases.defects import Roles
from ethogram.cases.texts import item_texts
from ethogram.report.view import _unmeasured as view_of

NARROW, SOURCE, PLACEBO = "tiny-duty-narrow", "tiny", "tiny-plain-refusal-narrow"
COUNT = 12


def imported(ids=None):
    """Scenarios of two options, the first of which duty endorses; the last speaks to utility alone."""
    lines = ["about: Imported.", "provenance: {source: a set, licence: X}", "scenarios:"]
    for n in range(COUNT):
        stance = "utility" if n == COUNT - 1 else "duty"
        lines += [
            f"  - id: {ids[n] if ids else f'row-{n}'}",
            f"    text: The matter of case {n}.",
            "    options:",
            f"      - {{id: keep, text: Keep word {n}., endorsed_by: {{{stance}: x}}}}",
            f"      - {{id: leave, text: Leave word {n}.}}",
        ]
    return "\n".join([*lines, ""])


def towards(by):
    return lambda query: by if query.target[0].startswith("Keep") else 0.0


@pytest.fixture
def themed(world):
    world.write("suite/scenarios/public.yaml", imported())
    return world


@pytest.mark.parametrize(("by", "verdict", "value"), [(0.5, "holds", 1), (-0.5, "contradicts", -1)])
def test_scenarios_of_two_options_decide_together(themed, by, verdict, value):
    found = themed.judge(
        "scenarios/public", "choices", NARROW, themed.planted({NARROW: towards(by)})
    )
    assert (found.verdict, found.measured.value, found.measured.n) == (verdict, value, COUNT - 1)
    assert (found.reference, found.subject, found.kind) == (PLACEBO, "public/choices", "scenario")
    assert [part.reference for part in found.against] == [PLACEBO, SOURCE]
    assert list(found.moved.ids) == [f"row-{n}" for n in range(COUNT - 1)]
    alone = themed.judge("scenarios/public", "row-0", NARROW, themed.planted({NARROW: towards(by)}))
    assert alone.verdict == "undecided", "two renderings decide nothing"


def test_few_scenarios_say_how_many_would_decide(themed):
    def half(query):
        if not query.target[0].startswith("Keep"):
            return 0.0
        return 0.5 if int(query.target[0].split()[-1].rstrip(".")) % 3 else -0.5

    found = themed.judge("scenarios/public", "choices", NARROW, themed.planted({NARROW: half}))
    assert found.verdict == "undecided"
    assert found.needs > COUNT
    assert found.facts["item"] == "scenario"


def test_it_is_one_case_a_judged_model_and_own_themes_have_none(themed):
    cases = [case for case in themed.cases("scenarios/public") if case.group == "choices"]
    assert all(case.model.judged for case in cases)
    assert len(cases) == len({case.model.id for case in cases}) > 1
    assert not [case for case in themed.cases("scenarios/promises") if case.group == "choices"]


def test_a_scenario_may_not_have_the_pooled_case_s_name(world):
    world.write(
        "suite/scenarios/public.yaml", imported(["choices", *(f"row-{n}" for n in range(1, COUNT))])
    )
    told = [str(problem) for problem in world.suite.check()]
    assert any("names the case over all scenarios of an imported theme" in line for line in told)


def test_its_items_have_words_and_no_other_subject_has_its_name(themed):
    found = item_texts(themed.suite, ["public/choices", "row-0"])
    assert set(found) == {"public/choices", "row-0"}
    assert found["public/choices"]["row-0"] == found["row-0"][""]
    row = view_of("suite/scenarios/public.yaml::choices::tiny-duty-narrow")
    assert (row["subject"], row["probe"], row["kind"]) == ("public/choices", "choices", "scenario")


def test_imported_text_plays_no_part_in_planted_models(themed):
    before = Roles(themed.suite)
    text = imported().replace("Keep word 0.", "Help him.")
    themed.write("suite/scenarios/public.yaml", text)
    assert Roles(themed.suite).options == before.options
