"""The gate's answer for each model as the pages show it: what its requirement cases say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ethogram.analyse.gate import decided
from ethogram.report.words import all_hold

Answer = Literal["promote", "do not promote", "could not decide"]
SIGN: dict[Answer, str] = {
    "promote": "\u2713",
    "do not promote": "\u2715",
    "could not decide": "?",
}


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """The answer and, in a few words, the requirements that it rests on."""

    model: str
    answer: Answer
    because: str

    @property
    def sign(self) -> str:
        return SIGN[self.answer]


def answer_for(model: str, requirements: Sequence[Mapping[str, Any]]) -> GateAnswer | None:
    """The answer on a model, as `analyse.gate` decides; None where no requirement was asked of it."""
    if not requirements:
        return None
    names: dict[str, list[str]] = {}
    for case in requirements:
        names.setdefault(str(case["verdict"]), []).append(str(case["subject"]))
    match decided(names):
        case "keep back":
            return GateAnswer(model, "do not promote", f"broken: {', '.join(names['contradicts'])}")
        case "promote":
            return GateAnswer(model, "promote", all_hold(len(names["holds"])))
        case unknown:
            told = (f"{v}: {', '.join(them)}" for v, them in names.items() if v != "holds")
            return GateAnswer(model, unknown, "; ".join(told))
