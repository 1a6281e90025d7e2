"""What the requirements of one model say together: the rule of every gate, page and control."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from ethogram.analyse.effects import Verdict
from ethogram.analyse.intervals import Interval

Decided = Literal["promote", "keep back", "could not decide"]


def decided(verdicts: Iterable[str]) -> Decided:
    """One requirement that does not hold keeps the model back, whatever else is unknown.

    After that nothing is promoted on what is undecided, unjudged or was not measured, and nothing
    on no requirement at all.
    """
    found = set(verdicts)
    if "contradicts" in found:
        return "keep back"
    return "promote" if found == {"holds"} else "could not decide"


def bounded(measured: Interval, bound: str, limit: float, *, on_ci: bool) -> Verdict:
    """Whether the bound is met by the whole interval (or the estimate), missed by it, or neither.

    A limit that is not defined (NaN) meets nothing.
    """
    wants_more = bound in ("at_least", "above")
    strict = bound in ("above", "below")
    low, high = (measured.low, measured.high) if on_ci else (measured.value, measured.value)
    worst, best = (low, high) if wants_more else (-high, -low)
    aim = limit if wants_more else -limit
    if worst > aim or (worst == aim and not strict):
        return "holds"
    if best < aim or (best == aim and strict):
        return "contradicts"
    return "undecided"
