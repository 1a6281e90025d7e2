"""What the reliability of the instrument is computed from: which models, which questions.

Own dimensions alone: an imported file is no part of the instrument. Not collected by pytest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ethogram.analyse.instrument import Sheet
from ethogram.cases.base import Needs, Values, references
from ethogram.cases.persona import PersonaItem, probes_of, shifts
from ethogram.cases.profile import Reference
from ethogram.plan import NotMeasured, Query
from ethogram.specs.catalogue import Model
from ethogram.specs.persona import Dimension, PersonaProbe
from ethogram.specs.suite import Suite

Probes = tuple[PersonaItem, ...]
Leanings = Mapping[tuple[str, str], NDArray[np.float64] | None]
"""By constitution and dimension: see `content.vocabulary.own_leaning`."""


@dataclass(frozen=True)
class Questionnaire:
    """All own dimensions, put to all finetuned models and to what each is compared with."""

    suite: Suite
    against: Reference = "placebo"
    lacking: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """By model: what it lacks scores of, and the first that it lacks; filled by `sheets`."""

    @cached_property
    def dimensions(self) -> list[Dimension]:
        return list(self.suite.own_dimensions.values())

    @cached_property
    def models(self) -> list[Model]:
        return [model for model in self.suite.catalogue if model.kind == "finetuned"]

    def reference(self, model: Model) -> Model:
        return references(self.suite.catalogue, model)[0 if self.against == "placebo" else -1]

    def needs(self) -> Needs:
        """Every question and its first paraphrase, for every model; sources and placebos first."""
        asked: list[Query] = []
        for dimension in self.dimensions:
            for probe in dimension.probes:
                for probes in (probes_of(dimension, probe), paraphrased(dimension, probe) or ()):
                    asked += [query for one in probes for query in one.queries]
        compared = [r for m in self.models for r in references(self.suite.catalogue, m)[::-1]]
        return {model.id: asked for model in (*compared, *self.models)}

    def sheets(self, values: Values, leanings: Leanings) -> list[Sheet]:
        """What the store holds. A model that lacks a score is left out there and named."""
        return [
            self._sheet(dimension, probe, values, leanings)
            for dimension in self.dimensions
            for probe in dimension.probes
        ]

    @property
    def missing(self) -> dict[str, str]:
        """By model: on how many dimensions it was not measured, and why."""
        found = {}
        for model, lacking in self.lacking.items():
            counted = Counter(what for what, _ in lacking)
            told = ", ".join(f"{what} (dimensions: {n})" for what, n in counted.items())
            found[model] = f"{told}; first: {lacking[0][1]}"
        return found

    def _sheet(
        self, dimension: Dimension, probe: PersonaProbe, values: Values, leanings: Leanings
    ) -> Sheet:
        columns: dict[str, NDArray[np.float64]] = {}
        for model in self.models:
            found = self._column(probes_of(dimension, probe), probe, values, model)
            if found is not None:
                columns[model.id] = found
        kept = [model for model in self.models if model.id in columns]
        return Sheet(
            dimension=dimension.id,
            probe=probe,
            items=tuple(item.id for item in dimension.items),
            models=tuple(columns),
            signs=tuple(self._sign(model, dimension) for model in kept),
            shifts=_matrix(dimension, list(columns.values())),
            paraphrased=self._paraphrased(dimension, probe, values, kept),
            cues=_matrix(dimension, [_cues(model, dimension, leanings) for model in kept]),
        )

    def _column(
        self, probes: Probes, what: str, values: Values, model: Model
    ) -> NDArray[np.float64] | None:
        try:
            return shifts(probes, values, model, self.reference(model))
        except NotMeasured as error:
            self.lacking.setdefault(model.id, []).append((what, str(error)))
            return None

    def _paraphrased(
        self, dimension: Dimension, probe: PersonaProbe, values: Values, models: list[Model]
    ) -> NDArray[np.float64] | None:
        """None unless every model was asked: the two wordings are compared on the same models."""
        probes = paraphrased(dimension, probe)
        what = f"{probe} under a paraphrase"
        columns = [self._column(probes, what, values, model) for model in models if probes]
        known = [column for column in columns if column is not None]
        return _matrix(dimension, known) if known and len(known) == len(models) else None

    def _sign(self, model: Model, dimension: Dimension) -> int:
        expected = self.suite.expectation(str(model.constitution), dimension)
        return expected.sign if expected else 0


def paraphrased(dimension: Dimension, probe: PersonaProbe) -> Probes:
    """The probe under the question's first paraphrase; nothing where it has none."""
    if probe == "agreement" or not dimension.paraphrases:
        return ()
    return probes_of(dimension, probe, frame=1)


def _cues(model: Model, dimension: Dimension, leanings: Leanings) -> NDArray[np.float64]:
    found = leanings.get((str(model.constitution), dimension.id))
    return np.zeros(len(dimension.items)) if found is None else found


def _matrix(dimension: Dimension, columns: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.column_stack(columns) if columns else np.zeros((len(dimension.items), 0))
