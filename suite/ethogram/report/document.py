"""report.json: every effect, gap and verdict of a run with n, interval and digests."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ethogram.analyse.effects import SAME_FROM, holm, null_rate
from ethogram.analyse.outcomes import Outcome, plain
from ethogram.inert import everywhere, hiding
from ethogram.report.rows import JudgeRow, ModelRow
from ethogram.report.studies import Study
from ethogram.report.words import trusted
from ethogram.specs.errors import count
from ethogram.specs.layout import MODELS
from ethogram.store.whole import write_whole

SCHEMA_VERSION = 2
REPORT = "report.json"
LATEST = "latest"


def taught_by(row: ModelRow) -> str | None:
    """Who taught the model, and what the filters kept of it; None for recorded text."""
    taught = row.training.get("teaching")
    if not taught:
        return None
    drops = ", ".join(f"{count} {name}" for name, count in taught["dropped"].items() if count)
    return (
        f"{row.model} was taught by {taught['teacher']}: {taught['kept']} of {taught['made']} "
        f"transcripts kept{f'; dropped: {drops}' if drops else ''}"
    )


@dataclass(frozen=True, slots=True)
class Report:
    """One run. `problems` names what could not be measured and why."""

    started: str
    seconds: float
    command: str
    outcomes: tuple[Outcome, ...]
    models: tuple[ModelRow, ...]
    judges: tuple[JudgeRow, ...] = ()
    problems: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    """Ids of the cases that ended in an error: not measured, and not failed."""
    versions: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of every file of the suite and its constitutions, by path below the root."""
    models_file: str = MODELS
    """Which of `files` names the models."""
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What the items say, by subject and item; the item '' is what all of a subject share."""
    studies: tuple[Study, ...] = ()
    """What `ethogram controls` and its like found of the suite, and whether it still holds."""
    schema_version: int = SCHEMA_VERSION

    @property
    def counts(self) -> dict[str, int]:
        counted = dict.fromkeys(("holds", "contradicts", "undecided", "unjudged"), 0)
        for outcome in self.outcomes:
            counted[outcome.verdict] += 1
        return {**counted, "not measured": len(self.errors)}

    @property
    def notes(self) -> list[str]:
        """What a reader must know before reading the numbers as more than they are."""
        trained = [row for row in self.models if row.kind == "finetuned"]
        stances = {(row.source, row.constitution, row.scope) for row in trained}
        found = []
        if trained and len(stances) == len(trained):
            found.append("one seed: these numbers speak of these adapters, not of the recipe")
        found += seldom_same(self.outcomes)
        found += [note for row in self.models if (note := taught_by(row))]
        return [*found, *map(judged_by, self.judges), *(study.note for study in self.studies)]

    def as_json(self) -> dict[str, Any]:
        """Plain data as the schema describes it, cases in order of their ids."""
        outcomes = sorted(self.outcomes, key=lambda outcome: outcome.case)
        tested = {o.case: o.p for o in outcomes if o.p is not None}
        adjusted = holm(tested)
        cases = [{**o.as_json(), "p_holm": adjusted.get(o.case)} for o in outcomes]
        data = plain(
            {
                "schema_version": self.schema_version,
                "started": self.started,
                "seconds": self.seconds,
                "command": self.command,
                "confidence": 0.95,
                "counts": self.counts,
                "false_alarms": false_alarms(outcomes),
                "models": [asdict(row) for row in self.models],
                "judges": [asdict(row) for row in self.judges],
                "cases": cases,
                "errors": sorted(self.errors),
                "problems": list(self.problems),
                "versions": dict(self.versions),
                "files": dict(self.files),
                "models_file": self.models_file,
                "notes": list(self.notes),
                "studies": [asdict(study) for study in self.studies],
                "texts": {subject: dict(items) for subject, items in self.texts.items()},
            }
        )
        found: dict[str, Any] = everywhere(hiding(os.environ), data)
        return found


def judged_by(row: JudgeRow) -> str:
    """What a reader must know of a judge, in one line."""
    if row.whole is None:
        return f"answers are judged by {row.judge!r}, whose agreement is not known: {row.problem}"
    found = f"answers are judged by {row.judge!r}: {trusted(row.whole)} labelled answers"
    if row.models and row.written:
        found += f"; on those of models alone {trusted(row.models)}"
    if row.errors:
        found += f"; {row.errors} more without a readable judgement"
    return found if row.decides else f"{found}; {row.problem}: its cases are unjudged"


def seldom_same(outcomes: Sequence[Outcome]) -> list[str]:
    """What a reader must know of `same` where it can hardly hold, in one line; or nothing."""
    same = (o for o in outcomes if o.kind == "persona" and o.expected == "same")
    few = [o for o in same if o.measured.n < SAME_FROM]
    if not few:
        return []
    verb = "expects" if len(few) == 1 else "expect"
    return [
        f"{count(len(few), 'case')} {verb} `same` of fewer than {SAME_FROM} items: it cannot hold "
        "there, unless most of the items do not move at all"
    ]


def false_alarms(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """How many persona cases that expect `more` or `less` would leave zero by chance, each way.

    These are the cases with a sign test (`p`). The exact rate of each one's number of items, or of
    stems where items share one, as if none tied: ties make it smaller.
    """
    tested = [outcome for outcome in outcomes if outcome.p is not None]
    each_way = math.fsum(null_rate(_observations(outcome)) for outcome in tested)
    return {
        "tested": float(len(tested)),
        "expected_holds": each_way,
        "expected_contradicts": each_way,
    }


def _observations(outcome: Outcome) -> int:
    stems = outcome.moved.stems if outcome.moved else ()
    return len(set(stems)) or outcome.measured.n


Pages = Mapping[str, Callable[[Mapping[str, Any]], str]]
"""What else is made of a report's content, by the file's name."""


def write(report: Report, results: Path, name: str, pages: Pages | None = None) -> Path:
    """Write `results/<name>/report.json`, make `results/latest` read it, and return its path.

    Where another run has taken the name, `<name>-2` and so on: no report replaces another. The
    pages are made last: whatever goes wrong with one, the numbers are written.
    """
    results.mkdir(parents=True, exist_ok=True)
    folder = _new_folder(results, name)
    file = folder / REPORT
    data = report.as_json()
    write_whole(file, f"{dumped(data)}\n")
    try:
        for page, make in (pages or {}).items():
            write_whole(folder / page, make(data))
    finally:
        _point(results / LATEST, folder)
    return file


def dumped(value: Any, indent: str = "") -> str:
    """JSON in plain ASCII, indented; a list of numbers or texts stands on one line."""
    inner = f"{indent} "
    nested = isinstance(value, list) and any(isinstance(part, (dict, list)) for part in value)
    if isinstance(value, dict) and value:
        parts = [f"{json.dumps(key)}: {dumped(part, inner)}" for key, part in value.items()]
        return "{\n" + ",\n".join(f"{inner}{part}" for part in parts) + f"\n{indent}}}"
    if nested:
        parts = [dumped(part, inner) for part in value]
        return "[\n" + ",\n".join(f"{inner}{part}" for part in parts) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=True, allow_nan=False)


def write_study(data: Mapping[str, Any], page: str, file: Path) -> None:
    """Write what a study found, and its page beside it. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(data, indent=1, allow_nan=False) + "\n")
    write_whole(file.with_suffix(".md"), page)


def _new_folder(results: Path, name: str) -> Path:
    folder, count = results / name, 1
    while True:
        try:
            folder.mkdir()
        except FileExistsError:
            count += 1
            folder = results / f"{name}-{count}"
        else:
            return folder


def _point(latest: Path, folder: Path) -> None:
    """Make `latest` a link to the folder, or a copy where links are not to be had."""
    aside = latest.with_name(f".{LATEST}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        aside.unlink()
    try:
        aside.symlink_to(folder.name, target_is_directory=True)
        if latest.is_dir() and not latest.is_symlink():
            shutil.rmtree(latest)
        aside.replace(latest)
    except OSError:
        shutil.rmtree(latest, ignore_errors=True)
        shutil.copytree(folder, latest)
