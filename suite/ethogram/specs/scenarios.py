"""`suite/scenarios/<theme>.yaml`: situations with options that the frameworks judge differently."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Literal

from pydantic import Field, model_validator

from ethogram.specs.base import FileSpec, Id, Misplaced, Spec, Text, check_unique, placeholders
from ethogram.specs.provenance import Provenance

ScenarioRule = Literal["options", "endorsed", "vary", "repeat"]
MAX_SETTINGS = 1_000


class Option(Spec):
    """One thing to do, tagged with the constitutions that endorse it and why."""

    id: Id
    text: Text
    endorsed_by: dict[Id, Text] = Field(default_factory=dict)


class Scenario(Spec):
    """A situation; `vary` lists morally irrelevant values for its placeholders."""

    id: Id
    text: Text
    options: tuple[Option, ...] = Field(min_length=2, max_length=8)
    vary: dict[str, tuple[Text, ...]] = Field(default_factory=dict)
    breaks: dict[ScenarioRule, Text] = Field(default_factory=dict)
    """Content rules that this scenario has to break, each with the reason."""

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        check_unique("option", self.options, "options")
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
        count = math.prod(len(values) for values in self.vary.values())
        if count > MAX_SETTINGS:
            message = f"'vary' makes {count:,} combinations; {MAX_SETTINGS:,} is the limit"
            raise Misplaced(message, "vary")
        return self

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


class Theme(FileSpec):
    """A file of scenarios on one theme."""

    about: Text
    cites: tuple[Text, ...] = ()
    provenance: Provenance | None = None
    scenarios: tuple[Scenario, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Theme:
        check_unique("scenario", self.scenarios, "scenarios")
        return self
