"""`suite/scenarios/<theme>.yaml`: situations with options that the frameworks judge differently."""

from __future__ import annotations

import itertools

from ethogram.specs.base import FileSpec, Id, Spec, Text, check_unique, placeholders
from pydantic import Field, model_validator


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

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        check_unique("option", [option.id for option in self.options])
        texts = (self.text, *(option.text for option in self.options))
        used = set().union(*(placeholders(text) for text in texts))
        if missing := used - set(self.vary):
            raise ValueError(f"the placeholder {{{min(missing)}}} has no values under 'vary'")
        if idle := set(self.vary) - used:
            raise ValueError(f"'vary' lists {min(idle)!r}, which no text uses")
        if empty := [name for name, values in self.vary.items() if not values]:
            raise ValueError(f"'vary' lists no value for {empty[0]!r}")
        return self

    def settings(self) -> list[dict[str, str]]:
        """Every combination of the varied values, the first values first."""
        names = sorted(self.vary)
        combined = itertools.product(*(self.vary[name] for name in names))
        return [dict(zip(names, values, strict=True)) for values in combined]


class Theme(FileSpec):
    """A file of scenarios on one theme."""

    about: Text
    cites: tuple[Text, ...] = ()
    scenarios: tuple[Scenario, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Theme:
        check_unique("scenario", [scenario.id for scenario in self.scenarios])
        return self
