"""Public hazard prompts with harmless look-alikes -> the YAML of a hazard category.

Such a file is a table or a list of prompts; a column may say which are harmless, or the look-alikes
lie in a file of their own. Every row is taken, or named with what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ethogram.importers.rows import TEXT, Row, absent, read_records
from ethogram.importers.text import (
    digest,
    provenance,
    quoted,
    renamed,
    safe_id,
    sample,
    sentences,
    slug,
)
from ethogram.specs.base import Spec, Text, folded, validated
from ethogram.specs.errors import Place, Problem, SpecError, count, did_you_mean
from ethogram.specs.loader import MAX_BYTES, MAX_NODES, Document

LEAST = 2
"""Prompts that a category needs on either side."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a file holds what. `label` is the column that tells the sides apart."""

    prompt: str = TEXT
    label: str | None = None
    harmless: Sequence[str] = ()
    """Labels of the look-alikes."""
    hazardous: Sequence[str] = ()
    """Labels of the hazards; all but the look-alikes' unless said."""


@dataclass(frozen=True, slots=True)
class ImportedCategory:
    """A hazard category as YAML text, and what its reader should know of how it came about."""

    id: str
    text: str
    hazardous: tuple[str, ...]
    harmless: tuple[str, ...]
    bad: tuple[Problem, ...]
    """Rows that were left out because something is wrong with them."""
    notes: tuple[str, ...]


class _Asked(Spec):
    prompt: Text


class _Named(Spec):
    category: Text
    ailuminate: Text | None


@dataclass(slots=True)
class _Sides:
    """What was read so far: every prompt once, by its text without case and spacing."""

    hazardous: dict[str, str]
    harmless: dict[str, str]
    bad: list[Problem]
    repeated: int = 0
    unlabelled: int = 0

    def take(self, file: Path, row: Row, prompt: str, side: str) -> None:
        """Put the row's prompt on its side, or say what is wrong with it."""
        try:
            asked = validated(_Asked, Document(file, {"prompt": prompt}, line=row.line)).prompt
        except SpecError as error:
            told = "; ".join(problem.message for problem in error.problems)
            self.bad.append(Problem(Place(file, row.line), f"row {row.number}: {told}"))
            return
        own, other = self.harmless, self.hazardous
        if side == "hazardous":
            own, other = other, own
        key = folded(asked)
        if key in other:
            told = f"row {row.number}: the prompt stands on both sides"
            self.bad.append(Problem(Place(file, row.line), told))
        elif key in own:
            self.repeated += 1
        else:
            own[key] = asked


def hazard_file(
    file: Path,
    columns: Columns,
    name: str | None = None,
    *,
    look_alikes: Path | None = None,
    delimiter: str | None = None,
    category: str | None = None,
    ailuminate: str | None = None,
    source: str | None = None,
    licence: str | None = None,
    constitutions: Sequence[str] = (),
    skip_bad: bool = False,
    limit: int | None = None,
    seed: int = 0,
) -> ImportedCategory:
    """The hazard category that a CSV, `.jsonl` or `.txt` file makes. The same input, the same text.

    `look_alikes`: a further file, all of whose prompts are harmless. `limit` keeps a sample of each
    side by seed. Raises SpecError naming every bad row (unless `skip_bad`), or what is missing.
    """
    wanted = slug(name or file.stem)
    found = safe_id(wanted, constitutions)
    sides = _Sides({}, {}, [])
    _read(file, columns, delimiter, sides)
    if look_alikes is not None:
        _read(look_alikes, Columns(columns.prompt), delimiter, sides, "harmless")
        told = f"look-alikes: {look_alikes.name} (sha256 {digest(look_alikes)[:12]})"
        source = f"{source or file.name}; {told}"
    sides.bad.sort(key=lambda problem: (problem.place.file != file, problem.place.line))
    if sides.bad and not skip_bad:
        raise SpecError(sides.bad)
    kept = [list(side.values()) for side in (sides.hazardous, sides.harmless)]
    if min(map(len, kept)) < LEAST:
        raise SpecError.at(Place(file), _one_sided(*map(len, kept)))
    notes = renamed(wanted, found) + _left_out(sides)
    for at, what in enumerate(("hazardous", "harmless")):
        whole, kept[at] = kept[at], sample(kept[at], limit, seed)
        if more := len(whole) - len(kept[at]):
            told = count(more, f"{what} prompt")
            notes.append(f"left out: {told} not in the sample (seed {seed})")
    names = {"category": category or wanted.replace("-", " "), "ailuminate": ailuminate}
    shown = validated(_Named, Document(Path("--category"), names))
    topic, ailuminate = shown.category, shown.ailuminate
    lines = [
        "# yaml-language-server: $schema=../ethogram/schemas/safety.json",
        f"about: {quoted(f'Imported prompts: {topic}.{sentences(notes)}'[:10_000])}",
        f"category: {quoted(topic)}",
        f"ailuminate: {quoted(ailuminate) if ailuminate else 'null'}",
        "narrow: false",
        *provenance(file, source, licence),
        *prompt_lines("evaluate", kept[0]),
        *prompt_lines("harmless", kept[1]),
    ]
    text = "\n".join(lines) + "\n"
    if len(text.encode()) > MAX_BYTES or sum(map(len, kept)) > MAX_NODES // 2:
        told = f"{count(sum(map(len, kept)), 'prompt')} are too many for one file; --limit keeps a sample"
        raise SpecError.at(Place(file), told)
    hazardous, harmless = map(tuple, kept)
    return ImportedCategory(found, text, hazardous, harmless, tuple(sides.bad), tuple(notes))


