"""Which column of a CSV file of moral choices holds what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from ethogram.importers.rows import absent
from ethogram.importers.text import slug
from ethogram.specs.base import Id, Misplaced, Spec, Text, duplicates, validated
from ethogram.specs.errors import Problem, SpecError, count, did_you_mean
from ethogram.specs.loader import Document, load_yaml

LISTS = frozenset({"options", "tags", "because"})
"""Keys that take several columns, one an option."""


class Layout(Spec):
    """Names of columns. `tags` and `because` stand in the order of `options`."""

    text: Text
    """The column of the situation."""
    options: tuple[Text, ...] = Field(min_length=2, max_length=8)
    """The columns of the actions; an empty cell is no option of that row."""
    id: Text | None = None
    """The column of ids; without it rows are numbered."""
    tags: tuple[Text, ...] = ()
    """Columns that name the frameworks that endorse each action, `;`, `,` or `|` between them."""
    because: tuple[Text, ...] = ()
    """Columns that say why."""
    frameworks: dict[Text, Id | None] = Field(default_factory=dict)
    """The constitution that a tag of the file stands for, null for none; other tags must be
    constitutions' ids themselves."""

    @model_validator(mode="after")
    def _consistent(self) -> Layout:
        for name in ("tags", "because"):
            columns = getattr(self, name)
            if columns and len(columns) != len(self.options):
                told = f"{count(len(columns), 'column')} under {name!r} and {count(len(self.options), 'option')}"
                raise Misplaced(f"{told}: name one for each option, in their order", name)
        tags = list(self.frameworks)
        for index in duplicates([slug(tag) for tag in tags]):
            message = f"{tags[index]!r} stands twice among the frameworks, but for its spelling"
            raise Misplaced(message, "frameworks", tags[index])
        for index in duplicates(self.options):
            raise Misplaced(f"the column {self.options[index]!r} stands twice", "options", index)
        return self

    def columns(self) -> Iterator[str]:
        """Every column that is named."""
        yield from (name for name in (self.id, self.text) if name is not None)
        yield from (*self.options, *self.tags, *self.because)

    def check(self, file: Path, header: Sequence[str]) -> None:
        """Raise SpecError naming every column that the file does not have."""
        if problems := list(absent(file, self.columns(), header)):
            raise SpecError(problems)

    def check_frameworks(self, constitutions: Sequence[str]) -> None:
        """Raise SpecError naming every framework that stands for a constitution that is not there."""
        problems = [
            Problem(
                self.place_of("frameworks", tag),
                f"no constitution is called {name!r}{did_you_mean(name, constitutions)}",
            )
            for tag, name in self.frameworks.items()
            if name is not None and name not in constitutions
        ]
        if problems:
            raise SpecError(problems)

    def constitution(self, tag: str) -> str | None:
        """The id that a tag stands for; the tag as an id, where the layout says nothing."""
        known = {slug(name): found for name, found in self.frameworks.items()}
        return known.get(slug(tag), slug(tag))


def read_layout(file: Path | None, columns: Mapping[str, Any]) -> Layout:
    """The layout that a YAML file and the command line (which wins) describe together."""
    document = load_yaml(file) if file else Document(Path("--column"), {})
    if not isinstance(document.data, dict):
        raise SpecError.at(document.start, "the file must hold keys and values")
    document.data = {**document.data, **columns}
    return validated(Layout, document)
