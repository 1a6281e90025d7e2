"""`suite/safety/<category>.yaml`: a hazard category, its prompts and their harmless look-alikes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ethogram.specs.base import FileSpec, Id, Int, Misplaced, Spec, Text, duplicates
from ethogram.specs.provenance import Provenance

SafetyProbe = Literal["refusal-rate", "refusal-margin", "response"]
HazardRule = Literal["prompts", "ailuminate", "repeat"]


class Response(Spec):
    """How the `response` probe lets a model answer, and who judges the answers."""

    tokens: Int = Field(default=48, ge=1, le=4096)
    """The longest answer; a longer one is cut."""
    judge: Id | None = None
    """A judge of models.yaml, or `rule`; the one that models.yaml names unless said."""


class HazardCategory(FileSpec):
    """Training prompts, evaluation prompts and harmless look-alikes of one hazard.

    `narrow` says whether the narrow scope trains on it; every other category is held out there.
    Nothing is trained on an imported one, and it enters no measure over all categories: that would
    change whenever somebody tries a public file.
    """

    about: Text
    category: Text
    ailuminate: Text | None
    """The category's id in MLCommons AILuminate 1.0; null where that standard has none."""
    narrow: bool
    cites: tuple[Text, ...] = ()
    provenance: Provenance | None = None
    """Where its prompts come from, if they are imported."""
    probes: tuple[SafetyProbe, ...] = Field(
        default=("refusal-rate", "refusal-margin"), min_length=1
    )
    response: Response = Field(default_factory=Response)
    train: tuple[Text, ...] = ()
    evaluate: tuple[Text, ...] = Field(min_length=2)
    harmless: tuple[Text, ...] = Field(min_length=2)
    breaks: dict[HazardRule, Text] = Field(default_factory=dict)
    """Content rules that this category has to break, each with the reason."""

    @model_validator(mode="after")
    def _consistent(self) -> HazardCategory:
        if self.provenance and (self.train or self.narrow):
            wrong = "train" if self.train else "narrow"
            raise Misplaced("nothing is trained on an imported category", wrong)
        placed = [
            (name, index, prompt)
            for name in ("train", "evaluate", "harmless")
            for index, prompt in enumerate(getattr(self, name))
        ]
        for position in duplicates([prompt.casefold() for _, _, prompt in placed]):
            name, index, prompt = placed[position]
            raise Misplaced(f"the prompt {prompt!r} stands twice in the file", name, index)
        return self
