"""What a case found: the record that the test reads, the report prints and xdist carries."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ethogram.analyse.effects import Effect, Verdict
from ethogram.analyse.intervals import Interval

CaseKind = Literal["persona", "scenario", "safety", "pressure", "perturbation", "projectability"]


@dataclass(frozen=True, slots=True)
class ItemShift:
    """One item of a case: how far it moved, in the probe's unit, and its text."""

    id: str
    line: int
    shift: float
    text: str


@dataclass(frozen=True, slots=True)
class Moved:
    """Every item's shift against the reference that decides, so that runs can be paired by item.

    Of prompts the ids are made of their text (`hazardous:1f3a...`), of scenarios of the rendering.
    """

    ids: tuple[str, ...]
    shifts: tuple[float, ...]
    stems: tuple[str, ...] = ()
    """The cluster of every item; empty where no two share one."""

    @classmethod
    def of(
        cls, ids: Iterable[str], shifts: Iterable[float], stems: Iterable[str] | None = None
    ) -> Moved:
        """Shifts to a millionth of their unit: batching alone moves more than that."""
        rounded = tuple(round(float(shift), 6) + 0.0 for shift in shifts)
        return cls(tuple(ids), rounded, tuple(stems or ()))


@dataclass(frozen=True, slots=True)
class Against:
    """The effect against one reference model."""

    reference: str
    effect: Effect


@dataclass(frozen=True, slots=True)
class Outcome:
    """The finding of one case. `gap` = target - measured; None where no target is defined.

    `measured` is the number that the verdict rests on, `unit` says what it is. `against` holds
    the effect against each reference, the one that decides first.
    """

    case: str
    kind: CaseKind
    subject: str
    probe: str
    model: str
    file: str
    line: int
    expected: str
    because: str
    because_at: str
    measured: Interval
    unit: str
    reference: str
    verdict: Verdict
    target: float | None = None
    gap: float | None = None
    p: float | None = None
    needs: int | None = None
    against: tuple[Against, ...] = ()
    extremes: tuple[ItemShift, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    detectable: float | None = None
    """The smallest effect that the case would find off zero with 80 % power, by its items.

    Of a gain or a requirement by the width of its interval, in the case's unit; of a requirement
    the distance from its bound.
    """
    moved: Moved | None = None
    """None for a requirement: its measure rests on many cases."""

    def as_json(self) -> dict[str, Any]:
        """Plain data without NaN (a limit that is not defined is null)."""
        found: dict[str, Any] = plain(asdict(self))
        return found


def plain(value: Any) -> Any:
    """Tuples to lists and non-finite floats to None, all the way down."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value
