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
from ethogram.specs.provenance import Provenance

PersonaProbe = Literal["endorsement", "agreement"]
PairRule = Literal["length", "register", "person", "negation", "repeat"]
DimensionRule = Literal[
    "length", "register", "person", "negation", "repeat", "items", "domains", "cues", "vocabulary"
]
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
    breaks: dict[PairRule, Text] = Field(default_factory=dict)
    """Content rules that this item has to break, each with the reason."""


class Dimension(FileSpec):
    """One dimension of the diagnostic, measured by contrasting each item's two statements."""

    about: Text
    cites: tuple[Text, ...] = ()
    probes: tuple[PersonaProbe, ...] = Field(default=("endorsement", "agreement"), min_length=1)
    question: Text = DEFAULT_QUESTION
    paraphrases: tuple[Text, ...] = ()
    """Other wordings of `question`. No case of the dimension asks them: `ethogram reliability`
    compares the first of them with the question, the measure `invariance` all of them."""
    provenance: Provenance | None = None
    signature: dict[Id, Literal["more", "less", "same"]] = Field(default_factory=dict)
    """Expected direction per constitution, for a dimension that the constitutions' own files do
    not name (an imported one); a constitution's own signature wins."""
    breaks: dict[DimensionRule, Text] = Field(default_factory=dict)
    """Content rules that the dimension, or many of its items, have to break, with the reason."""
    items: tuple[Item, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _consistent(self) -> Dimension:
        check_unique("item", self.items, "items")
        for index in duplicates(self.probes):
            raise Misplaced(f"the probe {self.probes[index]!r} stands twice", "probes", index)
        self._check_frame(self.question, "question")
        for index, frame in enumerate(self.paraphrases):
            self._check_frame(frame, "paraphrases", index)
        for index in duplicates([self.question, *self.paraphrases]):
            again = self.paraphrases[index - 1]
            raise Misplaced(f"{again!r} is asked already", "paraphrases", index - 1)
        return self

    @staticmethod
    def _check_frame(frame: str, *path: str | int) -> None:
        unknown = placeholders(frame, *path) - {"topic"}
        if unknown:
            message = (
                f"'{path[0]}' holds the placeholder {{{min(unknown)}}}; only {{topic}} is known"
            )
            raise Misplaced(message, *path)

    def asked(self, item: Item, frame: int = 0) -> str:
        """The neutral question under which the item's statements are scored.

        `frame` 0 is `question`, 1 the first of `paraphrases`.
        """
        return (self.question, *self.paraphrases)[frame].format(topic=item.topic)
