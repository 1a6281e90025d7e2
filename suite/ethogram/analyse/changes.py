"""What changed between two measurements of one case, beyond noise: paired by item."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ethogram.analyse.effects import sign_p, without_noise
from ethogram.analyse.intervals import Interval, combined, sign_interval
from ethogram.analyse.projectability import margin_gain, rate_gain

Direction = Literal["worse", "better", "moved", "same", "unknown"]
"""`moved`: beyond noise, where nothing is expected; `same`: nothing beyond noise; `unknown`: the
data define no interval."""
Shifts = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Change:
    """The change of a measured value. `paired`: from the same items, of which there are `n`.

    `evidence` is the interval that decides. For shifts of items it is the share of items that went
    up from one measurement to the other minus the share that went down (the sign effect of the
    change), else the change itself. `p`: two-sided; from the interval where only intervals are
    known, None for a verdict that turned.
    """

    value: float
    evidence: Interval
    direction: Direction
    p: float | None
    paired: bool


def item_change(
    before: Shifts, after: Shifts, expected: int | None, stems: Mapping[str, str] | None = None
) -> Change | None:
    """Of a dimension or a scenario; `expected`: sign +1, -1, 0, None. None without common items.

    `stems`: the cluster by item; None where each stands alone. The paired sign test on the
    differences. Where no effect is expected (0), a greater effect is worse, whichever way it points.
    """
    old, new = _common(before, after)
    if not len(old):
        return None
    moved = without_noise(new - old)
    clusters = [stems.get(name, name) for name in before if name in after] if stems else None
    evidence, p = sign_interval(moved, clusters), sign_p(moved, clusters)
    value = float(np.sign(new).mean() - np.sign(old).mean())
    direction = _direction(evidence, expected)
    if expected == 0 and direction == "moved":
        direction = _from_none(old, new, clusters)
    return Change(value, evidence, direction, p, True)


def gain_change(
    before: Shifts, after: Shifts, *, rate: bool, wanted: int | None = 1
) -> Change | None:
    """Of a hazard category: the difference in differences of the two models on the same prompts.

    `wanted`: +1 a gain, None nothing, as of a placebo.
    """
    sides = [
        _common(
            *({k: v for k, v in part.items() if k.startswith(side)} for part in (before, after))
        )
        for side in ("hazardous:", "harmless:")
    ]
    if not all(len(old) for old, _ in sides):
        return None
    moved = [without_noise(new - old) for old, new in sides]
    evidence = (rate_gain if rate else margin_gain)(moved[0], moved[1])
    if not any(part.any() for part in moved):
        # No item changed at all: there is nothing of which limits could be unknown.
        return Change(0.0, evidence, "same", None, True)
    return Change(evidence.value, evidence, _direction(evidence, wanted), _normal_p(evidence), True)


def value_change(before: Interval, after: Interval, wanted: int) -> Change | None:
    """Of a measure of which only intervals are known; `wanted`: +1 more, -1 less.

    The intervals are combined as if independent (MOVER), which is too wide for the same items: it
    misses small changes and raises no false alarm.
    """
    if not all(map(math.isfinite, (before.value, before.low, after.value, after.low))):
        return None
    evidence = combined([1, -1], [after, before])
    way = _direction(evidence, wanted)
    return Change(evidence.value, evidence, way, _normal_p(evidence), False)


def verdict_change(before: tuple[str, Interval], after: tuple[str, Interval]) -> Change | None:
    """Of a search, whose two values are of different tellings: its verdict decides, not they.

    From `holds` to `contradicts` is worse and back is better; to or from any other verdict is
    `moved`. None where there is no value.
    """
    (old, there), (new, here) = before, after
    if not (math.isfinite(there.value) and math.isfinite(here.value)):
        return None
    turned: dict[tuple[str, str], Direction] = {
        ("holds", "contradicts"): "worse",
        ("contradicts", "holds"): "better",
    }
    direction: Direction = "same" if old == new else turned.get((old, new), "moved")
    evidence = combined([1, -1], [here, there])
    return Change(evidence.value, evidence, direction, None, False)


def _direction(evidence: Interval, towards: int | None) -> Direction:
    if not (math.isfinite(evidence.low) and math.isfinite(evidence.high)):
        return "unknown"
    if not evidence.excludes_zero():
        return "same"
    if not towards:
        return "moved"
    return "better" if (evidence.low > 0) == (towards > 0) else "worse"


def _from_none(
    old: NDArray[np.float64], new: NDArray[np.float64], clusters: Sequence[object] | None
) -> Direction:
    """Whether the effect grew beyond noise, each side read the way that its own items point.

    `moved` too where the sign effect, which is what is measured, says the contrary.
    """
    before, after = (float(np.sign(s).sum()) for s in (old, new))
    ways = [np.sign(total or s.mean()) for total, s in ((before, old), (after, new))]
    grown = sign_interval(without_noise(ways[1] * new - ways[0] * old), clusters)
    if grown.low > 0 and abs(after) >= abs(before):
        return "worse"
    if grown.high < 0 and abs(after) <= abs(before):
        return "better"
    return "moved"


def _common(before: Shifts, after: Shifts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    names = [name for name in before if name in after]
    found = [np.array([part[name] for name in names]) for part in (before, after)]
    return found[0], found[1]


def _normal_p(evidence: Interval) -> float | None:
    """Two-sided p of zero, from the interval on zero's side."""
    edge = evidence.low if evidence.value > 0 else evidence.high
    width = abs(evidence.value - edge)
    if not math.isfinite(width) or width == 0:
        return None
    return float(2 * stats.norm.sf(abs(evidence.value) / width * stats.norm.isf(0.025)))
