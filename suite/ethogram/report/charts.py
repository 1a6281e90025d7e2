"""Parts that every chart is drawn of: elements, a scale, an axis, the mark of a verdict.

Colours come from the page's style sheet by class, so that one drawing serves light, dark and paper;
every verdict has a shape of its own beside its colour.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from ethogram.report.view import finite
from ethogram.report.words import NOT_MEASURED, limit

DOT = 4.2
"""Half the width of a mark, in the drawing's units."""


def element(name: str, /, *inside: object, **attributes: object) -> Markup:
    """`<name ...>inside</name>`, everything escaped that is not markup already.

    `class_` gives `class`, an underscore gives a hyphen, None leaves the attribute out.
    """
    named = " ".join(
        f'{key.rstrip("_").replace("_", "-")}="{escape(_text(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    start = f"<{name} {named}" if named else f"<{name}"
    content = Markup("").join(part if isinstance(part, Markup) else escape(part) for part in inside)
    return Markup(f"{start}>{content}</{name}>" if inside else f"{start}/>")


def _text(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def drawing(width: float, height: float, label: str, parts: Iterable[Markup]) -> Markup:
    """One picture that scales to its place; `label` says in words what it shows."""
    return element(
        "svg",
        element("title", label),
        *parts,
        viewBox=f"0 0 {_text(float(width))} {_text(float(height))}",
        role="img",
        aria_label=label,
    )


@dataclass(frozen=True, slots=True)
class Scale:
    """From [-limit, limit] to the drawing's units between `start` and `end`."""

    start: float
    end: float
    limit: float = 1.0

    def at(self, value: float) -> float:
        held = max(-self.limit, min(self.limit, value))
        return self.start + (held + self.limit) / (2 * self.limit) * (self.end - self.start)

    @property
    def zero(self) -> float:
        return (self.start + self.end) / 2

    @property
    def ticks(self) -> tuple[float, float, float]:
        return (-self.limit, 0.0, self.limit)


def limit_for(intervals: Iterable[Mapping[str, Any] | None]) -> float:
    """A round number that all limits lie within; at least a half."""
    found = [
        finite(part.get(key)) for part in intervals if part for key in ("value", "low", "high")
    ]
    widest = max((abs(value) for value in found if value is not None), default=0.0)
    steps = (0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0)
    return next((step for step in steps if widest <= step), widest)


def signed(value: object, digits: int = 2) -> str:
    """`+0.41` with a true minus sign; a dash where there is no number."""
    found = finite(value)
    return (
        "\u2013"
        if found is None
        else f"{round(found, digits) + 0.0:+.{digits}f}".replace("-", "\u2212")
    )


def limits(interval: Mapping[str, Any] | None) -> str:
    """`[+0.30, +0.52]`; `no CI` where the data define none; nothing where nothing was measured."""
    if not interval:
        return ""
    low, high = finite(interval.get("low")), finite(interval.get("high"))
    return "no CI" if low is None or high is None else f"[{_limit(low)}, {_limit(high)}]"


def _limit(value: float) -> str:
    """A limit keeps the side of zero on which it lies."""
    return limit(value).replace("-", "\u2212")


def told(interval: Mapping[str, Any] | None) -> str:
    """The interval in words, for titles and labels."""
    if not interval:
        return NOT_MEASURED
    n = interval.get("n")
    return f"{signed(interval.get('value'))} {limits(interval)}" + (f", n = {n}" if n else "")


def axis(scale: Scale, top: float, bottom: float) -> list[Markup]:
    """Zero as a line, the ends as thin ones, all three named above."""
    parts = []
    for tick in scale.ticks:
        x = scale.at(tick)
        line = element("line", class_="zero" if not tick else "edge", x1=x, x2=x, y1=top, y2=bottom)
        name = "0" if not tick else f"{tick:+g}".replace("-", "\u2212")
        parts += [line, element("text", name, class_="tick", x=x, y=top - 4, text_anchor="middle")]
    return parts


def estimate(
    interval: Mapping[str, Any] | None,
    verdict: str,
    scale: Scale,
    y: float,
    *,
    hollow: bool = False,
) -> list[Markup]:
    """A dot with its interval; the words "not measured" where there is none."""
    value = finite(interval.get("value")) if interval else None
    if interval is None or value is None:
        centre = {"x": scale.zero, "y": y + 3.5, "text_anchor": "middle"}
        return [element("text", NOT_MEASURED, class_="absent", **centre)]
    low, high = finite(interval.get("low")), finite(interval.get("high"))
    parts = []
    if low is not None and high is not None:
        shown = _class("ci", verdict)
        parts.append(element("line", class_=shown, x1=scale.at(low), x2=scale.at(high), y1=y, y2=y))
    return [*parts, mark(verdict, scale.at(value), y, hollow=hollow)]


def mark(verdict: str, x: float, y: float, *, hollow: bool = False) -> Markup:
    """Disc: holds. Diamond: contradicts. Ring: undecided. Square: nothing was expected.

    A small disc is a number that bears no verdict.
    """
    kind = _class("mark", verdict) + (" hollow" if hollow else "")
    if verdict == "contradicts":
        corners = ((x, y - DOT - 1), (x + DOT + 1, y), (x, y + DOT + 1), (x - DOT - 1, y))
        points = " ".join(f"{_text(a)},{_text(b)}" for a, b in corners)
        return element("polygon", class_=kind, points=points)
    if verdict != "unjudged":
        size = DOT if verdict in ("holds", "undecided") else DOT - 1.4
        return element("circle", class_=kind, cx=x, cy=y, r=size)
    side = 2 * DOT - 1.4
    return element("rect", class_=kind, x=x - side / 2, y=y - side / 2, width=side, height=side)


def _class(part: str, verdict: str) -> str:
    return f"{part} v-{verdict.replace(' ', '-')}"


def spark(interval: Mapping[str, Any] | None, limit: float) -> Markup:
    """A very small dot and interval, for a cell of a table; the number stands beside it."""
    if not interval or finite(interval.get("value")) is None:
        return Markup("")
    scale = Scale(4, 68, limit)
    parts = [
        element("line", class_="edge", x1=4, x2=68, y1=6, y2=6),
        element("line", class_="zero", x1=scale.zero, x2=scale.zero, y1=1, y2=11),
        *estimate(interval, "plain", scale, 6),
    ]
    return element(
        "svg", *parts, viewBox="0 0 72 12", class_="spark", aria_hidden="true", focusable="false"
    )


def shares(counts: Mapping[str, int]) -> Markup:
    """One bar of all cases, a part for each verdict, as wide as its share."""
    total = sum(counts.values())
    if not total:
        return Markup("")
    parts, at = [], 0.0
    for verdict, count in counts.items():
        width = 1000 * count / total
        if count:
            kind = _class("share", verdict)
            parts.append(
                element("rect", class_=kind, x=at, y=0, width=max(width - 2, 1.0), height=12)
            )
        at += width
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    return element(
        "svg",
        *parts,
        viewBox="0 0 1000 12",
        preserveAspectRatio="none",
        class_="shares",
        role="img",
        aria_label=said,
    )
