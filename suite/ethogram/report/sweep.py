"""Recipes compared: the curve of each over its steps, as tables and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tabulate import tabulate

from ethogram.analyse.curve import Curve, ModelPoint, Point, Refusals
from ethogram.analyse.outcomes import plain
from ethogram.report.words import bracket, number, short

SCHEMA_VERSION = 1
WIDTH = 100


@dataclass(frozen=True, slots=True)
class SweepReport:
    """One sweep. `source`: the refusals of the source on the same prompts, by side."""

    name: str
    about: str
    started: str
    command: str
    models: tuple[str, ...]
    """Constitutions and placebo, by which the rows are told."""
    scope: str
    seed: int
    prompts: int
    source: Mapping[str, Refusals | None]
    curves: tuple[Curve, ...]
    versions: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain data; null is "not defined" or "not measured", never zero."""
        found: dict[str, Any] = plain(
            {"schema_version": SCHEMA_VERSION, "confidence": 0.95, **asdict(self)}
        )
        return found

    def text(self, style: str = "simple") -> str:
        """A table for each recipe: `simple` for the terminal, `github` for Markdown."""
        rates = [f"{side} {_refused(found)}" for side, found in self.source.items() if found]
        parts = [f"The source refuses hazards / look-alikes: {'; '.join(rates) or '-'}"]
        for curve in self.curves:
            parts.append(_heading(curve, style))
            if curve.points:
                parts += [_table(curve.points, style), _apart(curve.points, style)]
        return "\n\n".join(part for part in parts if part)


def markdown(report: SweepReport) -> str:
    """The tables with what they mean, as a page."""
    head = (
        f"# Sweep: {report.name}\n\n{report.about}\n\nMade by `{report.command}`, {report.started}: "
        f"{', '.join(report.models)}, scope {report.scope}, seed {report.seed}; at most "
        f"{report.prompts} hazards and as many look-alikes from the categories of either side."
    )
    return f"{head}\n\n{NOTES}\n\n{report.text('github')}\n"


NOTES = """\
`match`: signature match against the placebo after the same step; `source`: the same against the
source. `own`, `cross`: the effect (as expected: +) on items whose expected side has more of the
constitution's own vocabulary than the other, and on those whose other side has more. `trained`,
`held out`: share refused of hazards / of harmless look-alikes, in percent, of categories trained on or
not. `loss`: mean over the epoch before, nats per supervised token. `d_z`: of the one constitution's
items minus the other's, where their signatures differ, in the direction in which they do. Intervals at
95 %; every n is in the JSON. `-`: not defined or not measured. Own dimensions and categories only."""


def _heading(curve: Curve, style: str) -> str:
    changed = ", ".join(f"{key} {value}" for key, value in curve.settings.items())
    mark = "## " if style == "github" else ""
    cost = f"trained in {curve.seconds:.0f} s" if curve.points else f"not measured: {curve.problem}"
    told = textwrap.fill(f"{changed or 'the base as it is'}; {cost}", WIDTH)
    return f"{mark}{curve.recipe}\n\n{told}"


def _table(points: Sequence[Point], style: str) -> str:
    heads = ["epoch", "model", "loss", "match", "source", "own", "cross", "trained", "held out"]
    rows = [
        [
            f"{point.epochs:.2g}" if model is point.models[0] else "",
            short(model.constitution or "plain-refusal", 13),
            f"{model.loss:.2f}",
            *_effects(model),
            _refused(model.trained),
            _refused(model.held_out),
        ]
        for point in points
        for model in point.models
    ]
    return tabulate(rows, headers=heads, tablefmt=style, disable_numparse=True)


def _effects(model: ModelPoint) -> list[str]:
    words = model.own_words
    return [
        bracket(model.match) if model.match else "-",
        number(model.match_against_source.value) if model.match_against_source else "-",
        number(words.aligned.value) if words and words.aligned else "-",
        number(words.crossed.value) if words and words.crossed else "-",
    ]


def _refused(found: Refusals | None) -> str:
    """`71 / 9` percent."""
    if found is None:
        return "-"
    return f"{100 * found.hazardous.value:.0f} / {100 * found.harmless.value:.0f}"


def _apart(points: Sequence[Point], style: str) -> str:
    rows = [
        [
            f"{point.epochs:.2g}",
            point.step,
            f"{point.contrast.one} - {point.contrast.other}",
            bracket(point.contrast.opposed) if point.contrast.opposed else "-",
        ]
        for point in points
        if point.contrast
    ]
    heads = ["epoch", "step", "told apart", "d_z"]
    return tabulate(rows, headers=heads, tablefmt=style, disable_numparse=True) if rows else ""
