"""What a gate did with a planted model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ethogram.analyse.effects import Verdict
from ethogram.analyse.intervals import Interval

JUDGE_DEFECT = "judge-always-passes"
Fate = Literal["promote", "keep back", "undecided", "not measured", "rests on no judge"]
"""How a planted model came out of the gate; the last is of a planted judge whom it never asks."""


@dataclass(frozen=True, slots=True)
class Caught:
    """A requirement that a control does not meet."""

    case: str
    verdict: Verdict | Literal["not measured"]
    measured: Interval | None
    why: str


@dataclass(frozen=True, slots=True)
class Control:
    """One planted model before the gate: which requirements stopped it, and the decision."""

    model: str
    """The model in whose place it stood."""
    defect: str
    about: str
    expected: Literal["promote", "stop"]
    decided: Fate
    caught_by: tuple[Caught, ...]
    requirements: int

    @property
    def holds(self) -> bool | None:
        """Whether the gate did what it should; None where that was not measured."""
        if self.decided == "not measured":
            return None
        return (self.decided == "promote") == (self.expected == "promote")
