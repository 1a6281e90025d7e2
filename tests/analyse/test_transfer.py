from __future__ import annotations

import math

import numpy as np
import pytest

from ethogram.analyse.transfer import transfer

SIGNS = np.array([1.0, -1.0] * 5)


def test_a_twin_that_shifts_alike_transfers_fully_and_an_opposite_one_the_other_way() -> None:
    chance = np.random.default_rng(0)
    shifts = {f"d{i}": sign * 2 + chance.normal(size=24) for i, sign in enumerate(SIGNS)}
    found = transfer(shifts, shifts)
    assert found is not None
    assert (found.slope.value, found.cosine.value) == (pytest.approx(1, abs=0.02), 1.0)
    assert (found.dimensions, found.slope.n) == (10, 240)
    turned = transfer({name: -values for name, values in shifts.items()}, shifts)
    assert turned is not None
    assert turned.slope.value == pytest.approx(-1, abs=0.02) and turned.cosine.high < -0.8


def test_by_hand_without_noise_to_speak_of() -> None:
    # 4,000 items: the effects are 0.5 and -0.5 in the narrow model, 1 and -0.8 in the broad one.
    def signs(effect: float) -> np.ndarray:
        up = round(4_000 * (1 + effect) / 2)
        return np.random.default_rng(1).permutation([1.0] * up + [-1.0] * (4_000 - up))

    narrow, broad = {"a": signs(0.5), "b": signs(-0.5)}, {"a": signs(1.0), "b": signs(-0.8)}
    found = transfer(narrow, broad)
    assert found is not None
    assert found.slope.value == pytest.approx((0.5 + 0.4) / (1 + 0.64), abs=0.002)
    assert found.cosine.value == pytest.approx(0.9 / math.sqrt(0.5 * 1.64), abs=0.002)


def test_without_a_broad_persona_there_is_no_interval(twins) -> None:
    chance, none = np.random.default_rng(2), np.zeros(10)
    for one in (none, 0.6 * SIGNS):
        found = transfer(*twins(chance, one, none))
        assert found is not None
        assert math.isnan(found.slope.low) and math.isnan(found.cosine.low)


def test_a_narrow_model_without_persona_transfers_nothing(twins) -> None:
    found = transfer(*twins(np.random.default_rng(3), np.zeros(10), 0.6 * SIGNS))
    assert found is not None
    assert found.slope.low < 0 < found.slope.high < 0.5


def test_one_dimension_is_no_vector_and_other_items_are_refused() -> None:
    assert transfer({"a": np.ones(4)}, {"a": np.ones(4), "b": np.ones(4)}) is None
    with pytest.raises(ValueError, match="different items"):
        transfer({"a": np.ones(4), "b": np.ones(3)}, {"a": np.ones(4), "b": np.ones(4)})


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("strength", "slope"), [(0.3, 1.0), (0.5, 0.6), (0.8, 0.8), (0.5, 0.0)])
def test_coverage_of_the_slope(strength: float, slope: float, twins) -> None:
    # Measured: 0.95 to 0.98. Without the correction for noise the first comes out at 0.71, since
    # a weak persona then seems to transfer four fifths of what it does.
    chance, hits, defined, values = np.random.default_rng(4), 0, 0, []
    for _ in range(100):
        found = transfer(*twins(chance, slope * strength * SIGNS, strength * SIGNS))
        assert found is not None
        if not math.isnan(found.slope.low):
            defined += 1
            hits += found.slope.low <= slope <= found.slope.high
            values.append(found.slope.value)
    assert defined >= 50
    assert hits / defined >= 0.91
    assert np.mean(values) == pytest.approx(slope, abs=0.12)


@pytest.mark.usefixtures("quick")
def test_coverage_of_a_cosine_between_none_and_full(twins) -> None:
    chance, hits = np.random.default_rng(5), 0
    mixed = np.where(np.arange(10) < 3, -1.0, 1.0) * SIGNS  # cosine 0.4
    for _ in range(100):
        found = transfer(*twins(chance, 0.5 * mixed, 0.6 * SIGNS))
        assert found is not None
        hits += found.cosine.low <= 0.4 <= found.cosine.high
    assert hits >= 90
