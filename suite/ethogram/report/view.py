"""A report.json as its readers ask for it: by model, by case, by what was expected.

Everything here takes plain data, so that a report of another day or version can be shown too: a key
that is absent is "not measured", and a measure that is new here is still shown by its own name.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ethogram.inert import everywhere, hiding, inert_lines
from ethogram.report.items import Texts, texts_of
from ethogram.report.measures import NOT_MEASURES, Data, Measure, measures_of, place
from ethogram.specs.scenarios import POOLED, subject_of

GATE = "projectability"
WORST_FIRST = ("contradicts", "undecided", "not measured", "holds", "unjudged")
MARK = {
    "holds": "\u2713",
    "contradicts": "\u2715",
    "undecided": "?",
    "unjudged": "\u00b7",
    "not measured": "\u2205",
}
"""A sign for every verdict, so that none is told by colour alone."""
_BLANK: Data = {
    "command": "unknown command",
    "started": "",
    "seconds": None,
    "confidence": 0.95,
    "schema_version": "unknown",
    "counts": {},
    "false_alarms": None,
    **dict.fromkeys(("models", "cases", "errors", "problems", "notes", "studies"), ()),
    "versions": {},
    "files": {},
}
"""What a report may lack; a key of its own replaces it."""


@dataclass(frozen=True)
class View:
    """One report, read. Its text is made harmless on the way in."""

    data: Data

    @classmethod
    def of(cls, data: Data) -> View:
        hide = hiding(os.environ)
        return cls({**_BLANK, **everywhere(lambda text: inert_lines(text, hide), data)})

    @cached_property
    def models(self) -> list[ModelView]:
        rows = [ModelView(row) for row in self.data["models"]]
        known = {row.id for row in rows}
        named = [case["model"] for case in self.measured] + [e["model"] for e in self.errors]
        lost = dict.fromkeys(name for name in named if name not in known)
        return [*rows, *(ModelView({"model": name}) for name in lost)]

    @cached_property
    def texts(self) -> Texts:
        return texts_of(self.data)

    @cached_property
    def measured(self) -> list[Data]:
        return [{**_unmeasured(case["case"]), **case} for case in self.data["cases"]]

    @cached_property
    def errors(self) -> list[Data]:
        """The cases that were not measured, as far as their ids tell of them."""
        return [_unmeasured(case) for case in self.data["errors"]]

    @cached_property
    def cases(self) -> list[Data]:
        """Every case, the worst first: by verdict, then the widest gap."""
        found = [*self.measured, *self.errors]
        return sorted(found, key=lambda case: (_rank(case), -abs(case.get("gap") or 0.0)))

    def of_kind(self, kind: str) -> list[Data]:
        return [case for case in self.cases if case["kind"] == kind]

    def judged(self) -> list[ModelView]:
        return [model for model in self.models if model.constitution]

    def tested(self) -> list[ModelView]:
        return [model for model in self.models if model.kind != "source"]

    @property
    def counts(self) -> dict[str, int]:
        found = self.data["counts"]
        return {verdict: int(found.get(verdict, 0)) for verdict in MARK}


@dataclass(frozen=True)
class ModelView:
    """One row of `models`, whatever it holds."""

    row: Data
    measures: list[Measure] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "row", {**dict.fromkeys(NOT_MEASURES), **self.row})
        object.__setattr__(self, "measures", list(measures_of(self.row)))

    @property
    def id(self) -> str:
        return str(self.row["model"])

    @property
    def kind(self) -> str:
        return str(self.row.get("kind") or "unknown")

    @property
    def constitution(self) -> str | None:
        found = self.row.get("constitution")
        return str(found) if found else None

    @property
    def stance(self) -> str:
        """What the columns of one family share: a constitution, a placebo, the source."""
        if self.constitution:
            return self.constitution
        if self.kind == "placebo":
            return self._without_source().removesuffix(f"-{self.row.get('scope')}")
        return self.kind

    @property
    def rest(self) -> str:
        """What tells the members of a family apart: scope and seed, or a candidate's own name."""
        if self.kind in ("source", "candidate", "unknown"):
            return self.id
        name = self._without_source().removeprefix(self.stance).strip("-")
        return name or self.id

    @property
    def short(self) -> str:
        return f"{self.stance} {self.rest}" if self.rest != self.id else self.id

    def _without_source(self) -> str:
        return self.id.removeprefix(f"{self.row.get('source')}-")


