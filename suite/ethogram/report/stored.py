"""report.json and baseline.json read back, as far as decisions and comparisons need them."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ethogram.analyse.intervals import Interval
from ethogram.report.document import REPORT, SCHEMA_VERSION
from ethogram.specs.errors import shown
from ethogram.specs.layout import MODELS


class ReportError(Exception):
    """A report or baseline that cannot be read; the message names the file and what to do."""


@dataclass(frozen=True, slots=True)
class StoredCase:
    """One case of a stored run. `shifts`: by item, empty where the report holds none."""

    case: str
    kind: str
    subject: str
    probe: str
    model: str
    expected: str
    verdict: str
    measured: Interval
    unit: str = ""
    shifts: Mapping[str, float] = field(default_factory=dict)
    stems: Mapping[str, str] = field(default_factory=dict)
    """The cluster by item; empty where no two share one, and in a baseline."""

    @property
    def alike(self) -> tuple[str, str, str]:
        """What it measures, whatever the model."""
        return self.kind, self.subject, self.probe


@dataclass(frozen=True, slots=True)
class StoredReport:
    """One stored run (or baseline)."""

    name: str
    started: str
    cases: Mapping[str, StoredCase]
    errors: tuple[str, ...] = ()
    digests: Mapping[str, str | None] = field(default_factory=dict)
    """By model."""
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 by path below the suite's root."""
    models_file: str = MODELS
    """Which of `files` named the models."""
    written_by: str = ""
    """The version of Ethogram; empty where the report does not say."""

    @property
    def models(self) -> list[str]:
        """Every model that has a case, or an error in the place of one."""
        named = {case.model for case in self.cases.values()}
        return sorted(named | {case.rpartition("::")[2] for case in self.errors})


def read_report(path: Path) -> StoredReport:
    """Read a report.json, or that of a folder. Raises ReportError."""
    data = read_data(path)
    try:
        return stored_of(data, shown(path))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ReportError(f"{shown(path)}: not a whole report ({error!r})") from None


def report_file(path: Path) -> Path:
    """The report that is meant by a file, or by the folder that holds it."""
    return path / REPORT if path.is_dir() else path


def read_data(path: Path) -> dict[str, Any]:
    """The content of a report.json, or of that of a folder. Raises ReportError."""
    file = report_file(path)
    found = read_json(file, "run pytest on the suite first, or name another report")
    if not isinstance(found, dict) or not isinstance(found.get("cases"), list):
        raise ReportError(f"{shown(file)}: no report of Ethogram: it has no list 'cases'")
    version = found.get("schema_version")
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise ReportError(
            f"{shown(file)}: schema_version {version!r}; this version reads up to "
            f"{SCHEMA_VERSION}: read it with the version of Ethogram that wrote it"
        )
    return found


def read_json(file: Path, advice: str) -> Any:
    """The content of a JSON file. Raises ReportError, with the advice where there is no file."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ReportError(f"{shown(file)} does not exist; {advice}") from None
    except (ValueError, RecursionError) as error:
        raise ReportError(f"{shown(file)}: not JSON: {error}") from None
    except OSError as error:
        raise ReportError(f"{shown(file)}: {error.strerror or error}") from None


def stored_of(data: Mapping[str, Any], name: str) -> StoredReport:
    """The view of a report's plain data. Raises ReportError where something stands in it twice."""
    cases = [_case(case) for case in data["cases"]]
    _once("case", [case.case for case in cases], name)
    _once("model", [row["model"] for row in data["models"]], name)
    return StoredReport(
        name=name,
        started=str(data["started"]),
        cases={case.case: case for case in cases},
        errors=tuple(_text(error) for error in data["errors"]),
        digests={row["model"]: row["digest"] for row in data["models"]},
        files=dict(data["files"]),
        models_file=str(data.get("models_file", MODELS)),
        written_by=str((data.get("versions") or {}).get("ethogram", "")),
    )


def _once(what: str, ids: Sequence[str], name: str) -> None:
    """Raise ReportError for an id that stands twice: nobody knows which of the two was measured."""
    twice = sorted(found for found, times in Counter(ids).items() if times > 1)
    if twice:
        raise ReportError(f"{name}: the {what} {twice[0]!r} stands in it twice")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"the error {value!r} is no case's id")
    return value


def interval(data: Mapping[str, Any]) -> Interval:
    """An interval as written: null is a number that is not defined."""
    numbers = [math.nan if data[n] is None else float(data[n]) for n in ("value", "low", "high")]
    return Interval(numbers[0], numbers[1], numbers[2], int(data["n"]))


def _case(data: Mapping[str, Any]) -> StoredCase:
    moved = data.get("moved") or {"ids": [], "shifts": []}
    stems = moved.get("stems")  # reports from before stems were written lack them
    return StoredCase(
        **{
            name: str(data[name])
            for name in ("case", "kind", "subject", "probe", "model", "expected", "verdict", "unit")
        },
        measured=interval(data["measured"]),
        shifts=dict(zip(moved["ids"], moved["shifts"], strict=True)),
        stems=dict(zip(moved["ids"], stems, strict=True)) if stems else {},
    )
