from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ethogram.analyse.agreement import cohen_kappa

LABELS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1)


def pairs(table: list[list[int]]) -> tuple[list[int], list[int]]:
    rows = [(i, j) for i, row in enumerate(table) for j, n in enumerate(row) for _ in range(n)]
    return [i for i, _ in rows], [j for _, j in rows]


def test_value_and_error_are_those_of_the_delta_method() -> None:
    table = np.array([[53, 5, 2], [11, 14, 5], [1, 6, 3]], dtype=float)
    found = cohen_kappa(*pairs(table.astype(int).tolist()))

    def kappa(p: np.ndarray) -> float:
        p = p.reshape(3, 3)
        chance = p.sum(axis=1) @ p.sum(axis=0)
        return float((np.trace(p) - chance) / (1 - chance))

    p = table.ravel() / table.sum()
    steps = 1e-6 * np.eye(9)
    slope = np.array([(kappa(p + step) - kappa(p - step)) / 2e-6 for step in steps])
    error = math.sqrt((p @ slope**2 - (p @ slope) ** 2) / table.sum())
    assert found.value == pytest.approx(kappa(p))
    assert found.low == pytest.approx(kappa(p) - 1.95996 * error, abs=1e-5)
    assert found.high == pytest.approx(kappa(p) + 1.95996 * error, abs=1e-5)
    assert found.n == 100


def test_full_agreement_has_an_interval_that_does_not_collapse() -> None:
    found = cohen_kappa([True] * 20 + [False] * 20, [True] * 20 + [False] * 20)
    assert (found.value, found.high) == (1.0, 1.0)
    assert 0.7 < found.low < 0.9


@pytest.mark.parametrize("said", [True, False])
def test_a_judge_that_always_says_the_same_agrees_no_more_than_chance(said: bool) -> None:
    assert cohen_kappa([True] * 30 + [False] * 30, [said] * 60).value == pytest.approx(0.0)


def test_one_and_the_same_label_everywhere_defines_no_kappa() -> None:
    assert math.isnan(cohen_kappa(["a"] * 5, ["a"] * 5).value)


@pytest.mark.parametrize(("one", "other"), [([], []), ([1], [1, 2])])
def test_lists_that_do_not_pair_are_an_error(one: list[int], other: list[int]) -> None:
    with pytest.raises(ValueError, match="labels against"):
        cohen_kappa(one, other)


@given(LABELS)
def test_it_is_symmetric_and_its_limits_stand_around_it(rows: list[tuple[str, str]]) -> None:
    one, other = [a for a, _ in rows], [b for _, b in rows]
    found, turned = cohen_kappa(one, other), cohen_kappa(other, one)
    if math.isnan(found.value):
        return
    assert found.value == pytest.approx(turned.value)
    assert found.low == pytest.approx(turned.low, abs=1e-7)
    assert -1 <= found.low <= found.value <= found.high <= 1


@pytest.mark.parametrize("right", [0.8, 0.9, 0.97])
def test_the_interval_covers_the_truth(right: float) -> None:
    # Two labels, half of the answers each; the true kappa is then 2 * right - 1.
    chance = np.array([right, 1 - right, 1 - right, right]) / 2
    rng = np.random.default_rng(0)
    tables = rng.multinomial(80, chance, size=600).reshape(-1, 2, 2)
    found = [cohen_kappa(*pairs(table.tolist())) for table in tables]
    covered = np.mean([interval.low <= 2 * right - 1 <= interval.high for interval in found])
    assert covered >= 0.91
