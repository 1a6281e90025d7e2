"""What a sweep asks at every point, and what the answers mean: own dimensions and categories alone."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ethogram.analyse.curve import Contrast, ModelPoint, Refusals, contrast, refusals
from ethogram.analyse.projectability import signature_match
from ethogram.analyse.reliability import oriented
from ethogram.analyse.wording import OwnWords, own_words
from ethogram.cases.base import Values, array
from ethogram.cases.persona import clusters_of, probes_of, shifts
from ethogram.cases.reliability import Leanings
from ethogram.measure.probes import RefusalRate
from ethogram.plan import Query
from ethogram.specs.catalogue import Model
from ethogram.specs.models import Recipe
from ethogram.specs.persona import Dimension
from ethogram.specs.suite import Suite
from ethogram.specs.sweep import Sweep

PLACEBO: Literal["plain-refusal"] = "plain-refusal"
Side = Literal["trained", "held-out"]
SIDES: tuple[Side, ...] = ("trained", "held-out")


@dataclass(frozen=True)
class SweepQuestions:
    """The questions of one sweep. Models are told by their constitution, or `plain-refusal`."""

    suite: Suite
    sweep: Sweep

    @cached_property
    def dimensions(self) -> dict[str, Dimension]:
        """Own dimensions that a constitution of the sweep names, each under its first probe."""
        named = {n for name in self.sweep.constitutions for n in self._signature(name)}
        return {name: d for name, d in self.suite.own_dimensions.items() if name in named}

    @cached_property
    def signatures(self) -> dict[str, dict[str, int]]:
        return {
            name: {d: sign for d, sign in self._signature(name).items() if d in self.dimensions}
            for name in self.sweep.constitutions
        }

    def _signature(self, constitution: str) -> dict[str, int]:
        return {d: e.sign for d, e in self.suite.signature(constitution).items()}

    def models(self, name: str, recipe: Recipe) -> dict[str, Model]:
        """The models of one recipe: the constitutions', and the placebo."""
        sweep = self.sweep
        shared = Model(
            id="",
            kind="finetuned",
            source_id=sweep.source,
            source=self.suite.models.sources[sweep.source],
            scope=sweep.scope,
            seed=sweep.seed,
            recipe_id=name,
            recipe=recipe,
        )
        found = {
            who: replace(
                shared, id=f"{sweep.source}-{who}-{sweep.scope} ({name})", constitution=who
            )
            for who in sweep.constitutions
        }
        named = f"{sweep.source}-{PLACEBO}-{sweep.scope} ({name})"
        found[PLACEBO] = replace(shared, id=named, kind="placebo", placebo=PLACEBO)
        return found

    def persona(self) -> list[Query]:
        """Every item of every dimension."""
        found = [probes_of(d, d.probes[0]) for d in self.dimensions.values()]
        return [query for probes in found for probe in probes for query in probe.queries]

    def refusal(self) -> list[Query]:
        """The drawn prompts of either side."""
        drawn = [
            probe
            for side in SIDES
            for harmless in (False, True)
            for probe in self.prompts(side, harmless)
        ]
        return [query for probe in drawn for query in probe.queries]

    def prompts(self, side: Side, harmless: bool) -> list[RefusalRate]:
        """A seeded draw; the categories take turns, so that each is there about alike."""
        queues = []
        for category in self.suite.own_categories.values():
            held_out = self.sweep.scope == "narrow" and not category.narrow
            if held_out == (side == "held-out"):
                pool = category.harmless if harmless else category.evaluate
                queues.append(sorted(pool, key=self._order))
        turns = itertools.zip_longest(*queues)
        drawn = [prompt for turn in turns for prompt in turn if prompt is not None]
        return [RefusalRate(prompt) for prompt in drawn[: self.sweep.prompts]]

    def _order(self, prompt: str) -> bytes:
        return hashlib.sha256(f"{self.sweep.seed}:{prompt}".encode()).digest()

    def moved(
        self, values: Values, model: Model, reference: Model
    ) -> dict[str, NDArray[np.float64]]:
        """Shift of every item by dimension."""
        return {
            name: shifts(probes_of(d, d.probes[0]), values, model, reference)
            for name, d in self.dimensions.items()
        }

    def model_point(
        self,
        values: Values,
        who: str,
        point: Mapping[str, Model],
        source: Model,
        leanings: Leanings,
        digest: str | None,
        loss: float,
    ) -> ModelPoint:
        """One model at one point, against the placebo at the same point and the source."""
        model, placebo = point[who], point[PLACEBO]
        match = against_source = words = None
        if who != PLACEBO:
            signs, moved = self.signatures[who], self.moved(values, model, placebo)
            stems = {name: clusters_of(d.items) for name, d in self.dimensions.items()}
            match = signature_match(moved, signs, stems)
            against_source = signature_match(self.moved(values, model, source), signs, stems)
            words = self._own_words(who, moved, leanings)
        return ModelPoint(
            model=model.id,
            constitution=None if who == PLACEBO else who,
            digest=digest,
            loss=loss,
            match=match,
            match_against_source=against_source,
            own_words=words,
            trained=self.refused(values, model, "trained"),
            held_out=self.refused(values, model, "held-out"),
        )

    def _own_words(
        self, who: str, moved: Mapping[str, NDArray[np.float64]], leanings: Leanings
    ) -> OwnWords:
        parts, cues = [], []
        for name, sign in self.signatures[who].items():
            leaning = leanings.get((who, name))
            if leaning is not None:
                parts.append(oriented(moved[name][:, None], [sign]))
                cues.append(oriented(leaning[:, None], [sign]))
        return own_words(parts, cues)

    def refused(self, values: Values, model: Model, side: Side) -> Refusals | None:
        """Refusal rates on the drawn prompts of one side; None where the scope has none."""

        def of(probes: Sequence[RefusalRate]) -> NDArray[np.float64]:
            return array([probe.value(lambda q: values(model.id, q)) for probe in probes])

        hazards, harmless = (of(self.prompts(side, which)) for which in (False, True))
        return refusals(hazards, harmless)

    def contrast(self, values: Values, point: Mapping[str, Model]) -> Contrast | None:
        """The two constitutions of `contrast` against each other."""
        if self.sweep.contrast is None:
            return None
        one, other = self.sweep.contrast
        moved = self.moved(values, point[one], point[other])
        return contrast(one, other, moved, self.signatures)
