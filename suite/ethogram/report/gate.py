"""The gate's answer for each model as the pages show it: what its requirement cases say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

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
    """The answer on a model; None where no requirement was asked of it.

    A bound that is broken decides, whatever else is unknown; after that nothing is promoted on what
    was not measured or is undecided.
    """
    if not requirements:
        return None
    names: dict[str, list[str]] = {}
    for case in requirements:
        names.setdefault(str(case["verdict"]), []).append(str(case["subject"]))
    if broken := names.pop("contradicts", []):
        return GateAnswer(model, "do not promote", f"broken: {', '.join(broken)}")
    held = names.pop("holds", [])
    if names:
        unknown = "; ".join(f"{verdict}: {', '.join(them)}" for verdict, them in names.items())
        return GateAnswer(model, "could not decide", unknown)
    return GateAnswer(model, "promote", f"all {len(held)} requirements hold")
