"""The items of a case: how far each moved and, where the report tells it, what it says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

Texts = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""By subject and item: `text`, and `line` where it is known. '' is what all items share."""


def texts_of(data: Mapping[str, Any]) -> Texts:
    """What the report knows of its items: `texts`, and the items that its cases quote."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for subject, items in (data.get("texts") or {}).items():
        for name, text in items.items():
            _keep(found.setdefault(str(subject), {}), {"id": name, "text": text})
    for case in data.get("cases") or ():
        for item in case.get("extremes") or ():
            _keep(found.setdefault(str(case.get("subject")), {}), item)
    return found


def _keep(found: dict[str, dict[str, Any]], item: Mapping[str, Any]) -> None:
    name, text = str(item["id"]), str(item.get("text") or "")
    known = found.get(name, {})
    entry = {"text": known.get("text") or text, "line": item.get("line") or known.get("line")}
    found[name] = entry
    # Prompts have a place in their list for a reader, and a digest where shifts are paired.
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]
    found[f"{name.partition('-')[0]}:{digest}"] = {**entry, "id": name}


def items_of(case: Mapping[str, Any], texts: Texts) -> list[dict[str, Any]]:
    """Every item where the report holds all shifts, else those most against the expectation."""
    moved = case.get("moved")
    if not moved:
        return [dict(item) for item in case.get("extremes") or ()]
    known = texts.get(str(case.get("subject")), {})
    pairs: Iterable[tuple[str, Any]] = zip(moved["ids"], moved["shifts"], strict=False)
    return [{"id": name, "shift": shift, **known.get(name, {})} for name, shift in pairs]
