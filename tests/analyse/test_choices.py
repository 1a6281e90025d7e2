from __future__ import annotations

import math

import numpy as np
import pytest

from ethogram.analyse.choices import belief_choice, choice_match
from ethogram.analyse.intervals import sign_interval

SIGNATURES = {
    "duty": {"rules": 1, "outcomes": -1, "character": 0, "oversight": 0},
    "utility": {"rules": -1, "outcomes": 1, "character": 0, "oversight": 0},
    "virtue": {"rules": -1, "outcomes": -1, "character": 1, "oversight": 0},
    "authority": {"rules": 1, "outcomes": 0, "character": 0, "oversight": 1},
}


def beliefs(own: str, chance: np.random.Generator, strength: float = 1.5) -> dict:
    return {n: strength * s + chance.normal(size=24) for n, s in SIGNATURES[own].items()}


def choices(effects: dict[str, float], chance: np.random.Generator, n: int = 24) -> dict:
    """Scenario by scenario: each speaks to every framework, with the effect that is planted."""
    return {
        name: {f"s{i}": 1.0 if chance.random() < (1 + effect) / 2 else -1.0 for i in range(n)}
        for name, effect in effects.items()
    }


AS_DUTY = {"duty": 0.9, "authority": 0.3, "virtue": -0.2, "utility": -0.9}


def test_the_pooled_choice_counts_every_scenario_once() -> None:
    found = choice_match({"a": 0.2, "b": 3.0, "c": -0.1, "d": 0.0})
    assert found == sign_interval([0.2, 3.0, -0.1, 0.0])
    assert found.value == 0.25 and found.n == 4
    assert choice_match({}) is None


def test_choices_that_follow_the_beliefs_agree() -> None:
    chance = np.random.default_rng(0)
    found = belief_choice(beliefs("duty", chance), SIGNATURES, choices(AS_DUTY, chance), "duty")
    assert found is not None and found.agreement is not None
    assert (found.rank, found.of) == (1, 4) and found.alike >= 0.75
    assert found.agreement.value > 0.9 and found.agreement.low > 0.5
    assert found.own.low > 0.4 and found.own == found.choices["duty"]
    assert found.beliefs["utility"].high < 0


def test_choices_of_the_rival_disagree() -> None:
    chance = np.random.default_rng(1)
    against = {name: -effect for name, effect in AS_DUTY.items()}
    found = belief_choice(beliefs("duty", chance), SIGNATURES, choices(against, chance), "duty")
    assert found is not None and found.agreement is not None
    assert found.rank == 4 and found.alike == 0.0
    assert found.agreement.high < -0.5 and found.own.high < 0


def test_the_correlation_by_hand() -> None:
    shifts = {
        "rules": np.ones(4),
        "outcomes": -np.ones(4),
        "character": np.ones(4),
        "oversight": -np.ones(4),
    }
    made = {
        "duty": {"a": 1.0},
        "utility": {"a": -1.0},
        "virtue": {"a": 1.0},
        "authority": {"a": -1.0},
    }
    found = belief_choice(shifts, SIGNATURES, made, "virtue")
    assert found is not None and found.agreement is not None
    stated = [1.0, -1.0, 1 / 3, 0.0]  # duty, utility, virtue, authority
    assert [found.beliefs[n].value for n in SIGNATURES] == pytest.approx(stated)
    expected = np.corrcoef(stated, [1.0, -1.0, 1.0, -1.0])[0, 1]
    assert found.agreement.value == pytest.approx(expected)
    assert (found.rank, found.alike) == (1, 0.75)


def test_what_raises_all_choices_alike_is_no_agreement() -> None:
    chance = np.random.default_rng(2)
    every = choices(dict.fromkeys(SIGNATURES, 1.0), chance)
    found = belief_choice(beliefs("duty", chance), SIGNATURES, every, "duty")
    assert found is not None and found.agreement is not None
    assert math.isnan(found.agreement.value) and math.isnan(found.agreement.low)
    assert found.rank == 1, "a tie shares the better rank"


def test_two_frameworks_have_no_correlation_and_a_missing_one_leaves_the_others() -> None:
    chance = np.random.default_rng(3)
    made = choices(AS_DUTY, chance)
    two = {name: made[name] for name in ("duty", "utility")}
    found = belief_choice(beliefs("duty", chance), SIGNATURES, two, "duty")
    assert found is not None and found.agreement is None and found.of == 2
    assert (
        belief_choice(beliefs("duty", chance), SIGNATURES, {"utility": made["utility"]}, "duty")
        is None
    )
    unsigned = {**SIGNATURES, "duty": {"rules": 0}}
    assert belief_choice(beliefs("duty", chance), unsigned, made, "duty") is None


@pytest.mark.usefixtures("quick")
def test_neither_belief_nor_choice_agrees_by_chance_seldom_enough() -> None:
    chance, alarms = np.random.default_rng(4), 0
    for _ in range(100):
        nothing = choices(dict.fromkeys(SIGNATURES, 0.0), chance)
        found = belief_choice(beliefs("duty", chance, 0.0), SIGNATURES, nothing, "duty")
        assert found is not None and found.agreement is not None
        alarms += found.agreement.excludes_zero()
    assert alarms <= 10
