"""Narrow against broad: does what narrow training taught point where broad training does?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ethogram.report.charts import DOT, Scale, drawing, element, mark, signed
from ethogram.report.measures import Data, Measure
from ethogram.report.view import ModelView, finite
from ethogram.report.words import NOT_MEASURED
from ethogram.specs.errors import count

SIDE, LEFT, TOP, EDGE = 250, 30, 8, 8
BOTTOM = SIDE - 30
AROUND = ((7, -6), (7, 12), (-7, -6), (-7, 12), (0, -9), (0, 15), (11, 3), (-11, 3))
"""Where a point's number may stand, best first, from the point's centre."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The narrow and the broad model of one constitution, source and seed."""

    narrow: ModelView
    broad: ModelView

    @property
    def title(self) -> str:
        seed = self.narrow.rest.removeprefix("narrow").strip("-")
        return f"{self.narrow.stance} {seed}".strip()

    @property
    def measures(self) -> list[Measure]:
        """Slope and cosine, where the report has them; the broad model's row can have none."""
        return [
            m
            for m in self.narrow.measures
            if m.key.startswith("transfer ") and (m.interval or m.reason)
        ]


def pairs(models: Iterable[ModelView]) -> list[Pair]:
    """Every narrow model with its broad twin."""
    by_scope: dict[object, dict[tuple[object, ...], ModelView]] = {"narrow": {}, "broad": {}}
    for model in models:
        key = (model.row.get("source"), model.constitution, model.row.get("seed"), model.kind)
        if model.constitution and model.kind == "finetuned":
            by_scope.setdefault(model.row.get("scope"), {}).setdefault(key, model)
    broad = by_scope["broad"]
    return [Pair(narrow, broad[key]) for key, narrow in by_scope["narrow"].items() if key in broad]


def scatter(
    pair: Pair,
    names: Sequence[str],
    effects: Mapping[str, Mapping[str, Data]],
    index: Mapping[str, int],
) -> Markup:
    """A point a dimension: across, the broad model's effect; up, the narrow one's.

    `effects` holds the cases of each model by dimension; the numbers are those of `names`.
    """
    across, up = Scale(LEFT, SIDE - EDGE), Scale(BOTTOM, TOP)
    parts = [_frame(across, up), *_names(across, up)]
    lines, points = [], []
    numbers: dict[tuple[float, float], list[int]] = {}
    for number, name in enumerate(names, start=1):
        narrow = effects.get(pair.narrow.id, {}).get(name)
        broad = effects.get(pair.broad.id, {}).get(name)
        if narrow is None or broad is None:
            continue
        there, here = narrow.get("measured") or {}, broad.get("measured") or {}
        x, y = finite(here.get("value")), finite(there.get("value"))
        if x is None or y is None:
            continue
        lines += _limits(here, there, across, up)
        words = f"{number} {name}: broad {signed(x)}, narrow {signed(y)}"
        at = (across.at(x), up.at(y))
        points.append(
            element(
                "g",
                element("title", words),
                mark("plain", *at),
                class_="hit",
                data_case=index[narrow["case"]],
            )
        )
        numbers.setdefault((round(at[0]), round(at[1])), []).append(number)
    placed = _placed(numbers) if points else [_nothing(across, up)]
    label = f"{pair.title}: effect of the narrow model against the broad one, {count(len(points), 'dimension')}"
    return drawing(SIDE, SIDE, label, [*parts, *lines, *points, *placed])


def _frame(across: Scale, up: Scale) -> Markup:
    ends = {"x1": across.start, "y1": up.start, "x2": across.end, "y2": up.end}
    return Markup("").join(
        (
            element("line", class_="diagonal", **ends),
            *(
                element("line", class_=kind, x1=across.at(v), x2=across.at(v), y1=TOP, y2=BOTTOM)
                for v, kind in ((-1, "edge"), (0, "zero"), (1, "edge"))
            ),
            *(
                element(
                    "line", class_=kind, x1=across.start, x2=across.end, y1=up.at(v), y2=up.at(v)
                )
                for v, kind in ((-1, "edge"), (0, "zero"), (1, "edge"))
            ),
        )
    )


def _names(across: Scale, up: Scale) -> list[Markup]:
    parts = []
    for value in (-1, 0, 1):
        name = "0" if not value else f"{value:+d}".replace("-", "\u2212")
        below = {"x": across.at(value), "y": BOTTOM + 12, "text_anchor": "middle"}
        beside = {"x": LEFT - 5, "y": up.at(value) + 3.5, "text_anchor": "end"}
        parts += [element("text", name, class_="tick", **at) for at in (below, beside)]
    middle = (TOP + BOTTOM) / 2
    return [
        *parts,
        element(
            "text",
            "effect, broad \u2192",
            class_="head",
            x=across.zero,
            y=SIDE - 5,
            text_anchor="middle",
        ),
        element(
            "text",
            "effect, narrow \u2192",
            class_="head",
            x=11,
            y=middle,
            text_anchor="middle",
            transform=f"rotate(-90 11 {middle:g})",
        ),
    ]


def _limits(here: Data, there: Data, across: Scale, up: Scale) -> list[Markup]:
    x, y = across.at(here["value"]), up.at(there["value"])
    ends = [finite(part.get(key)) for part in (here, there) for key in ("low", "high")]
    left, right, below, above = ends
    found = []
    if left is not None and right is not None:
        found.append(
            element("line", class_="cross", x1=across.at(left), x2=across.at(right), y1=y, y2=y)
        )
    if below is not None and above is not None:
        found.append(element("line", class_="cross", x1=x, x2=x, y1=up.at(below), y2=up.at(above)))
    return found


def _nothing(across: Scale, up: Scale) -> Markup:
    at = {"x": across.zero, "y": up.zero - 8, "text_anchor": "middle"}
    return element("text", NOT_MEASURED, class_="absent", **at)


def _placed(numbers: Mapping[tuple[float, float], Sequence[int]]) -> list[Markup]:
    """Every point's numbers where they hide no point and no other number, if there is room."""
    found, used = [], list(numbers)
    for (x, y), here in numbers.items():
        text = ",".join(map(str, here))
        wider = 2.4 * (len(text) - 1)
        spots = [
            (x + dx + (wider if dx > 0 else -wider if dx < 0 else 0), y + dy - 3)
            for dx, dy in AROUND
        ]
        best = max(spots, key=lambda spot: min(_room(spot, other) for other in used))
        used.append(best)
        middle = {"x": best[0], "y": best[1] + 3, "text_anchor": "middle"}
        found.append(element("text", text, class_="number", **middle))
    return found


def _room(spot: tuple[float, float], other: tuple[float, float]) -> float:
    """Distance as far as it matters: beyond two marks all places are equally good."""
    return min(abs(spot[0] - other[0]) + abs(spot[1] - other[1]), 4 * DOT)
