"""results/baseline.json: what was accepted, small enough to commit; changed by a command alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ethogram.report.document import dumped
from ethogram.report.stored import ReportError, StoredCase, StoredReport, interval, read_json
from ethogram.specs.errors import shown
from ethogram.store.whole import write_whole

BASELINE = "baseline.json"
BASELINE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Accepted:
    """What `accept` did: how many cases were new, changed or kept, and which stale ones it dropped."""

    added: int
    updated: int
    kept: int
    dropped: tuple[str, ...]


def accept(report: StoredReport, file: Path, existing: Iterable[str] | None = None) -> Accepted:
    """Write the run's cases into the baseline; cases that it lacks are kept, unless stale.

    `existing`: the ids of all cases that the suite has now; None keeps everything. Raises
    ReportError for a run without a single measured case, and for a baseline that cannot be read.
    """
    if not report.cases:
        raise ReportError(f"{report.name} holds no measured case: nothing to accept")
    old = read_baseline(file) if file.exists() else None
    before = dict(old.cases) if old else {}
    alive = set(before if existing is None else existing) | report.cases.keys()
    dropped = tuple(sorted(before.keys() - alive))
    merged = {name: case for name, case in before.items() if name in alive} | dict(report.cases)
    digests = {**(old.digests if old else {}), **report.digests}
    models = {case.model for case in merged.values()}
    data = {
        "baseline_version": BASELINE_VERSION,
        "accepted": report.started,
        "models": {name: digests.get(name) for name in sorted(models)},
        **_packed(merged),
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, f"{dumped(data)}\n")
    updated = len(report.cases.keys() & before.keys())
    kept = len(merged) - len(report.cases)
    return Accepted(len(report.cases) - updated, updated, kept, dropped)


def read_baseline(file: Path) -> StoredReport:
    """The accepted cases as a run to compare with. Raises ReportError."""
    data = read_json(file, "`ethogram baseline accept` writes it")
    if not isinstance(data, dict) or data.get("baseline_version") != BASELINE_VERSION:
        raise ReportError(f"{shown(file)}: no baseline of a version known here")
    try:
        cases = [
            StoredCase(
                **{name: str(row[name]) for name in _TEXTS},
                case=case,
                measured=interval(row["measured"]),
                shifts=dict(zip(data["items"].get(row["of"], ()), row["shifts"], strict=True)),
                stems={},  # the run that is compared with it knows them
            )
            for case, row in data["cases"].items()
        ]
        return StoredReport(
            shown(file), str(data["accepted"]), {c.case: c for c in cases}, (), data["models"]
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ReportError(f"{shown(file)}: not a whole baseline ({error!r})") from None


def stale_cases(baseline: StoredReport, existing: Iterable[str]) -> list[str]:
    """Accepted cases that the suite no longer has."""
    return sorted(baseline.cases.keys() - set(existing))


_TEXTS = ("kind", "subject", "probe", "model", "expected", "verdict")


def _packed(cases: Mapping[str, StoredCase]) -> dict[str, Any]:
    """Items once for all cases that share them; numbers to four digits."""
    items: dict[str, list[str]] = {}
    names: dict[tuple[str, ...], str] = {}
    rows = {}
    for name, case in sorted(cases.items()):
        ids = tuple(case.shifts)
        if ids and ids not in names:
            base = f"{case.kind}/{case.subject}"
            label = base
            while label in items:
                label += "'"
            names[ids], items[label] = label, list(ids)
        rows[name] = {
            **{text: getattr(case, text) for text in _TEXTS},
            "measured": {
                **{
                    limit: _rounded(getattr(case.measured, limit))
                    for limit in ("value", "low", "high")
                },
                "n": case.measured.n,
            },
            "of": names.get(ids, ""),
            "shifts": [_rounded(shift) for shift in case.shifts.values()],
        }
    return {"items": items, "cases": rows}


def _rounded(number: float) -> float | None:
    return round(number, 4) + 0.0 if math.isfinite(number) else None
