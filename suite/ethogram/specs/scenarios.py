"""`suite/scenarios/<theme>.yaml`: situations with options that the frameworks judge differently."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field, model_validator

from ethogram.specs.base import (
    FileSpec,
    Id,
    Misplaced,
    Spec,
    Text,
    check_unique,
    duplicates,
    folded,
    placeholders,
)
from ethogram.specs.errors import count, did_you_mean
from ethogram.specs.provenance import Provenance

POOLED = "choices"
"""Names the case over all scenarios of an imported theme, in the place of a scenario's id."""


def subject_of(theme: str) -> str:
    """What that case is about. No scenario and no category can have such an id."""
    return f"{theme}/{POOLED}"


ScenarioRule = Literal["options", "endorsed", "vary", "repeat", "retold"]
MAX_SETTINGS = 1_000


class Option(Spec):
    """One thing to do, tagged with the constitutions that endorse it and why."""

    id: Id
    text: Text
    endorsed_by: dict[Id, Text] = Field(default_factory=dict)


class Retelling(Spec):
    """The same situation in other words, say in the past tense: nothing added, nothing dropped."""

    text: Text
    options: dict[Id, Text]
    """Every option of the scenario, by its id."""
    vary: dict[str, tuple[Text, ...]] = Field(default_factory=dict)
    """Values that are told otherwise too (a verb's tense), in the order of the scenario's own."""

    def reworded(self, scenario: Scenario) -> dict[str, dict[str, str]]:
        """For every placeholder that it tells otherwise, the scenario's values and its own."""
        return {
            name: dict(zip(scenario.vary[name], values, strict=True))
            for name, values in self.vary.items()
        }


class Scenario(Spec):
    """A situation; `vary` lists morally irrelevant values for its placeholders."""

    id: Id
    text: Text
    options: tuple[Option, ...] = Field(min_length=2, max_length=8)
    vary: dict[str, tuple[Text, ...]] = Field(default_factory=dict)
    retold: dict[Id, Retelling] = Field(default_factory=dict)
    """Other wordings of the whole, which a file of perturbations asks for by their names."""
    breaks: dict[ScenarioRule, Text] = Field(default_factory=dict)
    """Content rules that this scenario has to break, each with the reason."""

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        check_unique("option", self.options, "options")
        for index in duplicates([folded(option.text) for option in self.options]):
            raise Misplaced("the same option stands twice", "options", index, "text")
        used = set()
        for path, text in self._texts():
            names = placeholders(text, *path)
            if missing := names - set(self.vary):
                message = f"the placeholder {{{min(missing)}}} has no values under 'vary'"
                raise Misplaced(message, *path)
            used |= names
        for name, values in self.vary.items():
            if name not in used:
                raise Misplaced(f"'vary' lists {name!r}, which no text uses", "vary", name)
            if not values:
                raise Misplaced(f"'vary' lists no value for {name!r}", "vary", name)
            _check_values(name, values, "vary", name)
        settings = math.prod(len(values) for values in self.vary.values())
        if settings > MAX_SETTINGS:
            message = f"'vary' makes {settings:,} combinations; {MAX_SETTINGS:,} is the limit"
            raise Misplaced(message, "vary")
        for name in self.retold:
            self._check_retelling(name)
        return self

    def _check_retelling(self, name: str) -> None:
        """The retelling has the scenario's options and all of its placeholders, and no others."""
        told, path = self.retold[name], ("retold", name)
        ids = [option.id for option in self.options]
        for option in told.options:
            if option not in ids:
                message = f"the scenario has no option {option!r}{did_you_mean(option, ids)}"
                raise Misplaced(message, *path, "options", option)
        for option in ids:
            if option not in told.options:
                raise Misplaced(f"the option {option!r} is not retold", *path, "options")
        for index in duplicates([folded(text) for text in told.options.values()]):
            again = list(told.options)[index]
            raise Misplaced("the same option stands twice", *path, "options", again)
        used = placeholders(told.text, *path, "text")
        for option, text in told.options.items():
            used |= placeholders(text, *path, "options", option)
        if unknown := used - set(self.vary):
            message = f"the placeholder {{{min(unknown)}}} has no values under 'vary'"
            raise Misplaced(message, *path)
        if dropped := set(self.vary) - used:
            raise Misplaced(f"the retelling leaves out {{{min(dropped)}}}", *path)
        for vary, values in told.vary.items():
            if vary not in self.vary:
                message = f"the scenario does not vary {vary!r}{did_you_mean(vary, self.vary)}"
                raise Misplaced(message, *path, "vary", vary)
            _check_values(vary, values, *path, "vary", vary)
            if len(values) != (own := len(self.vary[vary])):
                given = f"{count(len(values), 'value')} of {vary!r}"
                message = f"{given} in place of the scenario's {own}"
                raise Misplaced(message, *path, "vary", vary)

    def _texts(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Every text that may hold placeholders, with the way to it."""
        yield ("text",), self.text
        for index, option in enumerate(self.options):
            yield ("options", index, "text"), option.text

    def settings(self) -> list[dict[str, str]]:
        """Every combination of the varied values, the first values first."""
        names = sorted(self.vary)
        combined = itertools.product(*(self.vary[name] for name in names))
        return [dict(zip(names, values, strict=True)) for values in combined]


def _check_values(name: str, values: Sequence[str], *path: str | int) -> None:
    """Raise Misplaced where one stands twice: renderings count as observations, each of them once."""
    for index in duplicates(values):
        message = f"{values[index]!r} stands twice among the values of {name!r}"
        raise Misplaced(message, *path, index)


class Theme(FileSpec):
    """A file of scenarios on one theme.

    Imported ones have a case over all of them and enter no measure over the whole suite: that would
    change whenever somebody tries a public file.
    """

    about: Text
    cites: tuple[Text, ...] = ()
    provenance: Provenance | None = None
    scenarios: tuple[Scenario, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Theme:
        check_unique("scenario", self.scenarios, "scenarios")
        for index, scenario in enumerate(self.scenarios):
            if self.provenance and scenario.id == POOLED:
                message = f"{POOLED!r} names the case over all scenarios of an imported theme"
                raise Misplaced(message, "scenarios", index, "id")
        return self
