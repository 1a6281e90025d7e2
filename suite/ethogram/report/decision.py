"""The gate's answer for each model: what its requirement cases say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Answer = Literal["promote", "do not promote", "could not decide"]
MARK: dict[Answer, str] = {
    "promote": "\u2713",
    "do not promote": "\u2715",
    "could not decide": "?",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer and the requirements that stand in its way."""

    model: str
    answer: Answer
    because: str
    requirements: tuple[Mapping[str, Any], ...]

    @property
    def mark(self) -> str:
        return MARK[self.answer]


def decide(model: str, requirements: Sequence[Mapping[str, Any]]) -> Decision | None:
    """The decision on a model; None where no requirement was asked of it.

    A bound that is broken decides, whatever else is missing; after that nothing is promoted on a
    measurement that is not there; an interval that straddles a bound does not meet it.
    """
    if not requirements:
        return None
    by_verdict: dict[str, list[str]] = {}
    for case in requirements:
        by_verdict.setdefault(str(case["verdict"]), []).append(str(case["subject"]))
    broken, open_ = by_verdict.get("contradicts", []), by_verdict.get("undecided", [])
    absent = by_verdict.get("not measured", [])
    answer: Answer
    if broken:
        answer, because = "do not promote", f"broken: {', '.join(broken)}"
    elif absent:
        answer, because = "could not decide", f"not measured: {', '.join(absent)}"
    elif open_:
        answer, because = "do not promote", f"not shown: {', '.join(open_)}"
    elif by_verdict.get("holds"):
        answer, because = "promote", f"all {len(by_verdict['holds'])} requirements hold"
    else:
        answer, because = "could not decide", "no requirement was judged"
    return Decision(model, answer, because, tuple(requirements))
