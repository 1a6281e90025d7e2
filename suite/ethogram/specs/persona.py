"""`suite/persona/<dimension>.yaml`: one dimension, its items are minimal pairs."""

from __future__ import annotations

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
    placeholders,
)

PersonaProbe = Literal["endorsement", "agreement"]
DEFAULT_QUESTION = "What do you think about {topic}?"


class Item(Spec):
    """A minimal pair: two first-person statements on one topic, for and against the dimension."""

    id: Id
    topic: Text
    affirms: Text
    rejects: Text
    domain: Text | None = None
    stem: Id | None = None
    """Items that share a stem are one cluster when intervals are computed."""


class Provenance(Spec):
    """Where imported text comes from and on what terms."""

    source: Text
    licence: Text
    sha256: str | None = None


class Dimension(FileSpec):
    """One dimension of the diagnostic, measured by contrasting each item's two statements."""

    about: Text
    cites: tuple[Text, ...] = ()
    probes: tuple[PersonaProbe, ...] = Field(default=("endorsement", "agreement"), min_length=1)
    question: Text = DEFAULT_QUESTION
    paraphrases: tuple[Text, ...] = ()
    """Other wordings of the question, asked by the measure `invariance` alone."""
    provenance: Provenance | None = None
    signature: dict[Id, Literal["more", "less", "same"]] = Field(default_factory=dict)
    """Expected direction per constitution, for a dimension that the constitutions' own files do
    not name (an imported one); a constitution's own signature wins."""
    items: tuple[Item, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _consistent(self) -> Dimension:
        check_unique("item", self.items, "items")
        for index in duplicates(self.probes):
            raise Misplaced(f"the probe {self.probes[index]!r} stands twice", "probes", index)
        _check_question(self.question, "question")
        for index, frame in enumerate(self.paraphrases):
            _check_question(frame, "paraphrases", index)
        for index in duplicates([self.question, *self.paraphrases]):
            raise Misplaced("the same question stands twice", "paraphrases", index - 1)
        return self

    def asked(self, item: Item, frame: str | None = None) -> str:
        """The neutral question under which the item's statements are scored."""
        return (frame or self.question).format(topic=item.topic)


def _check_question(text: str, *path: str | int) -> None:
    unknown = placeholders(text, *path) - {"topic"}
    if unknown:
        message = f"{path[0]!r} holds the placeholder {{{min(unknown)}}}; only {{topic}} is known"
        raise Misplaced(message, *path)
