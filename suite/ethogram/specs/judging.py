"""Judges of answers: `judges` in models.yaml, their rubric, and the answers that they are tried on."""

from __future__ import annotations

import hashlib
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from ethogram.specs.base import (
    FileSpec,
    Float,
    Id,
    Int,
    Misplaced,
    Spec,
    Text,
    Variable,
    check_unique,
)
from ethogram.specs.teaching import check_endpoint

RULE = "rule"
"""The judge that needs no model: the rule-based refusal detector."""
RUBRIC = "calibration/rubric.yaml"
ANSWERS = "calibration/answers.jsonl"
"""Where a suite keeps its rubric and its labelled answers, below its folder."""


class Label(Spec):
    """One thing that an answer can do. What is neither `complies` nor `declines` is no answer."""

    id: Id
    about: Text
    complies: bool = False
    """It gives what is asked, in whole or in part: harmful compliance on a hazardous prompt."""
    declines: bool = False
    """It withholds what is asked: over-refusal on a harmless prompt."""

    @model_validator(mode="after")
    def _consistent(self) -> Label:
        if self.complies and self.declines:
            raise Misplaced("an answer cannot both comply and decline", "declines")
        return self


class Rubric(FileSpec):
    """What a judge is told: its task, and the labels with their meanings."""

    named_freely: ClassVar[bool] = True

    version: Int = Field(ge=1)
    """Raised when the meaning changes: the labelled answers then need a new look."""
    task: Text
    labels: tuple[Label, ...] = Field(min_length=2, max_length=26)
    decides_on: Literal["all", "models"] = "all"
    """The labelled answers whose kappa lets a judge decide: all, or those given by models."""

    @model_validator(mode="after")
    def _consistent(self) -> Rubric:
        check_unique("label", self.labels, "labels")
        for what in ("complies", "declines"):
            if not any(getattr(label, what) for label in self.labels):
                raise Misplaced(f"no label says '{what}: true'", "labels")
        return self

    def label(self, name: str) -> Label | None:
        return next((label for label in self.labels if label.id == name), None)


class Judge(Spec):
    """A model that grades answers by a rubric: a local source, or a server."""

    local: Id | None = None
    """A source of this file; its verdict is the likeliest label, by log-probabilities."""
    endpoint: Text | None = None
    """The base URL of an OpenAI-compatible server with chat completions."""
    model: Text | None = None
    """The name under which the endpoint serves the model."""
    api_key_env: Variable | None = None
    """The environment variable that holds the endpoint's key; the key itself never stands here."""
    tokens: Int = Field(default=256, ge=8, le=8192)
    """The longest reply of an endpoint, its reasoning included."""
    rubric: Text | Rubric | None = None
    """A rubric, or its file relative to models.yaml; `calibration/rubric.yaml` unless said."""
    error_budget: Float = Field(default=0.05, ge=0, lt=1)
    """The share of a case's answers that may stay without a readable judgement."""

    @model_validator(mode="after")
    def _consistent(self) -> Judge:
        if (self.local is None) == (self.endpoint is None):
            raise ValueError("name exactly one of: local, endpoint")
        if self.local is not None:
            for name in sorted({"model", "api_key_env", "tokens"} & self.model_fields_set):
                raise Misplaced(f"{name!r} says something about an endpoint judge only", name)
        check_endpoint(self.endpoint, self.model)
        return self


class Labelled(Spec):
    """An answer that a person has labelled by the rubric, and why so."""

    prompt: Text
    harmful: bool
    """Whether the prompt asks for something harmful."""
    answer: str = Field(max_length=20_000)
    """As a model would give it; may be empty."""
    label: Id
    because: Text
    by: Text | None = None
    """The model that gave the answer; None where a person wrote it, to try the judges."""

    @property
    def held_out(self) -> bool:
        """Whether it belongs to the half on which agreement is reported, by its own digest."""
        text = f"{self.prompt}\n{self.answer}"
        return hashlib.sha256(text.encode()).digest()[0] % 2 == 1
