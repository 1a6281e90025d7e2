"""Public sets of moral choices -> the YAML of a theme.

Such a set is a table: a context, two or more actions, perhaps the frameworks that endorse each.
Every row becomes a scenario, or is named with what is wrong with it: none is lost in silence.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ethogram.importers.layout import Layout
from ethogram.importers.rows import Row, read_rows
from ethogram.importers.text import provenance, quoted, renamed, safe_id, sample, sentences, slug
from ethogram.specs.base import MAX_ID, folded, validated
from ethogram.specs.errors import Place, Problem, SpecError, count, did_you_mean
from ethogram.specs.loader import MAX_BYTES, MAX_NODES, Document
from ethogram.specs.scenarios import POOLED, Scenario

NODES = 40
"""More values than one scenario of eight options adds to a YAML file."""


@dataclass(frozen=True, slots=True)
class ImportedTheme:
    """A theme as YAML text, and what its reader should know of how it came about."""

    id: str
    text: str
    scenarios: tuple[Scenario, ...]
    rows: int
    bad: tuple[Problem, ...]
    """Rows that were left out because something is wrong with them."""
    notes: tuple[str, ...]


def scenario_csv(
    file: Path,
    layout: Layout,
    name: str | None = None,
    *,
    delimiter: str | None = None,
    source: str | None = None,
    licence: str | None = None,
    constitutions: Sequence[str] = (),
    taken: Collection[str] = (),
    skip_bad: bool = False,
    limit: int | None = None,
    seed: int = 0,
) -> ImportedTheme:
    """The theme that a CSV file makes. The same input, the same text.

    Raises SpecError naming every bad row (unless `skip_bad`), or why there is no scenario. `taken`
    are ids of scenarios in other files; `constitutions` are ids that no id may hold.
    """
    wanted, theme = slug(name or file.stem), theme_id(file, name, constitutions)
    header, rows, bad = read_rows(file, delimiter)
    layout.check(file, header)
    layout.check_frameworks(constitutions)
    made: list[tuple[Row, Scenario]] = []
    ids = _Ids(theme, constitutions, taken)
    for row in rows:
        try:
            made.append((row, _scenario(file, row, layout, constitutions, source or file.name)))
        except SpecError as error:
            told = "; ".join(problem.message for problem in error.problems)
            bad.append(Problem(Place(file, row.line), f"row {row.number}: {told}"))
    bad.sort(key=lambda problem: problem.place.line)
    if bad and not skip_bad:
        raise SpecError(bad)
    kept, notes = _distinct(made)
    if not kept:
        raise SpecError(bad or [Problem(Place(file), "no row below the header")])
    notes += renamed(wanted, theme)
    if bad:
        notes.append(f"left out: {count(len(bad), 'bad row')}")
    whole, kept = kept, sample(kept, limit, seed)
    if more := len(whole) - len(kept):
        notes.append(f"left out: {count(more, 'row')} not in the sample (seed {seed})")
    named = [(ids.of(row, layout), scenario) for row, scenario in kept]
    if ids.changed:
        notes.append(
            f"{count(ids.changed, 'id')} changed, to be unique and to hold no constitution's id"
        )
    origin = provenance(file, source, licence)
    text = _theme(wanted.replace("-", " "), named, origin, notes)
    if len(text.encode()) > MAX_BYTES or len(named) * NODES > MAX_NODES:
        told = f"{count(len(named), 'scenario')} are too many for one file; --limit keeps a sample"
        raise SpecError.at(Place(file), told)
    found = tuple(scenario.model_copy(update={"id": key}) for key, scenario in named)
    return ImportedTheme(theme, text, found, len(rows), tuple(bad), tuple(notes))


def theme_id(file: Path, name: str | None, constitutions: Collection[str]) -> str:
    """The id of the theme that the file makes."""
    return safe_id(slug(name or file.stem), list(constitutions))


def scenario_lines(scenario: Scenario) -> Iterator[str]:
    """One scenario as it stands in the file."""
    yield f"  - id: {quoted(scenario.id)}"
    yield f"    text: {quoted(scenario.text)}"
    yield "    options:"
    for option in scenario.options:
        yield f"      - id: {quoted(option.id)}"
        yield f"        text: {quoted(option.text)}"
        if option.endorsed_by:
            yield "        endorsed_by:"
            for name, reason in option.endorsed_by.items():
                yield f"          {quoted(name)}: {quoted(reason)}"


def _scenario(
    file: Path, row: Row, layout: Layout, constitutions: Sequence[str], source: str
) -> Scenario:
    """The row's scenario, its id to be given later. Raises SpecError with all that is wrong."""
    options: list[dict[str, Any]] = []
    wrong = []
    for index, column in enumerate(layout.options):
        if not row.cells[column].strip():
            continue
        endorsed: dict[str, str] = {}
        for tag in _tags(row, layout, index):
            name = layout.constitution(tag)
            if name is None:
                continue
            if name not in constitutions:
                hint = did_you_mean(name, constitutions)
                wrong.append(f"no constitution is called {tag!r}{hint}")
            reason = row.cells[layout.because[index]].strip() if layout.because else ""
            endorsed[name] = reason or f"tagged {tag!r} in {source}"
        text = _braced(row.cells[column])
        options.append({"id": f"option-{index + 1}", "text": text, "endorsed_by": endorsed})
    if len(options) < 2:
        wrong.append(f"{count(len(options), 'action')}; a scenario needs two")
    texts = [folded(option["text"]) for option in options]
    if len(set(texts)) < len(texts):
        wrong.append("two of its actions are the same")
    if wrong:
        raise SpecError([Problem(Place(file, row.line), message) for message in wrong])
    data = {"id": "row", "text": _braced(row.cells[layout.text]), "options": options}
    return validated(Scenario, Document(file, data, line=row.line))


