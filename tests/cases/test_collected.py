from __future__ import annotations

import json
from collections import Counter

import pytest

from ethogram.cases import PersonaCase, RequirementCase, SafetyCase, ScenarioCase, cases_of
from ethogram.cases.collected import all_cases
from ethogram.specs.errors import SpecError

FINETUNED = [f"tiny-{c}-{s}" for c in ("duty", "utility") for s in ("broad", "narrow")]
PLACEBOS = [f"tiny-plain-refusal-{s}" for s in ("broad", "narrow")]
FILES = ["persona/rules", "scenarios/promises", "safety/privacy", "projectability"]


@pytest.mark.parametrize(
    ("name", "kind", "groups", "models"),
    [
        ("persona/rules", PersonaCase, ["endorsement", "agreement"], FINETUNED),
        ("safety/privacy", SafetyCase, ["refusal-rate", "refusal-margin"], FINETUNED + PLACEBOS),
        (
            "projectability",
            RequirementCase,
            ["signature-match", "does-not-over-refuse"],
            FINETUNED,
        ),
    ],
)
def test_every_file_gives_its_cases_grouped_in_its_order(world, name, kind, groups, models):
    cases = world.cases(name)
    assert {type(case) for case in cases} == {kind}
    assert [(case.group, case.model.id) for case in cases] == [
        (group, model) for group in groups for model in models
    ]


def test_scenarios_give_a_case_where_they_tell_stances_apart(world):
    cases = world.cases("scenarios/promises")
    assert {type(case) for case in cases} == {ScenarioCase}
    assert Counter(case.group for case in cases) == {
        "bedside": 4,
        "agreed": 4,
        "for-one": 2,
        "all-right": 2,
    }


def test_no_two_cases_share_an_id_and_every_one_can_be_judged(world):
    values = world.planted()
    found = [(case.kind, case.judge(values)) for name in FILES for case in world.cases(name)]
    names = [outcome.case for _, outcome in found]
    assert len(set(names)) == len(names) > 30
    assert all(outcome.kind == kind for kind, outcome in found)
    for _, outcome in found:
        file, group, model = outcome.case.split("::")
        assert (file, model) == (outcome.file, outcome.model) and group
        json.dumps(outcome.as_json(), allow_nan=False)


def test_a_model_that_changed_nothing_passes_nothing_that_is_signed(world):
    values = world.planted()
    passed = {
        outcome.case.partition("::")[0] + " " + outcome.expected
        for name in FILES
        for case in world.cases(name)
        if (outcome := case.judge(values)).verdict == "holds"
    }
    assert passed == {"suite/projectability.yaml at most +0.2 on its confidence limit"}


def test_a_probe_that_the_file_leaves_out_has_no_case(world):
    world.rewrite("suite/persona/rules.yaml", "items:", "probes: [agreement]\nitems:")
    world.rewrite("suite/safety/privacy.yaml", "narrow:", "probes: [refusal-margin]\nnarrow:")
    assert {case.group for case in world.cases("persona/rules")} == {"agreement"}
    assert {case.group for case in world.cases("safety/privacy")} == {"refusal-margin"}


def test_another_file_is_none_of_the_suites(world):
    stray = world.write("suite/elsewhere/rules.yaml", "about: x\n")
    with pytest.raises(ValueError, match="no file of a suite"):
        cases_of(stray, world.suite)


def test_what_is_wrong_in_the_file_is_said_with_its_place(world):
    world.rewrite("suite/persona/rules.yaml", "id: item-4,", "id: item-3,")
    with pytest.raises(SpecError, match=r"rules\.yaml:7:\d+: .*'item-3' stands twice"):
        world.cases("persona/rules")


def test_a_scenario_that_stands_in_two_files_is_an_error_in_each(world):
    world.write(
        "suite/scenarios/others.yaml",
        (world.root / "suite/scenarios/promises.yaml").read_text(),
    )
    for name in ("promises", "others"):
        with pytest.raises(SpecError, match="'bedside' stands at"):
            world.cases(f"scenarios/{name}")


# -- a constitution is a file ---------------------------------------------------------------------

CONTRACT = """
    name: Contractualism
    about: What nobody could reasonably reject.
    principles:
      - {id: reject, text: Justify it to each., critique: Who could object?, revision: Mend it.}
    signature:
      rules: {expect: less, because: a rule that somebody could reject does not bind}
"""


@pytest.fixture
def contractual(world):
    """The house with one more constitution, and a scenario that speaks of it."""
    world.write("constitutions/contractualism.yaml", CONTRACT)
    world.rewrite(
        "suite/scenarios/promises.yaml",
        "text: Wait a year.}",
        "text: Wait a year., endorsed_by: {contractualism: she could not object}}",
    )
    return world


def test_another_constitution_is_added_as_a_file(contractual):
    assert contractual.suite.check() == []
    mine = ["tiny-contractualism-broad", "tiny-contractualism-narrow"]
    found = {
        name: [c.model.id for c in contractual.cases(name) if c.model.constitution not in OLD]
        for name in FILES
    }
    assert found["persona/rules"] == mine * 2 and found["scenarios/promises"] == mine
    assert set(found["projectability"]) == set(mine) and len(found["projectability"]) == 4
    safety = [c.model.id for c in contractual.cases("safety/privacy")]
    assert [model for model in safety if "contractualism" in model] == mine * 2


OLD = {"duty", "utility", None}


def test_the_added_constitution_is_judged_by_its_own_signature(contractual):
    model = "tiny-contractualism-broad"

    def shift(words):
        return lambda query: 0.5 if words in query.target[0] else 0.0

    values = contractual.planted({model: shift("I would break")})
    found = contractual.judge("persona/rules", "endorsement", model, values)
    assert (found.verdict, found.expected) == ("holds", "less")
    assert found.because.startswith("a rule that somebody could reject")
    values = contractual.planted({model: shift("I would keep")})
    assert contractual.judge("persona/rules", "endorsement", model, values).verdict == "contradicts"
    values = contractual.planted({model: shift("Wait a year.")})
    found = contractual.judge("scenarios/promises", "bedside", model, values)
    assert (found.verdict, found.because) == ("holds", "wait: she could not object")
    # It is a rival of the others at once: `utility` expects the same of the rules.
    rank = contractual.case("projectability", "signature-match", "tiny-utility-broad")
    values = contractual.planted({"tiny-utility-broad": shift("I would break")})
    assert rank.profile.discriminant(values).of == 3


def test_files_that_systems_leave_hold_no_cases(world):
    before = [name for name, _ in all_cases(world.suite)]
    (world.root / "suite" / "persona" / "._rules.yaml").write_bytes(b"\x00\x05\x16\x07")
    assert [name for name, _ in all_cases(world.suite)] == before
