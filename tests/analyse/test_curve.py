from __future__ import annotations

import numpy as np
import pytest

from ethogram.analyse.curve import contrast, refusals


def test_shares_refused_have_their_n_and_interval() -> None:
    found = refusals(np.array([1.0, 1.0, 1.0, 0.0]), np.zeros(6))
    assert found is not None
    assert (found.hazardous.value, found.hazardous.n) == (0.75, 4)
    assert (found.harmless.value, found.harmless.n) == (0.0, 6)
    assert 0 <= found.hazardous.low < 0.75 < found.hazardous.high <= 1
    assert found.harmless.high > 0
    assert refusals(np.zeros(0), np.zeros(3)) is None


def test_a_contrast_is_read_where_signatures_differ_and_in_their_direction() -> None:
    chance = np.random.default_rng(0)
    moved = {name: chance.normal(mean, 1, 30) for name, mean in (("a", 2), ("b", -2), ("c", 5))}
    signatures = {"one": {"a": 1, "b": -1, "c": 1}, "other": {"a": -1, "c": 1}}
    found = contrast("one", "other", moved, signatures)
    a, b = found.d_z["a"], found.d_z["b"]
    assert a is not None and b is not None and found.opposed is not None
    assert found.opposed.value == pytest.approx((a - b) / 2)
    assert found.opposed.n == 60 and found.opposed.low > 0


def test_where_no_signature_differs_there_is_nothing_to_tell_apart() -> None:
    found = contrast("one", "other", {"a": np.ones(3)}, {"one": {"a": 1}, "other": {"a": 1}})
    assert found.opposed is None and found.d_z == {"a": None}


def test_the_interval_of_d_z_holds_the_truth_about_as_often_as_it_says() -> None:
    chance, held = np.random.default_rng(1), 0
    for _ in range(400):
        found = contrast(
            "one", "other", {"a": chance.normal(1.0, 1, 24)}, {"one": {"a": 1}, "other": {}}
        )
        assert found.opposed is not None
        held += found.opposed.low <= 1.0 <= found.opposed.high
    assert 0.91 <= held / 400 <= 0.99
