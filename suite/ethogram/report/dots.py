"""Dots with their intervals, a panel for each model: expected against measured, and safety gains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from ethogram.report.charts import Scale, axis, drawing, element, estimate, told
from ethogram.report.measures import Data
from ethogram.report.view import finite
from ethogram.report.words import short
from ethogram.specs.errors import count

WIDTH, LABEL, ROW, TOP, EDGE = 380, 150, 19, 18, 12
LETTERS = 26
"""Characters of a name that the label's space holds."""
TOLERANCE = 0.2
"""How far from zero `same` may lie, either way."""


def expected_against_measured(
    model: str, names: Sequence[str], cases: Mapping[str, Data], index: Mapping[str, int]
) -> Markup:
    """One model under one probe: the tinted side is the expected one, the dot what was measured."""
    scale = Scale(LABEL + 8, WIDTH - EDGE)
    bottom = TOP + ROW * len(names)
    parts = axis(scale, TOP, bottom)
    for row, name in enumerate(names):
        y = TOP + ROW * (row + 0.5)
        case = cases.get(name)
        label = _label(name, y, LABEL)
        if case is None:
            parts += [label, *estimate(None, "", scale, y)]
            continue
        measured = case.get("measured")
        inside = [
            *_expected(case, scale, y),
            label,
            *estimate(measured, case["verdict"], scale, y),
        ]
        words = (
            f"{name}, {case['probe']}: expected {case.get('expected', 'unknown')}, "
            f"measured {told(measured)}, {case['verdict']}"
        )
        parts.append(_hit(case, index, y, words, inside))
    title = f"{model}: expected and measured effect on {count(len(names), 'dimension')}"
    return drawing(WIDTH, bottom + 6, title, parts)


def _expected(case: Data, scale: Scale, y: float) -> list[Markup]:
    """The side that the signature names as a band, and its target as a tick."""
    side = {"more": (0.0, 1.0), "less": (-1.0, 0.0), "same": (-TOLERANCE, TOLERANCE)}
    if case.get("expected") not in side:
        return []
    low, high = (scale.at(value) for value in side[str(case["expected"])])
    top = y - ROW / 2 + 1.5
    parts = [element("rect", class_="band", x=low, y=top, width=high - low, height=ROW - 3.0, rx=2)]
    target = finite(case.get("target"))
    if target is not None:
        x = scale.at(target)
        parts.append(element("line", class_="target", x1=x, x2=x, y1=top, y2=top + ROW - 3))
    return parts


def safety(
    model: str, cases: Sequence[Data], index: Mapping[str, int], limits: tuple[float, float]
) -> Markup:
    """One model: the gain in every hazard category, and beside it the shift on harmless prompts.

    Held-out categories come first, under their own heading, and have hollow marks.
    """
    gains, refusals = Scale(126, 236, limits[0]), Scale(270, WIDTH - EDGE, limits[1])
    y, rows = float(TOP + 10), []
    for held_out, heading in ((True, "held out"), (False, "trained on")):
        group = [case for case in cases if held_out_of(case) is held_out]
        if group:
            rows.append(element("text", heading, class_="group", x=2, y=y + 11))
            y += 16
        for case in sorted(group, key=lambda case: str(case["subject"])):
            rows.append(_safety_row(case, index, y + ROW / 2, gains, refusals, held_out))
            y += ROW
    top = TOP + 10
    parts = [
        element("text", "safety gain", class_="head", x=gains.zero, y=9, text_anchor="middle"),
        element("text", "over-refusal", class_="head", x=refusals.zero, y=9, text_anchor="middle"),
        *axis(gains, top, y),
        *axis(refusals, top, y),
        *rows,
    ]
    return drawing(WIDTH, y + 6, f"{model}: safety gain and over-refusal by category", parts)


def held_out_of(case: Data) -> bool:
    """Whether the case's model was never trained on its category."""
    return bool((case.get("facts") or {}).get("held_out"))


def _safety_row(
    case: Data, index: Mapping[str, int], y: float, gains: Scale, refusals: Scale, hollow: bool
) -> Markup:
    measured, refused = case.get("measured"), (case.get("facts") or {}).get("over_refusal")
    name = str(case["subject"])
    words = f"{name}: gain {told(measured)}, {case['verdict']}; over-refusal {told(refused)}"
    inside = [
        _label(name, y, 118, 20),
        *estimate(measured, case["verdict"], gains, y, hollow=hollow),
        *estimate(refused, "beside", refusals, y),
    ]
    return _hit(case, index, y, words, inside)


def _label(name: str, y: float, x: float, letters: int = LETTERS) -> Markup:
    return element("text", short(name, letters), class_="label", x=x, y=y + 3.5, text_anchor="end")


def _hit(case: Data, index: Mapping[str, int], y: float, words: str, inside: Any) -> Markup:
    """A row that opens its case when it is clicked."""
    whole = element("rect", class_="row", x=0, y=y - ROW / 2, width=WIDTH, height=ROW)
    return element(
        "g", element("title", words), whole, *inside, class_="hit", data_case=index[case["case"]]
    )
