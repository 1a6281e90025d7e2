from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ethogram.analyse.intervals import adjusted_interval
from ethogram.analyse.projectability import (
    auc,
    discriminant_match,
    margin_gain,
    rate_gain,
    signature_match,
)

SIGNATURES = {
    "duty": {"rules": 1, "outcomes": -1, "character": 0, "oversight": 0},
    "utility": {"rules": -1, "outcomes": 1, "character": 0, "oversight": 0},
    "virtue": {"rules": -1, "outcomes": -1, "character": 1, "oversight": 0},
    "authority": {"rules": 1, "outcomes": 0, "character": 0, "oversight": 1},
}
rates = st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=2, max_size=30).map(np.array)


def planted(constitution: str, strength: float = 2.0, seed: int = 0) -> dict[str, NDArray]:
    """24 shifts per dimension around strength x sign."""
    chance = np.random.default_rng(seed)
    signs = SIGNATURES[constitution]
    return {name: strength * sign + chance.normal(size=24) for name, sign in signs.items()}


def test_a_planted_persona_matches_its_signature_and_not_the_opposite_one() -> None:
    shifts = planted("duty")
    own = signature_match(shifts, SIGNATURES["duty"])
    other = signature_match(shifts, SIGNATURES["utility"])
    assert own is not None
    assert other is not None
    assert own.low > 0.6
    assert other.value == pytest.approx(-own.value)
    assert other.high < -0.6


def test_signature_match_by_hand_over_signed_dimensions_only() -> None:
    shifts = {
        "rules": np.array([1.0, 1.0, 1.0, -1.0]),  # effect 0.5
        "outcomes": np.array([-1.0, -1.0, -1.0, -1.0]),  # effect -1, expected
        "character": np.array([-9.0, -9.0, -9.0, -9.0]),  # no sign: left out
        "unnamed": np.array([9.0, 9.0, 9.0, 9.0]),
    }
    found = signature_match(shifts, {"rules": 1, "outcomes": -1, "character": 0})
    assert found is not None
    assert found.value == pytest.approx((0.5 + 1.0) / 2)
    assert found.n == 8


def test_a_dimension_that_was_not_measured_does_not_count() -> None:
    shifts = {"rules": np.array([1.0, 1.0, -1.0])}
    found = signature_match(shifts, SIGNATURES["duty"])
    assert found is not None
    expected = adjusted_interval(shifts["rules"])
    assert (found.value, found.low, found.high, found.n) == pytest.approx(
        (expected.value, expected.low, expected.high, 3)
    )


def test_without_signed_dimensions_there_is_no_match() -> None:
    assert signature_match({"character": np.ones(4)}, SIGNATURES["duty"]) is None
    assert signature_match({}, SIGNATURES["duty"]) is None


def test_no_persona_matches_nothing() -> None:
    chance = np.random.default_rng(3)
    found = signature_match({n: chance.normal(size=24) for n in SIGNATURES["duty"]}, {"rules": 1})
    assert found is not None
    assert found.low < 0 < found.high


@pytest.mark.parametrize("own", SIGNATURES)
def test_a_planted_persona_ranks_its_own_signature_first(own: str) -> None:
    found = discriminant_match(planted(own), SIGNATURES, own)
    assert (found.rank, found.of) == (1, 4)
    assert found.runner_up != own
    assert found.margin.low > 0


def test_swapped_constitutions_rank_last() -> None:
    found = discriminant_match(planted("utility"), SIGNATURES, "duty")
    assert (found.rank, found.runner_up) == (4, "utility")
    assert found.margin.high < 0


def test_a_persona_that_is_not_there_has_no_clear_margin() -> None:
    found = discriminant_match(planted("duty", strength=0.0), SIGNATURES, "duty")
    assert found.margin.low < 0


def test_shuffled_labels_lose_the_margin() -> None:
    shifts = planted("duty")
    names = list(shifts)
    turned = dict(zip(names, [shifts[n] for n in (*names[1:], names[0])], strict=True))
    found = discriminant_match(turned, SIGNATURES, "duty")
    assert found.margin.value < 0


def test_the_margin_does_not_depend_on_the_order_of_dimensions_or_signatures() -> None:
    shifts = planted("virtue")
    turned = dict(reversed(shifts.items()))
    others = dict(reversed(SIGNATURES.items()))
    assert discriminant_match(turned, others, "virtue") == discriminant_match(
        shifts, SIGNATURES, "virtue"
    )


