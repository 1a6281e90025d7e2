"""The rows of a CSV or JSON Lines file, or of plain text, each with its number and line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ethogram.specs.base import duplicates
from ethogram.specs.constitution import json_object
from ethogram.specs.errors import Place, Problem, SpecError, count, did_you_mean
from ethogram.specs.loader import read_text


@dataclass(frozen=True, slots=True)
class Row:
    """One record. `number` counts as a spreadsheet does: the header is row 1."""

    number: int
    line: int
    cells: dict[str, str]


def read_rows(
    file: Path, delimiter: str | None = None
) -> tuple[list[str], list[Row], list[Problem]]:
    """The header, the rows that can be read, and what is wrong with the others.

    Cells are parted by a comma, and by a tab in a `.tsv`, unless `delimiter` says otherwise.

    Quoted cells may hold line breaks; a byte order mark and blank lines are passed over. Raises
    SpecError when there is no header to read the rows by.
    """
    delimiter = delimiter or ("\t" if file.suffix == ".tsv" else ",")
    reader = csv.reader(io.StringIO(read_text(file), newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    rows: list[Row] = []
    problems: list[Problem] = []
    number = 0
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            # Not one bad row: where a quote is never closed nothing tells what below it is a row.
            message = f"row {number + 1}: not CSV: {error}; the rows below cannot be read"
            raise SpecError([*problems, Problem(Place(file, line), message)]) from None
        if cells is None:
            break
        number += 1
        if not any(cell.strip() for cell in cells):
            continue
        if not header:
            header = [cell.strip() for cell in cells]
        elif len(cells) != len(header):
            message = f"row {number}: {count(len(cells), 'cell')}, and the header has {len(header)}"
            problems.append(Problem(Place(file, line), message))
        else:
            rows.append(Row(number, line, dict(zip(header, cells, strict=True))))
    if not header:
        raise SpecError(problems or [Problem(Place(file), "the file is empty; it needs a header")])
    for index in duplicates(header):
        raise SpecError.at(Place(file), f"two columns are called {header[index]!r}")
    return header, rows, problems


JSON_LINES = (".jsonl", ".ndjson")
TEXT = "prompt"
"""What plain text holds, a line each."""


def read_records(
    file: Path, delimiter: str | None, asked: Sequence[str]
) -> tuple[list[str], list[Row], list[Problem]]:
    """As `read_rows`; of `.jsonl` every line is a row and its keys the columns, of `.txt` the text.

    Rows of `.jsonl` keep the columns asked for alone. A number there is its text, null is blank, and a
    list or mapping is a problem.
    """
    if file.suffix == ".txt":
        lines = enumerate(read_text(file).split("\n"), start=1)
        rows = [Row(number, number, {TEXT: line}) for number, line in lines if line.strip()]
        if not rows:
            raise SpecError.at(Place(file), "the file is empty")
        return [TEXT], rows, []
    return _json_rows(file, asked) if file.suffix in JSON_LINES else read_rows(file, delimiter)


def _json_rows(file: Path, asked: Sequence[str]) -> tuple[list[str], list[Row], list[Problem]]:
    rows: list[Row] = []
    problems: list[Problem] = []
    header: dict[str, None] = {}
    for number, line in enumerate(read_text(file).split("\n"), start=1):
        if not line.strip():
            continue
        place = Place(file, number)
        try:
            found = json_object(place, line)
        except SpecError as error:
            problems += error.problems
            continue
        header |= dict.fromkeys(found)
        odd = [name for name in asked if isinstance(found.get(name), (list, dict))]
        problems += [Problem(place, f"row {number}: {name!r} is no text") for name in odd]
        if not odd:
            rows.append(Row(number, number, {name: _cell(found.get(name)) for name in asked}))
    if not (rows or problems):
        raise SpecError.at(Place(file), "the file is empty")
    return list(header), rows, problems


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def absent(file: Path, names: Iterable[str], header: Sequence[str]) -> Iterator[Problem]:
    """Columns that the file does not have."""
    for name in dict.fromkeys(names):
        if name not in header:
            message = f"no column is called {name!r}{did_you_mean(name, header)}"
            yield Problem(Place(file), message)