def _tags(row: Row, layout: Layout, index: int) -> list[str]:
    """What the row names as endorsing its action."""
    parts = re.split(r"[;,|]", row.cells[layout.tags[index]]) if layout.tags else []
    return list(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _braced(text: str) -> str:
    """The text with its braces doubled: a single one would open a placeholder."""
    return text.replace("{", "{{").replace("}", "}}")


def _distinct(
    made: Sequence[tuple[Row, Scenario]],
) -> tuple[list[tuple[Row, Scenario]], list[str]]:
    """Every row once, and which rows repeat an earlier one."""
    first: dict[tuple[str, ...], Row] = {}
    kept, repeats = [], []
    for row, scenario in made:
        texts = (scenario.text, *(option.text for option in scenario.options))
        key = tuple(map(folded, texts))
        if first.setdefault(key, row) is row:
            kept.append((row, scenario))
        else:
            repeats.append(f"{row.number} (as {first[key].number})")
    return kept, [f"left out: repeated rows {', '.join(repeats)}"] if repeats else []


class _Ids:
    """Gives every row an id that is valid, used nowhere else, and free of constitutions' names."""

    def __init__(self, theme: str, constitutions: Sequence[str], taken: Collection[str]) -> None:
        self.theme, self.constitutions, self.taken = theme, constitutions, {POOLED, *taken}
        self.changed = 0

    def of(self, row: Row, layout: Layout) -> str:
        told = row.cells[layout.id].strip() if layout.id else ""
        wanted = slug(told or f"{self.theme[: MAX_ID - 12]}-row-{row.number}")
        found = self._free(safe_id(wanted, self.constitutions))
        self.changed += found != wanted
        self.taken.add(found)
        return found

    def _free(self, base: str) -> str:
        number, found = 1, base
        kept_out = [name for name in self.constitutions if name not in base]
        while found in self.taken or any(name in found for name in kept_out):
            number += 1
            found = f"{base[: MAX_ID - 8].rstrip('-')}-{number}"
        return found


def _theme(
    topic: str,
    named: Sequence[tuple[str, Scenario]],
    origin: Sequence[str],
    notes: Sequence[str],
) -> str:
    """The YAML. Text is always double-quoted: none of it can then be read as a number."""
    about = f"Imported scenarios: {topic}."
    about += sentences(notes)
    lines = [
        "# yaml-language-server: $schema=../ethogram/schemas/scenarios.json",
        f"about: {quoted(about[:10_000])}",
        *origin,
        "scenarios:",
    ]
    for key, scenario in named:
        lines += scenario_lines(scenario.model_copy(update={"id": key}))
    return "\n".join(lines) + "\n"
