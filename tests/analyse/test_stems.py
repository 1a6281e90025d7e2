"""Items that share a stem are one observation in every measure: twice asked is not twice known."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ethogram.analyse.changes import item_change
from ethogram.analyse.choices import belief_choice
from ethogram.analyse.intervals import Interval, sign_interval
from ethogram.analyse.invariance import dimension_survival
from ethogram.analyse.pressure import retention
from ethogram.analyse.projectability import discriminant_match, signature_match
from ethogram.analyse.seeds import over_seeds

Moved = dict[str, NDArray[np.float64]]
Stems = Mapping[str, list[int] | None]
SIGNATURES = {
    "duty": {"rules": 1, "outcomes": -1, "taste": 0},
    "utility": {"rules": -1, "outcomes": 1, "taste": 0},
    "virtue": {"rules": 1, "outcomes": 1, "taste": 1},
}
CHOSEN = {
    name: {f"s{n}": float(lean + np.sin(5 * n)) for n in range(200)}
    for name, lean in (("duty", 0.8), ("utility", -0.8), ("virtue", 0.2))
}
"""Shifts of choices over scenarios, many of them: what is unsure here are the beliefs."""
NAMES = tuple(SIGNATURES["duty"])
N = 24


def moved(seed: int, middle: float = 0.6) -> Moved:
    """Shifts of a model of duty that is not quite sure of itself."""
    chance = np.random.default_rng(seed)
    return {name: middle * SIGNATURES["duty"][name] + chance.normal(size=N) for name in NAMES}


def match(shifts: Moved, stems: Stems) -> Interval:
    found = signature_match(shifts, SIGNATURES["duty"], stems)
    assert found is not None
    return found


def margin(shifts: Moved, stems: Stems) -> Interval:
    return discriminant_match(shifts, SIGNATURES, "duty", stems).margin


def seeds(shifts: Moved, stems: Stems) -> Interval:
    found = over_seeds(
        [np.sign(np.stack([part, part])) for part in shifts.values()],
        [1 / 3] * 3,
        [stems.get(name) for name in shifts],
    )
    assert found is not None
    return found.pooled


def kept(shifts: Moved, stems: Stems) -> Interval:
    pressed = {
        name: (part - 0.3, part + 0.8 * SIGNATURES["duty"][name]) for name, part in shifts.items()
    }
    found = retention(pressed, SIGNATURES["duty"], stems)
    assert found is not None and found.ratio is not None
    return found.ratio


def beliefs(shifts: Moved, stems: Stems) -> Interval:
    found = belief_choice(shifts, SIGNATURES, CHOSEN, "duty", stems)
    assert found is not None and found.agreement is not None
    return found.beliefs["duty"]


MEASURES: dict[str, tuple[Callable[[Moved, Stems], Interval], float]] = {
    "match": (match, 1e-9),
    "margin": (margin, 1e-9),
    "seeds": (seeds, 0.03),
    "kept": (kept, 0.12),
    "beliefs": (beliefs, 1e-9),
}
"""Each with the noise of its bootstrap."""


@pytest.mark.parametrize("name", MEASURES)
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_items_asked_twice_under_one_stem_tell_no_more_than_once(name: str, seed: int) -> None:
    measure, noise = MEASURES[name]
    once = moved(seed)
    twice = {dimension: np.repeat(shifts, 2) for dimension, shifts in once.items()}
    stems = {dimension: np.repeat(range(N), 2).tolist() for dimension in NAMES}
    alone, again = measure(once, {}), measure(twice, stems)
    assert again.value == pytest.approx(alone.value)
    assert (again.low, again.high) == pytest.approx((alone.low, alone.high), abs=noise)
    careless = measure(twice, {})
    assert careless.high - careless.low < 0.85 * (alone.high - alone.low), "without the stems"


def test_stems_of_one_item_each_change_nothing() -> None:
    once, stems = moved(1), {dimension: list(range(N)) for dimension in NAMES}
    for measure, _ in MEASURES.values():
        alone, named = measure(once, {}), measure(once, stems)
        assert (named.low, named.high) == pytest.approx((alone.low, alone.high), abs=0.05)


def test_the_correlation_of_beliefs_with_choices_is_resampled_by_stem() -> None:
    once = moved(2)
    twice = {dimension: np.repeat(shifts, 4) for dimension, shifts in once.items()}
    stems = {dimension: np.repeat(range(N), 4).tolist() for dimension in NAMES}
    found = [
        belief_choice(shifts, SIGNATURES, CHOSEN, "duty", names)
        for shifts, names in ((once, {}), (twice, stems), (twice, {}))
    ]
    widths = [f.agreement.high - f.agreement.low for f in found if f and f.agreement]
    assert widths[1] == pytest.approx(widths[0], rel=0.1) and widths[2] < 0.8 * widths[0]


def test_a_change_of_items_under_one_stem_counts_once() -> None:
    before = {f"i{n}": 0.0 for n in range(24)}
    after = {f"i{n}": 1.0 if n < 16 else -1.0 for n in range(24)}
    alone = item_change(before, after, 1)
    names = [f"{name}{again}" for name in before for again in "ab"]
    pairs = [{name: part[name[:-1]] for name in names} for part in (before, after)]
    again = item_change(pairs[0], pairs[1], 1, {name: name[:-1] for name in names})
    careless = item_change(pairs[0], pairs[1], 1)
    assert alone is not None and again is not None and careless is not None
    assert (again.direction, alone.direction, careless.direction) == ("same", "same", "better")
    assert (again.evidence.low, again.p) == (pytest.approx(alone.evidence.low), alone.p)


def test_a_verdict_on_items_under_one_stem_survives_as_one_on_the_stems() -> None:
    base = np.array([1.0] * 16 + [-1.0] * 8)
    frame, stems = (
        np.array([1.0] * 15 + [-1.0] * 9),
        np.repeat([f"{n:02}" for n in range(N)], 2).tolist(),
    )
    assert sign_interval(base).low < 0 < sign_interval(np.repeat(base, 2)).low
    once = dimension_survival(base, [frame], 1)
    twice = [np.repeat(part, 2) for part in (base, frame)]
    again = dimension_survival(twice[0], twice[1:], 1, [stems, stems])
    careless = dimension_survival(twice[0], twice[1:], 1)
    assert (once.kept, again.kept, careless.kept) == ((True,), (True,), (False,))
    assert again.floor == once.floor, "halves of stems are as fresh as halves of items"
    assert dimension_survival(base, [frame], 1, [["one"] * N] * 2).floor == 0.0