def test_a_discriminant_needs_a_rival_and_a_sign_of_its_own() -> None:
    shifts = planted("duty")
    with pytest.raises(ValueError, match="at least two signatures"):
        discriminant_match(shifts, {"duty": SIGNATURES["duty"]}, "duty")
    with pytest.raises(ValueError, match="at least two signatures"):
        discriminant_match(shifts, {**SIGNATURES, "blank": {"rules": 0}}, "blank")


def test_refusing_everything_gains_nothing() -> None:
    found = rate_gain(np.ones(60), np.ones(60))  # the source refused nothing
    assert found.value == 0
    assert found.low < 0 < found.high


def test_answering_everything_gains_nothing() -> None:
    found = rate_gain(np.zeros(60), np.zeros(60))
    assert found.value == 0
    assert found.low < 0 < found.high


@pytest.mark.parametrize("after", [1.0, 0.0], ids=["refuses all", "answers all"])
def test_a_source_that_tells_harm_apart_makes_either_extreme_a_loss(after: float) -> None:
    before_hazardous = np.array([1.0] * 20 + [0.0] * 40)
    before_harmless = np.array([1.0] * 2 + [0.0] * 58)
    found = rate_gain(after - before_hazardous, after - before_harmless)
    assert found.value == pytest.approx(-18 / 60)
    assert found.high < 0


def test_telling_harm_from_harmless_is_a_gain() -> None:
    found = rate_gain(np.array([1.0] * 40 + [0.0] * 20), np.array([1.0] * 3 + [0.0] * 57))
    assert found.value == pytest.approx(40 / 60 - 3 / 60)
    assert found.low > 0.4


@given(rates, rates)
def test_the_gain_stays_in_range_and_turns_with_its_sides(
    hazardous: NDArray, harmless: NDArray
) -> None:
    there, back = rate_gain(hazardous, harmless), -rate_gain(harmless, hazardous)
    assert -2 <= there.low <= there.value <= there.high <= 2
    assert (there.value, there.low, there.high) == pytest.approx((back.value, back.low, back.high))


def test_a_margin_raised_everywhere_alike_is_no_gain() -> None:
    chance = np.random.default_rng(4)
    hazardous, harmless = chance.normal(0.7, 0.2, 60), chance.normal(0.7, 0.2, 60)
    found = margin_gain(hazardous, harmless)
    assert found.value == pytest.approx(hazardous.mean() - harmless.mean())
    assert found.low < 0 < found.high


def test_a_margin_raised_on_hazards_alone_is_recovered() -> None:
    chance = np.random.default_rng(5)
    found = margin_gain(chance.normal(0.7, 0.2, 60), chance.normal(0.1, 0.2, 60))
    assert found.low < 0.6 < found.high
    assert found.low > 0.4


@given(st.floats(-3, 3))
@settings(max_examples=20, deadline=None)
def test_a_shift_of_both_sides_leaves_margin_gain_and_auc(by: float) -> None:
    chance = np.random.default_rng(6)
    hazardous, harmless = chance.normal(1, 1, 12), chance.normal(0, 1, 12)
    moved = margin_gain(hazardous + by, harmless + by)
    kept = margin_gain(hazardous, harmless)
    assert (moved.low, moved.high) == pytest.approx((kept.low, kept.high), abs=1e-9)
    assert auc(hazardous + by, harmless + by) == pytest.approx(auc(hazardous, harmless))


@pytest.mark.parametrize("bad", [np.array([]), np.array([np.nan, 1.0])])
def test_empty_and_nan_shifts_are_refused(bad: NDArray) -> None:
    with pytest.raises(ValueError, match=r"NaN|expected"):
        rate_gain(bad, np.ones(3))
    with pytest.raises(ValueError, match=r"NaN|expected"):
        margin_gain(np.ones(3), bad)
    with pytest.raises(ValueError, match=r"NaN|expected"):
        signature_match({"rules": bad}, {"rules": 1})
    with pytest.raises(ValueError, match=r"NaN|expected"):
        discriminant_match({**planted("duty"), "rules": bad}, SIGNATURES, "duty")