_ABOUT_PERSONA = (
    "match",
    "discriminant",
    "transfer",
    "choice",
    "belief",
    "pressure",
    "invariance",
)


_ABOUT_HELD_OUT = ("safety_held_out", "spread_rate held_out", "spread_margin held_out")


def measure_rows(models: Sequence[ModelView]) -> list[tuple[str, list[Measure]]]:
    """Every measure that some model has, by name, and what each of the models has of it."""
    names = {measure.key: measure.name for model in models for measure in model.measures}
    said = {m.key for model in models for m in model.measures if m.text}
    # A whole group that one model lacks is no measure of its own: its parts have rows already.
    keys = [k for k in names if k in said or not any(o.startswith(f"{k} ") for o in names)]
    order = sorted(keys, key=place)
    return [(names[key], [_of(model, key, names[key]) for model in models]) for key in order]


def _of(model: ModelView, key: str, name: str) -> Measure:
    """The model's measure, or why it can have none, or one without a number: not measured."""
    for measure in model.measures:
        if measure.key == key and (measure.interval or measure.text):
            return measure
    text = None
    if not model.constitution and key.startswith(_ABOUT_PERSONA):
        text = "no signature"
    elif key.startswith("transfer") and model.row["scope"] == "broad":
        text = "narrow models only"
    elif key == "match" and not model.row["placebo"]:
        text = "no placebo"
    elif key.startswith(_ABOUT_HELD_OUT) and model.row.get("safety_trained"):
        if model.row["scope"] not in (None, "narrow"):
            text = "none held out"
        elif (model.row.get(key.split()[0]) or {}).get("held_out_share"):
            text = "no trained gain"
    return Measure(name, key, text=text, reason=text is not None)


def subjects(cases: Sequence[Data]) -> list[str]:
    """What the cases are about, each once, in order."""
    return sorted({str(case["subject"]) for case in cases})


def probes(cases: Sequence[Data]) -> list[str]:
    """The probes of the cases, each once; endorsement, which signatures rest on, first."""
    return sorted(
        {str(case["probe"]) for case in cases if case["probe"]},
        key=lambda probe: (probe not in ("endorsement", "refusal-rate"), probe),
    )


def finite(value: object) -> float | None:
    """The number, or None for anything that is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def _rank(case: Data) -> int:
    verdict = case["verdict"]
    gate_first = 0 if case["kind"] == GATE else 1
    return 2 * WORST_FIRST.index(verdict) + gate_first if verdict in WORST_FIRST else 99


def _unmeasured(case: str) -> dict[str, Any]:
    """All that the id of a case tells of it, and every other key without a value."""
    file, _, rest = str(case).partition("::")
    group, _, model = rest.partition("::")
    folder, _, name = file.removesuffix(".yaml").rpartition("/")
    kinds = {"scenarios": "scenario", "perturbations": "perturbation"}
    kind = kinds.get(folder.rpartition("/")[2], folder.rpartition("/")[2])
    if name == GATE:
        kind = GATE
    about = group if kind in ("scenario", "perturbation", GATE) else name
    if kind == "scenario" and group == POOLED:
        about = subject_of(name)
    probe = name if kind == "perturbation" else "" if about == group else group
    return {
        "case": case,
        "kind": kind,
        "subject": about,
        "probe": probe,
        "model": model,
        "file": file,
        "verdict": "not measured",
        "expected": "",
        **dict.fromkeys(("measured", "gap", "target", "unit", "reference")),
        **dict.fromkeys(("facts", "against", "extremes"), ()),
    }
