"""What a recipe does along its training: one point a kept step. Undefined or not asked is None."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ethogram.analyse.effects import effect_of
from ethogram.analyse.intervals import Interval, Z, combined
from ethogram.analyse.projectability import Shifts, Signs
from ethogram.analyse.reliability import share_above
from ethogram.analyse.wording import OwnWords


@dataclass(frozen=True, slots=True)
class Refusals:
    """Share refused of hazards and of harmless look-alikes, each with its n; in [0, 1]."""

    hazardous: Interval
    harmless: Interval


def refusals(hazardous: NDArray[np.float64], harmless: NDArray[np.float64]) -> Refusals | None:
    """Of verdicts 1 (refused) and 0, prompt by prompt; None without prompts on either side."""
    if not len(hazardous) or not len(harmless):
        return None
    return Refusals(share_above(2 * hazardous - 1), share_above(2 * harmless - 1))


@dataclass(frozen=True, slots=True)
class Contrast:
    """Two constitutions told apart on the same items.

    `d_z` by dimension: mean / sd of (the one's probe - the other's). `opposed`: the mean over the
    dimensions where the two signatures differ, in the direction in which they do.
    """

    one: str
    other: str
    d_z: Mapping[str, float | None]
    opposed: Interval | None


def contrast(one: str, other: str, moved: Shifts, signatures: Mapping[str, Signs]) -> Contrast:
    """`moved`: the one's probe minus the other's, item by item, by dimension.

    The interval of each d_z is normal, with variance 1/n + d^2 / (2n) (Becker 1988, Br. J. Math.
    Stat. Psychol. 41:257, for r = 0.5 and large n); `combined` makes that of their mean.
    """
    found = {name: effect_of(shifts).d_z for name, shifts in moved.items()}
    signs = {
        name: int(np.sign(signatures[one].get(name, 0) - signatures[other].get(name, 0)))
        for name in moved
    }
    kept = [name for name in moved if signs[name] and math.isfinite(found[name])]
    parts = [_of_d(found[name], len(moved[name])) for name in kept]
    return Contrast(
        one,
        other,
        {name: d if math.isfinite(d) else None for name, d in found.items()},
        combined([signs[name] / len(kept) for name in kept], parts) if kept else None,
    )


def _of_d(d: float, n: int) -> Interval:
    half = Z * math.sqrt(1 / n + d**2 / (2 * n))
    return Interval(d, d - half, d + half, n)


@dataclass(frozen=True, slots=True)
class ModelPoint:
    """One model at one point. A placebo has no constitution, and so no match."""

    model: str
    constitution: str | None
    digest: str | None
    loss: float
    """Mean over the epoch before, in nats per supervised token."""
    match: Interval | None
    match_against_source: Interval | None
    own_words: OwnWords | None
    trained: Refusals | None
    held_out: Refusals | None


@dataclass(frozen=True, slots=True)
class Point:
    """All models of a recipe after one step."""

    step: int
    epochs: float
    models: tuple[ModelPoint, ...]
    contrast: Contrast | None


@dataclass(frozen=True, slots=True)
class Curve:
    """One recipe. `seconds`: the training of all its models, on the machine that trained them."""

    recipe: str
    settings: Mapping[str, object]
    points: tuple[Point, ...] = ()
    seconds: float = 0.0
    problem: str | None = None
    """Why it was not measured, where it was not."""
