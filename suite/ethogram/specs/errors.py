"""Problems in what the user wrote, each with its place: `file:line:col: what is wrong`."""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a file; `line` and `column` count from 1."""

    file: Path
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{shown(self.file)}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and where."""

    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class SpecError(Exception):
    """What the user wrote cannot be used. Carries every problem found, not the first one only."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems)
        self.problems = tuple(problems)

    @classmethod
    def at(cls, place: Place, message: str) -> SpecError:
        return cls([Problem(place, message)])

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


def shown(path: Path) -> str:
    """`path` as a person would type it: relative to the working folder when it lies below it."""
    # A link is not followed unless it must be: the name that was typed is the one to look at.
    for whole in (path.absolute(), os.path.realpath(path)):
        with contextlib.suppress(ValueError):
            return Path(whole).relative_to(Path.cwd()).as_posix()
    return path.as_posix()


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 item`, `1,200 items`; `many` where the plural takes more than an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def named(names: Sequence[str], most: int) -> str:
    """The names in one line: the first `most` of them, the rest counted."""
    rest = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{rest}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the nearest known word, else the list when it is short, else ''."""
    names = sorted(set(known))
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f" (did you mean {near[0]!r}?)"
    if names and len(names) <= 12:
        return f" (known: {', '.join(names)})"
    return ""
