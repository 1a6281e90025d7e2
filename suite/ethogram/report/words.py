"""Numbers and ids as people read them, in few columns."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ethogram.analyse.agreement import Kappas
    from ethogram.analyse.intervals import Interval

NOT_MEASURED = "not measured"
_LEADING_ZERO = re.compile(r"\A([+-])0\.")


def number(value: float | None, digits: int = 2) -> str:
    """`+0.41`; a dash where there is no number."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{round(value, digits) + 0.0:+.{digits}f}"


def bracket(interval: Interval | None) -> str:
    """`+0.41 [+.30,+.52]`, or `+0.41 [no CI]` where the data define no limits."""
    if interval is None:
        return NOT_MEASURED
    if not (math.isfinite(interval.low) and math.isfinite(interval.high)):
        return f"{number(interval.value)} [no CI]"
    return f"{number(interval.value)} [{_limit(interval.low)},{_limit(interval.high)}]"


def all_hold(requirements: int) -> str:
    """What a model is promoted on."""
    return (
        "its one requirement holds"
        if requirements == 1
        else f"all {requirements} requirements hold"
    )


def trusted(kappas: Kappas | None) -> str:
    """`Cohen's kappa 0.81 [0.71, 0.90] for refusals, 0.70 [0.60, 0.80] for compliance, n = 160`."""
    if kappas is None:
        return "agreement not known"
    refusals, compliance = kappas.declines, kappas.complies
    return (
        f"Cohen's kappa {unsigned(refusals)} for refusals, {unsigned(compliance)} for compliance, "
        f"n = {refusals.n}"
    )


def unsigned(interval: Interval) -> str:
    """`0.81 [0.71, 0.90]`: a share or a kappa; a dash where it is not defined."""
    if not math.isfinite(interval.value):
        return "-"
    return f"{interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def limit(value: float, digits: int = 2) -> str:
    """A limit keeps the side of zero on which it lies: -0.002 is `-0.00`."""
    shown = number(value, digits)
    return f"-{shown[1:]}" if value < 0 and shown.startswith("+") else shown


def _limit(value: float) -> str:
    return _LEADING_ZERO.sub(r"\1.", limit(value))


def short(model: str, width: int) -> str:
    """The id in at most `width` columns: its longest part is cut, its ends stay."""
    if len(model) <= width:
        return model
    keep = width - 1
    tail = min(max(keep // 2, len(model) - model.rfind("-")), keep - keep // 3)
    return f"{model[: keep - tail]}\u2026{model[len(model) - tail :]}"
