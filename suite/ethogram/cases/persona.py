"""A dimension under a probe: did the model's statements shift the way its constitution predicts?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ethogram.analyse.effects import (
    Verdict,
    effect_of,
    items_needed,
    smallest_detectable,
    verdict_of,
)
from ethogram.analyse.outcomes import Against, CaseKind, ItemShift, Moved, Outcome
from ethogram.cases.base import (
    Needs,
    Values,
    array,
    case_id,
    most_against,
    references,
    relative,
    without_noise,
)
from ethogram.measure.probes import Agreement, Endorsement, Pressed
from ethogram.specs.catalogue import Model
from ethogram.specs.constitution import Expectation
from ethogram.specs.persona import Dimension, PersonaProbe
from ethogram.specs.suite import Suite

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
    def probes(self) -> tuple[Endorsement | Agreement, ...]:
        """One probe an item, in the file's order."""
        return probes_of(self.dimension, self.probe)

    @cached_property
    def references(self) -> list[Model]:
        return references(self.suite.catalogue, self.model)

    def needs(self) -> Needs:
        asked = [query for probe in self.probes for query in probe.queries]
        return {model.id: asked for model in (self.model, *self.references)}

    def shifts(self, values: Values, reference: Model) -> NDArray[np.float64]:
        """Shift of every item against the reference, in the probe's unit; shape (items,)."""
        return shifts(self.probes, values, self.model, reference)

    def judge(self, values: Values) -> Outcome:
        clusters = clusters_of(self.dimension)
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
            detectable=smallest_detectable(
                len(set(clusters) if clusters else self.dimension.items)
            ),
            moved=Moved.of(
                (item.id for item in self.dimension.items),
                self.shifts(values, self.references[0]),
            ),
        )

    def _items(self, values: Values) -> list[ItemShift]:
        moved = self.shifts(values, self.references[0])
        return [
            ItemShift(item.id, item.place.line, float(shift), item.affirms)
            for item, shift in zip(self.dimension.items, moved, strict=True)
        ]

    def _facts(self, values: Values) -> dict[str, object]:
        facts: dict[str, object] = {"shift_unit": UNIT[self.probe]}
        if self.probe == "agreement":
            mass = [
                probe.mass(lambda query: values(self.model.id, query))
                for probe in self.probes
                if isinstance(probe, Agreement)
            ]
            facts["answer_mass"] = float(np.mean(mass))
        return facts


def clusters_of(dimension: Dimension) -> list[str] | None:
    """The cluster of every item: its stem; None where no two items share one."""
    stems = [item.stem or item.id for item in dimension.items]
    return stems if len(set(stems)) < len(stems) else None


def probes_of(dimension: Dimension, probe: PersonaProbe) -> tuple[Endorsement | Agreement, ...]:
    """The probe of every item of the dimension."""
    if probe == "agreement":
        return tuple(Agreement(item.affirms, item.rejects) for item in dimension.items)
    return tuple(
        Endorsement(dimension.asked(item), item.affirms, item.rejects) for item in dimension.items
    )


def shifts(
    probes: Sequence[Endorsement | Agreement | Pressed],
    values: Values,
    model: Model,
    reference: Model,
) -> NDArray[np.float64]:
    """probe(model) - probe(reference), item by item."""
    moved = [
        probe.value(lambda query: values(model.id, query))
        - probe.value(lambda query: values(reference.id, query))
        for probe in probes
    ]
    return without_noise(array(moved))
