from __future__ import annotations

import math

import numpy as np
import pytest

from ethogram.analyse.invariance import (
    Survival,
    dimension_survival,
    invariance,
    scenario_survival,
)


def test_a_strong_effect_keeps_its_verdict_in_every_frame() -> None:
    chance = np.random.default_rng(0)
    base = 3 + chance.normal(size=24)
    found = dimension_survival(base, [base + chance.normal(0, 0.1, 24), -base], 1)
    assert found.kept == (True, False)
    assert found.floor == 0.0


def test_an_effect_at_the_edge_has_a_floor() -> None:
    chance = np.random.default_rng(2)
    found = dimension_survival(0.5 + chance.normal(size=24), [], 1)
    assert 0.1 < found.floor < 0.9 and found.kept == ()


def test_a_setting_that_turns_the_choice_is_found_against_a_floor_of_none() -> None:
    found = scenario_survival([np.full(6, 1.0), np.full(6, 1.2), np.full(6, 0.7)])
    assert (found.kept, found.floor) == ((True, True), 0.0)
    turned = scenario_survival([np.full(6, 1.0), np.full(6, -2.0)])
    assert turned.kept == (False,) and turned.floor < 0.6


def test_where_nothing_moved_there_is_no_verdict_to_keep() -> None:
    nothing = np.zeros(6)
    scenarios = [scenario_survival([nothing, nothing]), scenario_survival([nothing, nothing + 1])]
    frames = dimension_survival(np.zeros(24), [np.zeros(24)], 0)
    assert all(found.still and found.kept == () for found in (*scenarios, frames))
    lost = scenario_survival([np.ones(6), nothing])
    assert lost.kept == (False,), "a direction that is gone is not kept"
    found = invariance([*scenarios, frames, lost])
    assert found is not None and (found.cases, found.left_out) == (1, 3)
    assert (found.survives.value, found.survives.n) == (0.0, 1)
    assert found.undefined_because is None


def test_a_model_that_does_not_differ_at_all_has_no_share_of_kept_verdicts() -> None:
    found = invariance([scenario_survival([np.zeros(6), np.zeros(6)])])
    assert found is not None and math.isnan(found.survives.value) and math.isnan(found.floor)
    assert (
        found.undefined_because is not None and "none of 1 cases moved" in found.undefined_because
    )


def test_settings_that_do_not_matter_change_as_often_as_the_floor_says() -> None:
    chance = np.random.default_rng(2)
    cases = [scenario_survival(list(chance.normal(0.2, 1, size=(3, 3)))) for _ in range(250)]
    found = invariance(cases)
    assert found is not None and found.cases == 250 and found.survives.n == 500
    assert 1 - found.survives.value == pytest.approx(found.floor, abs=0.06)
    assert found.survives.low < 1 - found.floor < found.survives.high


def test_the_share_is_over_perturbations_and_clustered_by_case() -> None:
    found = invariance(
        [Survival((True, True, False, True), 0.1), Survival((), 0.9), Survival((True,), 0.3)]
    )
    assert found is not None
    assert (found.survives.value, found.survives.n, found.cases) == (pytest.approx(0.8), 5, 2)
    assert found.floor == pytest.approx(0.2)
    assert 0 <= found.survives.low < 0.8 < found.survives.high <= 1
    assert invariance([Survival((), 0.1)]) is None and invariance([]) is None
