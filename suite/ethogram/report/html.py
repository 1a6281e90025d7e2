"""index.html: one file that shows a whole report, needs no network and runs no foreign script.

Its policy names the digests of its own style and script and allows nothing else, so that text which
slipped through the escaping would still not run.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from ethogram.report import charts
from ethogram.report.dots import expected_against_measured, safety
from ethogram.report.gate import GateAnswer, answer_for
from ethogram.report.measures import FURTHER, HEADLINES, Data, Measure, group_of
from ethogram.report.payload import payload
from ethogram.report.scatter import pairs, scatter
from ethogram.report.view import GATE, MARK, ModelView, View, finite, measure_rows, probes, subjects

NAME = "index.html"
GROUPS = (*HEADLINES, FURTHER)


def page(data: Mapping[str, Any]) -> str:
    """The whole page for the content of a report.json."""
    view = View.of(data)
    index = {case["case"]: at for at, case in enumerate(view.cases)}
    style, script = _asset("page.css"), _asset("page.js")
    text = template("page.html.jinja").render(
        view=view,
        data=view.data,
        index=index,
        gate=_gate(view),
        measures=_measures(view),
        personas=_personas(view, index),
        others=_others(view),
        safeties=_safeties(view, index),
        payload=payload(view),
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
    )
    return text.lstrip()


Rows = list[tuple[str, list[Measure], float]]
"""Measures (down) by model (across), each with the limit of its scale."""


def _measures(view: View) -> list[tuple[str, Rows]]:
    """The rows of every group of measures that has any."""
    rows = measure_rows(view.tested())
    scaled = [(n, cells, charts.limit_for(m.interval for m in cells)) for n, cells in rows]
    groups = ((title, [r for r in scaled if group_of(r[1][0].key) == title]) for title in GROUPS)
    return [(title, found) for title, found in groups if found]


def template(name: str) -> Template:
    """A template of this package; what is put into HTML is escaped, into Markdown it comes escaped."""
    return _templates().get_template(name)


@cache
def _templates() -> Environment:
    found = Environment(
        loader=PackageLoader("ethogram.report"),
        autoescape=lambda name: name is None or name.endswith(".html.jinja"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals |= {
        "mark": MARK,
        "families": families,
        "shares": charts.shares,
        "spark": charts.spark,
        "verdict_mark": charts.mark,
        "told": charts.told,
        "shade": shade,
    }
    found.filters |= {
        "signed": charts.signed,
        "limits": charts.limits,
        "slug": _slug,
        "value": _value,
    }
    return found


@cache
def _asset(name: str) -> str:
    source, _, _ = PackageLoader("ethogram.report").get_source(Environment(), name)
    return source


def _policy(style: str, script: str) -> str:
    def digest(text: str) -> str:
        found = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()
        return f"'sha256-{found}'"

    return (
        f"default-src 'none'; script-src {digest(script)}; style-src {digest(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _slug(text: object) -> str:
    return str(text).replace(" ", "-")


def _value(interval: Data | None) -> object:
    return interval.get("value") if interval else None


def families(models: Iterable[ModelView]) -> list[tuple[str, list[ModelView]]]:
    """Neighbours of one constitution under one heading."""
    return [(stance, list(group)) for stance, group in groupby(models, key=lambda m: m.stance)]


@dataclass(frozen=True, slots=True)
class Grid:
    """Cases by subject (down) and model (across), under one probe."""

    kind: str
    probe: str
    models: list[ModelView]
    rows: list[tuple[str, list[Data | None]]]

    @classmethod
    def of(cls, cases: Sequence[Data], probe: str, models: Sequence[ModelView]) -> Grid:
        # A case that was not measured under no known probe still has its place.
        held = {(c["subject"], c["model"]): c for c in cases if c["probe"] in (probe, "")}
        named = {model for _, model in held}
        across = [model for model in models if model.id in named]
        rows = [
            (subject, [held.get((subject, model.id)) for model in across])
            for subject in subjects(list(held.values()))
        ]
        return cls(str(cases[0]["kind"]), probe, across, rows)

    def by_model(self, model: ModelView) -> dict[str, Data]:
        at = self.models.index(model)
        found = ((subject, cells[at]) for subject, cells in self.rows)
        return {subject: case for subject, case in found if case is not None}


@dataclass(frozen=True, slots=True)
class Persona:
    """The persona under one probe: dots, gaps and transfer."""

    grid: Grid
    panels: list[tuple[ModelView, Markup]]
    transfers: list[tuple[Any, Markup]]


def _personas(view: View, index: Mapping[str, int]) -> list[Persona]:
    cases = view.of_kind("persona")
    found = []
    for probe in probes(cases):
        grid = Grid.of(cases, probe, view.judged())
        names = [subject for subject, _ in grid.rows]
        by_model = {model.id: grid.by_model(model) for model in grid.models}
        panels = [
            (model, expected_against_measured(model.id, names, by_model[model.id], index))
            for model in grid.models
        ]
        transfers = [(pair, scatter(pair, names, by_model, index)) for pair in pairs(grid.models)]
        found.append(Persona(grid, panels, transfers))
    return found


def _others(view: View) -> list[Grid]:
    """Scenarios, and any kind of case that this page knows nothing of."""
    kinds = dict.fromkeys(case["kind"] for case in view.cases)
    found = []
    for kind in sorted(set(kinds) - {"persona", "safety", GATE}):
        cases = view.of_kind(kind)
        found += [Grid.of(cases, probe, view.models) for probe in probes(cases) or [""]]
    return found


@dataclass(frozen=True, slots=True)
class Safety:
    """Safety gains under one probe."""

    probe: str
    unit: str
    panels: list[tuple[ModelView, Markup]]


def _safeties(view: View, index: Mapping[str, int]) -> list[Safety]:
    cases = view.of_kind("safety")
    found = []
    for probe in probes(cases):
        chosen = [case for case in cases if case["probe"] == probe]
        bounds = (
            charts.limit_for(case.get("measured") for case in chosen),
            charts.limit_for((case.get("facts") or {}).get("over_refusal") for case in chosen),
        )
        panels = [
            (model, safety(model.id, own, index, bounds))
            for model in view.models
            if (own := [case for case in chosen if case["model"] == model.id])
        ]
        units = [str(case["unit"]) for case in chosen if case.get("unit")]
        found.append(Safety(probe, units[0] if units else "", panels))
    return found


@dataclass(frozen=True, slots=True)
class Gate:
    """Requirements (down) by model (across), and the decision on each model."""

    grid: Grid
    answers: list[GateAnswer | None]


def _gate(view: View) -> Gate | None:
    cases = [{**case, "probe": ""} for case in view.of_kind(GATE)]
    if not cases:
        return None
    grid = Grid.of(cases, "", view.models)
    asked = [[c for c in cases if c["model"] == model.id] for model in grid.models]
    answers = [answer_for(model.id, own) for model, own in zip(grid.models, asked, strict=True)]
    return Gate(grid, answers)


def shade(case: Data) -> str:
    """How wide the gap is, in five steps; the number stands in the cell."""
    gap = finite(case.get("gap"))
    return "" if gap is None else f"g{min(4, int(abs(gap) * 2 + 0.5))}"
