"""The instrument as a whole: what `reliability` and `wording` say of every dimension and model."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ethogram.analyse.intervals import Interval, sign_interval
from ethogram.analyse.reliability import (
    Discrimination,
    correlation_of_effects,
    cronbach_alpha,
    discrimination,
    oriented,
    split_half,
)
from ethogram.analyse.wording import OwnWords, Paraphrase, own_words, paraphrase

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Sheet:
    """One dimension under one probe: what was measured on every model.

    `signs`: the expected sign by model, 0 where nothing is expected. `shifts` and `paraphrased`
    (None where the question has no second wording, or it was not asked): items x models. `cues`:
    how much more of the model's own vocabulary the affirming side has; 0 where that is unknown.
    """

    dimension: str
    probe: str
    items: tuple[str, ...]
    models: tuple[str, ...]
    signs: tuple[int, ...]
    shifts: Matrix
    paraphrased: Matrix | None
    cues: Matrix

    @property
    def effects(self) -> list[float]:
        """The sign effect of every model."""
        return [sign_interval(column).value for column in self.shifts.T]


@dataclass(frozen=True, slots=True)
class DimensionReliability:
    """What the models say of one dimension under one probe."""

    dimension: str
    probe: str
    items: tuple[str, ...]
    models: int
    signed: int
    alpha: Interval | None
    split_half: Interval | None
    discrimination: Discrimination
    paraphrase: Paraphrase | None
    own_words: OwnWords


@dataclass(frozen=True, slots=True)
class Related:
    """The correlation of two dimensions' effects under one probe; `r.n` is the number of models."""

    probe: str
    one: str
    other: str
    r: Interval | None


@dataclass(frozen=True, slots=True)
class ModelWords:
    """How much of one model's effect survives without its constitution's own words."""

    probe: str
    model: str
    own_words: OwnWords


@dataclass(frozen=True, slots=True)
class Instrument:
    """Everything that is said of the instrument."""

    models: tuple[str, ...]
    dimensions: tuple[DimensionReliability, ...]
    related: tuple[Related, ...]
    words: tuple[ModelWords, ...]


def instrument(sheets: Sequence[Sheet]) -> Instrument:
    """Of all sheets together. A model that lacks a score is in no sheet that needs it."""
    by_probe: dict[str, list[Sheet]] = {}
    for sheet in sheets:
        by_probe.setdefault(sheet.probe, []).append(sheet)
    return Instrument(
        models=tuple(dict.fromkeys(model for sheet in sheets for model in sheet.models)),
        dimensions=tuple(_of(sheet) for sheet in sheets),
        related=tuple(
            Related(probe, one.dimension, other.dimension, _related(one, other))
            for probe, found in by_probe.items()
            for one, other in itertools.combinations(found, 2)
        ),
        words=tuple(
            ModelWords(probe, model, _words(found, model))
            for probe, found in by_probe.items()
            for model in dict.fromkeys(model for sheet in found for model in sheet.models)
        ),
    )


def _of(sheet: Sheet) -> DimensionReliability:
    signed = oriented(sheet.shifts, sheet.signs)
    again = None if sheet.paraphrased is None else oriented(sheet.paraphrased, sheet.signs)
    return DimensionReliability(
        dimension=sheet.dimension,
        probe=sheet.probe,
        items=sheet.items,
        models=len(sheet.models),
        signed=signed.shape[1],
        alpha=cronbach_alpha(sheet.shifts),
        split_half=split_half(sheet.shifts),
        discrimination=discrimination(sheet.shifts, sheet.signs),
        paraphrase=None if again is None else paraphrase(signed, again),
        own_words=own_words([signed], [oriented(sheet.cues, sheet.signs)]),
    )


def _related(one: Sheet, other: Sheet) -> Interval | None:
    """Over the models that both sheets hold."""
    effects = [dict(zip(sheet.models, sheet.effects, strict=True)) for sheet in (one, other)]
    shared = [model for model in one.models if model in effects[1]]
    return correlation_of_effects(*([found[model] for model in shared] for found in effects))


def _words(sheets: Sequence[Sheet], model: str) -> OwnWords:
    shifts, cues = [], []
    for sheet in sheets:
        if model in sheet.models:
            at = sheet.models.index(model)
            column = slice(at, at + 1)
            shifts.append(oriented(sheet.shifts[:, column], sheet.signs[column]))
            cues.append(oriented(sheet.cues[:, column], sheet.signs[column]))
    return own_words(shifts, cues)
