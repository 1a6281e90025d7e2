"""The cases as the page's script reads them: JSON inside HTML, every text held once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from ethogram.report.items import items_of
from ethogram.report.measures import Data
from ethogram.report.view import View

BRIEF = 400
"""Characters of a value that is shown as it stands."""
PLAIN = [
    "case",
    "kind",
    "subject",
    "probe",
    "model",
    "file",
    "line",
    "expected",
    "because_at",
    "measured",
    "unit",
    "reference",
    "verdict",
    "target",
    "gap",
    "p",
    "p_holm",
    "needs",
    "against",
]


def payload(view: View) -> Markup:
    """`{texts, cases}`: a case's `because` and its items' texts are places in `texts`."""
    texts: dict[str, int] = {}

    def place(text: object) -> int:
        return texts.setdefault(str(text), len(texts))

    cases = [_case(case, items_of(case, view.texts), place) for case in view.cases]
    for case in cases:
        shared = view.texts.get(case["subject"], {}).get("", {}).get("text")
        if shared:
            case["shared"] = place(shared)
    return htmlsafe_json_dumps({"texts": list(texts), "cases": cases}, separators=(",", ":"))


def _case(case: Data, items: Sequence[Data], place: Callable[[object], int]) -> dict[str, Any]:
    found = {key: _rounded(case[key]) for key in PLAIN if case.get(key) not in (None, [], (), "")}
    if case.get("because"):
        found["because"] = place(case["because"])
    found["whole"] = bool(case.get("moved"))
    found["items"] = [
        [item["id"], item.get("line"), _rounded(item.get("shift")), place(item.get("text") or "")]
        for item in items
    ]
    if case.get("facts"):
        found["facts"] = _rounded(case["facts"])
    shown = {*PLAIN, "because", "moved", "extremes", "facts"}
    rest = {key: _rounded(part) for key, part in case.items() if key not in shown}
    # What is new here is shown by its name; bulk that no reader would read as it is stays out.
    if more := {key: part for key, part in rest.items() if len(json.dumps(part)) <= BRIEF}:
        found["more"] = more
    return found


def _rounded(value: Any) -> Any:
    """Five digits are more than a reader sees, and half of the size."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(part) for part in value]
    return value
