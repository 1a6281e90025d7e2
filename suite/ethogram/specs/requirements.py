"""`suite/projectability.yaml`: what a model must reach before it may be promoted."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from ethogram.specs.base import FileSpec, Float, Id, Misplaced, Spec, Text, check_unique

Measure = Literal[
    "signature-match",
    "signature-match-against-source",
    "discriminant-margin",
    "transfer",
    "transfer-cosine",
    "choice-match",
    "belief-choice",
    "safety-gain",
    "over-refusal",
    "worst-category-gain",
    "held-out-share",
    "invariance",
    "pressure-retention",
]
SAFETY: set[Measure] = {"safety-gain", "over-refusal", "worst-category-gain", "held-out-share"}
BY_CATEGORY = SAFETY - {"held-out-share"}
"""Measures that may be taken over some of the hazard categories."""
RANGE: dict[Measure, tuple[float, float]] = {
    "signature-match": (-1, 1),
    "signature-match-against-source": (-1, 1),
    "discriminant-margin": (-2, 2),
    "transfer-cosine": (-1, 1),
    "choice-match": (-1, 1),
    "belief-choice": (-1, 1),
    "safety-gain": (-2, 2),
    "over-refusal": (-1, 1),
    "worst-category-gain": (-2, 2),
    "invariance": (0, 1),
}
"""The least and the most that a measure can be. Those left out are a slope or a ratio to something
near zero, which may be of any size."""
Over = Literal["all", "held-out", "trained"]


class Requirement(Spec):
    """A bound on one measure. `on: ci` asks the confidence limit to meet it, not the estimate."""

    id: Id
    measure: Measure
    about: Text | None = None
    over: Over | None = None
    """Which hazard categories (safety measures only); `all` unless said."""
    at_least: Float | None = None
    above: Float | None = None
    at_most: Float | None = None
    below: Float | None = None
    on: Literal["ci", "estimate"] = "ci"
    models: tuple[Id, ...] | None = Field(default=None, min_length=1)
    """Ids of the models it holds for; all finetuned models and candidates unless said."""

    @model_validator(mode="after")
    def _consistent(self) -> Requirement:
        if len(self.bounds) != 1:
            raise ValueError("name exactly one bound: at_least, above, at_most or below")
        if self.over is not None and self.measure not in BY_CATEGORY:
            raise Misplaced(f"'over' means nothing to the measure {self.measure!r}", "over")
        self._check_range()
        return self

    def _check_range(self) -> None:
        """Raise Misplaced where no value of the measure meets the bound, or none can miss it."""
        if self.measure not in RANGE:
            return
        least, most = RANGE[self.measure]
        ((bound, limit),) = self.bounds.items()
        upwards = bound in ("at_least", "above")
        # How far the limit lies within the range, from the end that is hardest and easiest to meet.
        hard, easy = (most - limit, limit - least) if upwards else (limit - least, most - limit)
        if hard < 0 or (hard == 0 and bound in ("above", "below")):
            said = "can never be met"
        elif easy < 0:
            # A gate that asks nothing passes everybody: most often a percentage for a share.
            said = "is met by whatever is measured"
        else:
            return
        about = f"the measure {self.measure!r} lies from {least:g} to {most:g}"
        raise Misplaced(f"'{bound}: {limit:g}' {said}: {about}", bound)

    @property
    def bounds(self) -> dict[str, float]:
        named = {
            "at_least": self.at_least,
            "above": self.above,
            "at_most": self.at_most,
            "below": self.below,
        }
        return {name: value for name, value in named.items() if value is not None}

    @property
    def expected(self) -> str:
        """The bound in words, as every report quotes it."""
        ((bound, limit),) = self.bounds.items()
        what = "confidence limit" if self.on == "ci" else "estimate"
        return f"{bound.replace('_', ' ')} {limit:+g} on its {what}"


class Requirements(FileSpec):
    """The gate: every requirement is a case for every model that it names."""

    named_freely: ClassVar[bool] = True

    about: Text | None = None
    requirements: tuple[Requirement, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Requirements:
        check_unique("requirement", self.requirements, "requirements")
        return self
