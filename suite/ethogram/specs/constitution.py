"""`constitutions/<id>.yaml` and `constitutions/transcripts/<id>.jsonl`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, model_validator

from ethogram.specs.base import (
    REAL,
    WHOLE,
    FileSpec,
    Id,
    Misplaced,
    Spec,
    Text,
    check_unique,
    duplicates,
    validated,
)
from ethogram.specs.errors import Place, Problem, SpecError, count, did_you_mean
from ethogram.specs.loader import Document, read_text
from ethogram.specs.wording import shape

Direction = Literal["more", "less", "same"]
SIGN: dict[Direction, int] = {"more": 1, "less": -1, "same": 0}


BY_HAND = "written by hand"
"""The teacher of a line that names none."""


class Principle(Spec):
    """One principle, with the requests by which an answer is criticised and revised under it."""

    id: Id
    text: Text
    critique: Text
    revision: Text


class Expectation(Spec):
    """Which way a dimension should move, how far (in [-1, 1]), and why."""

    expect: Direction
    target: Annotated[float, Field(ge=-1, le=1), REAL] | None = None
    because: Text

    @model_validator(mode="after")
    def _consistent(self) -> Expectation:
        if self.target is not None and self.sign * self.target < 0:
            message = f"'target: {self.target:g}' points against 'expect: {self.expect}'"
            raise Misplaced(message, "target")
        return self

    @property
    def sign(self) -> int:
        return SIGN[self.expect]

    @property
    def aim(self) -> float:
        """The target effect; +1, -1 or 0 unless the file names one."""
        return float(self.sign) if self.target is None else self.target


class Example(Spec):
    """A worked draft, critique and revision, shown to critics too weak to do without."""

    prompt: Text
    draft: Text
    critique: Text
    revision: Text
    principle: Id | None = None
    """The principle under which it was criticised, whose requests are shown with it."""


class Constitution(FileSpec):
    """A stance: its principles and the persona that a model trained on it should show."""

    name: Text
    about: Text
    cites: tuple[Text, ...] = ()
    principles: tuple[Principle, ...] = Field(min_length=1)
    signature: dict[Id, Expectation]
    examples: tuple[Example, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Constitution:
        check_unique("principle", self.principles, "principles")
        known = {principle.id for principle in self.principles}
        for index, example in enumerate(self.examples):
            if example.principle is not None and example.principle not in known:
                hint = did_you_mean(example.principle, known)
                message = f"unknown principle {example.principle!r}{hint}"
                raise Misplaced(message, "examples", index, "principle")
        return self


class Round(Spec):
    """One critique and the revision that answers it."""

    principle: Id
    critique: Text
    revision: Text


class Transcript(Spec):
    """prompt -> draft -> critique -> revision, as often as there are rounds."""

    category: Id
    prompt: Text
    draft: Text
    rounds: tuple[Round, ...] = Field(min_length=1)
    chosen: Annotated[int, Field(ge=1), WHOLE] | None = None
    """The round whose revision is learnt, counted from 1; the last unless said."""
    teacher: Text = BY_HAND

    @model_validator(mode="after")
    def _consistent(self) -> Transcript:
        if self.chosen is not None and self.chosen > len(self.rounds):
            message = f"'chosen: {self.chosen}' names no round; there are {len(self.rounds)}"
            raise Misplaced(message, "chosen")
        return self

    @property
    def answer(self) -> str:
        """What the finetuned model learns to say: the chosen revision."""
        return self.rounds[(self.chosen or len(self.rounds)) - 1].revision


class Refusal(Spec):
    """A placebo's answer: a refusal without reasoning."""

    category: Id
    prompt: Text
    answer: Text


class ReplayPrompt(Spec):
    """A harmless prompt; `look_alike` where it only looks hazardous."""

    prompt: Text
    look_alike: bool = False


class Replay(ReplayPrompt):
    """A harmless prompt with the source model's own answer."""

    answer: Text
    teacher: Text


S = TypeVar("S", bound=Spec)


def read_lines(kind: type[S], file: Path) -> tuple[S, ...]:
    """Read a JSON Lines file. Raises SpecError naming every malformed line.

    Of a fault that many lines share the first ones are named and the others counted.
    """
    found: list[S] = []
    problems: list[Problem] = []
    for number, line in enumerate(read_text(file).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            document = Document(file, json_object(Place(file, number), line), line=number)
            found.append(validated(kind, document))
        except SpecError as error:
            problems.extend(error.problems)
    if problems:
        raise SpecError(_first_of_each(problems))
    return tuple(found)


SHARED = 20
"""Lines that are named of one fault."""


def _first_of_each(problems: Sequence[Problem]) -> list[Problem]:
    """The problems without those that say once more what SHARED of them said; the last tells how many."""
    times = Counter(problem.message for problem in problems)
    said: Counter[str] = Counter()
    kept: list[Problem] = []
    for problem in problems:
        said[problem.message] += 1
        rest = times[problem.message] - SHARED
        if said[problem.message] < SHARED or rest <= 0:
            kept.append(problem)
        elif said[problem.message] == SHARED:
            message = f"{problem.message} (and so in {count(rest, 'line')} more)"
            kept.append(replace(problem, message=message))
    return kept


def json_object(place: Place, line: str) -> dict[str, Any]:
    """The JSON object of one line. Raises SpecError on anything else."""
    try:
        found = json.loads(line, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        message = f"not JSON: {error.msg[0].lower()}{error.msg[1:]}"
        raise SpecError.at(replace(place, column=error.colno), message) from None
    except RecursionError:
        raise SpecError.at(place, "not JSON: nested too deep") from None
    except ValueError as error:
        raise SpecError.at(place, str(error)) from None
    if not isinstance(found, dict):
        raise SpecError.at(place, f"the line must be one JSON object, not {shape(found)}")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for index in duplicates([key for key, _ in pairs]):
        raise ValueError(f"the key {pairs[index][0]!r} stands twice in one object")
    return dict(pairs)
