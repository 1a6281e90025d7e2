"""A dimension under a probe: did the model's statements shift the way its constitution predicts?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from ethogram.analyse.effects import (
    Verdict,
    effect_of,
    items_needed,
    smallest_detectable,
    verdict_of,
    without_noise,
)
from ethogram.analyse.outcomes import Against, CaseKind, ItemShift, Moved, Outcome
from ethogram.cases.base import (
    Needs,
    Values,
    answered,
    array,
    case_id,
    most_against,
    references,
    relative,
)
from ethogram.measure.probes import Agreement, Endorsement, Pressed, SampledAgreement
from ethogram.specs.catalogue import Model
from ethogram.specs.constitution import Expectation
from ethogram.specs.persona import Dimension, Item, PersonaProbe
from ethogram.specs.suite import Suite

PersonaItem = Endorsement | Agreement | SampledAgreement
UNIT: dict[PersonaProbe, str] = {"endorsement": "nats per token", "agreement": "nats"}


@dataclass(frozen=True)
class PersonaCase:
    """One dimension, one probe, one model that has a constitution."""

    suite: Suite
    dimension: Dimension
    probe: PersonaProbe
    model: Model
    expectation: Expectation | None
    """None where the constitution says nothing of the dimension: measured, and not judged."""
    kind: CaseKind = "persona"

    @property
    def group(self) -> str:
        return self.probe

    @cached_property
    def probes(self) -> tuple[PersonaItem, ...]:
        """One probe an item, in the file's order."""
        return probes_of(self.dimension, self.probe, samples(self.suite, self.model))

    @cached_property
    def references(self) -> list[Model]:
        return references(self.suite.catalogue, self.model)

    def needs(self) -> Needs:
        asked = [query for probe in self.probes for query in probe.queries]
        return {model.id: asked for model in (self.model, *self.references)}

    def shifts(self, values: Values, reference: Model) -> NDArray[np.float64]:
        """Shift of every answered item against the reference, in the probe's unit; (items,)."""
        kept = tuple(compress(self.probes, self._answered(values)))
        return shifts(kept, values, self.model, reference)

    def _answered(self, values: Values) -> list[bool]:
        return answered(self.probes, values, self.model, *self.references)

    def _kept(self, values: Values) -> list[Item]:
        return list(compress(self.dimension.items, self._answered(values)))

    def judge(self, values: Values) -> Outcome:
        items = self._kept(values)
        clusters = clusters_of(items)
        against = tuple(
            Against(reference.id, effect_of(self.shifts(values, reference), clusters))
            for reference in self.references
        )
        effect = against[0].effect
        file = relative(self.dimension.place.file, self.suite.root)
        judged = self.expectation
        sign = judged.sign if judged else 0
        verdict: Verdict = verdict_of(effect.sign, sign) if judged else "unjudged"
        return Outcome(
            case=case_id(file, self.group, self.model),
            kind=self.kind,
            subject=self.dimension.id,
            probe=self.probe,
            model=self.model.id,
            file=file,
            line=self.dimension.items[0].place.line,
            expected=judged.expect if judged else "nothing",
            because=judged.because if judged else "no signature names this dimension",
            because_at=str(judged.place).rpartition(":")[0] if judged else file,
            measured=effect.sign,
            unit="share of items up minus share down",
            reference=against[0].reference,
            verdict=verdict,
            target=judged.aim if judged else None,
            gap=judged.aim - effect.sign.value if judged else None,
            p=effect.p if sign else None,
            needs=items_needed(effect.sign, sign) if verdict == "undecided" else None,
            against=against,
            extremes=most_against(self._items(values), sign),
            facts=self._facts(values),
            detectable=smallest_detectable(len(set(clusters) if clusters else items)),
            moved=Moved.of(
                (item.id for item in items), self.shifts(values, self.references[0]), clusters
            ),
        )

    def _items(self, values: Values) -> list[ItemShift]:
        moved = self.shifts(values, self.references[0])
        return [
            ItemShift(item.id, item.place.line, float(shift), item.affirms)
            for item, shift in zip(self._kept(values), moved, strict=True)
        ]

    def _facts(self, values: Values) -> dict[str, object]:
        facts: dict[str, object] = {"shift_unit": UNIT[self.probe]}
        kept = self._answered(values)
        if self.probe == "agreement":
            mass = [
                probe.mass(lambda query: values(self.model.id, query))
                for probe in compress(self.probes, kept)
                if not isinstance(probe, Endorsement)
            ]
            facts["answer_mass"] = float(np.mean(mass))
        if (count := samples(self.suite, self.model)) is not None:
            facts["samples"] = count
        if errors := kept.count(False):
            facts["errors"] = errors
        return facts


def clusters_of(items: Sequence[Item]) -> list[str] | None:
    """The cluster of every item: its stem; None where no two items share one."""
    return shared([item.stem or item.id for item in items])


def shared(stems: list[str]) -> list[str] | None:
    """The stems; None where no two are the same."""
    return stems if len(set(stems)) < len(stems) else None


def samples(suite: Suite, model: Model) -> int | None:
    """How many answers are drawn for each question where the model's server hides log-probs."""
    hidden = model.candidate is not None and suite.limited.get(model.id) == "sampled"
    return model.candidate.samples if hidden and model.candidate else None


def probes_of(
    dimension: Dimension, probe: PersonaProbe, samples: int | None = None, frame: int = 0
) -> tuple[PersonaItem, ...]:
    """The probe of every item of the dimension; agreement from drawn answers where it must be.

    `frame` chooses the wording of the question (see `Dimension.asked`), which agreement has not.
    """
    if probe == "agreement" and samples is not None:
        return tuple(SampledAgreement(i.affirms, i.rejects, samples) for i in dimension.items)
    if probe == "agreement":
        return tuple(Agreement(item.affirms, item.rejects) for item in dimension.items)
    return tuple(
        Endorsement(dimension.asked(item, frame), item.affirms, item.rejects)
        for item in dimension.items
    )


def shifts(
    probes: Sequence[PersonaItem | Pressed], values: Values, model: Model, reference: Model
) -> NDArray[np.float64]:
    """probe(model) - probe(reference), item by item."""
    moved = [
        probe.value(lambda query: values(model.id, query))
        - probe.value(lambda query: values(reference.id, query))
        for probe in probes
    ]
    return without_noise(array(moved))