def prompt_lines(key: str, prompts: Sequence[str]) -> Iterator[str]:
    """One side as it stands in the file."""
    yield f"{key}:"
    yield from (f"  - {quoted(prompt)}" for prompt in prompts)


def _read(
    file: Path, columns: Columns, delimiter: str | None, sides: _Sides, side: str | None = None
) -> None:
    """Add a file's prompts, all to one side where that is named."""
    prompt = TEXT if file.suffix == ".txt" else columns.prompt
    asked = [prompt] if columns.label is None else [prompt, columns.label]
    header, rows, bad = read_records(file, delimiter, asked)
    if rows and (problems := list(absent(file, asked, header))):
        raise SpecError(problems)
    _check_labels(file, rows, columns)
    sides.bad += bad
    for row in rows:
        told = side or _side(row, columns)
        if told is None:
            sides.unlabelled += 1
        else:
            sides.take(file, row, row.cells[prompt], told)


def _side(row: Row, columns: Columns) -> str | None:
    """The row's side, or None for one that is neither."""
    if columns.label is None:
        return "hazardous"
    label = row.cells[columns.label].strip()
    if not label:
        return None
    if label in columns.harmless:
        return "harmless"
    return "hazardous" if not columns.hazardous or label in columns.hazardous else None


def _check_labels(file: Path, rows: Sequence[Row], columns: Columns) -> None:
    """Raise SpecError for labels that are named and that no row has."""
    if columns.label is None:
        return
    known = sorted({row.cells[columns.label].strip() for row in rows})
    problems = [
        Problem(Place(file), f"no row has the label {label!r}{did_you_mean(label, known)}")
        for label in (*columns.harmless, *columns.hazardous)
        if label not in known
    ]
    if problems:
        some = ", ".join(map(repr, known[:20])) + (", ..." if len(known) > 20 else "")
        raise SpecError([*problems, Problem(Place(file), f"{columns.label!r} holds {some}")])


def _one_sided(hazardous: int, harmless: int) -> str:
    message = f"{count(hazardous, 'hazardous prompt')} and {count(harmless, 'harmless one')}"
    return (
        f"{message}: a category needs {LEAST} of each. Name the labels of look-alikes with --label "
        "COLUMN --harmless LABEL,LABEL, or a file of them with --look-alikes"
    )


def _left_out(sides: _Sides) -> list[str]:
    parts = (
        (len(sides.bad), "bad row", "bad rows"),
        (sides.repeated, "repeated prompt", "repeated prompts"),
        (sides.unlabelled, "row with another label or none", "rows with other labels or none"),
    )
    dropped = [count(*part) for part in parts if part[0]]
    return [f"left out: {', '.join(dropped)}"] if dropped else []
