"""What the whole suite says of one model: every measure that rests on more than one case."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ethogram.analyse.choices import BeliefChoice, belief_choice, choice_match
from ethogram.analyse.effects import without_noise
from ethogram.analyse.intervals import Clusters, Interval
from ethogram.analyse.invariance import (
    Invariance,
    dimension_survival,
    invariance,
    scenario_survival,
)
from ethogram.analyse.projectability import (
    Discriminant,
    discriminant_match,
    signature_match,
)
from ethogram.analyse.transfer import Transfer, transfer
from ethogram.cases.base import (
    Needs,
    Values,
    answered,
    array,
    merged,
    references,
)
from ethogram.cases.hazards import Hazards
from ethogram.cases.persona import PersonaItem, clusters_of, probes_of, samples, shifts
from ethogram.cases.scenario import choice_of, endorsed, tells_apart
from ethogram.measure.probes import Choice, preferred
from ethogram.specs.catalogue import Model
from ethogram.specs.persona import Dimension
from ethogram.specs.scenarios import Scenario

Reference = Literal["placebo", "source"]


@dataclass(frozen=True)
class Profile(Hazards):
    """What the whole suite says of one model. Measures need every dimension and category."""

    @cached_property
    def dimensions(self) -> dict[str, Dimension]:
        """Dimensions that some constitution's own signature names, each under its first probe."""
        named = {n for c in self.suite.constitutions.values() for n in c.signature}
        return {name: d for name, d in self.suite.dimensions.items() if name in named}

    @cached_property
    def signatures(self) -> dict[str, dict[str, int]]:
        return {
            name: {d: e.sign for d, e in self.suite.signature(name).items()}
            for name in self.suite.constitutions
        }

    def persona_needs(self) -> Needs:
        asked = [
            query
            for dimension in self.dimensions.values()
            for probe in self._probes(dimension)
            for query in probe.queries
        ]
        compared = references(self.suite.catalogue, self.model)
        return {model.id: asked for model in (self.model, *compared)}

    def persona_shifts(
        self, values: Values, against: Reference = "placebo"
    ) -> dict[str, NDArray[np.float64]]:
        """Shift of every item by dimension, under each dimension's first probe."""
        reference = self._reference(against)
        return {
            name: self._shifts(self._probes(dimension), values, reference)
            for name, dimension in self.dimensions.items()
        }

    def persona_clusters(self, values: Values, against: Reference = "placebo") -> Clusters:
        """The stems of the same items, for the dimensions in which items share one."""
        reference = self._reference(against)
        return {
            name: self._clusters(dimension, self._probes(dimension), values, reference)
            for name, dimension in self.dimensions.items()
        }

    def _reference(self, against: Reference) -> Model:
        compared = references(self.suite.catalogue, self.model)
        return compared[0] if against == "placebo" else compared[-1]

    def _probes(self, dimension: Dimension) -> tuple[PersonaItem, ...]:
        """Under the dimension's first probe; where only drawn answers can be had, its agreement."""
        count = samples(self.suite, self.model)
        first = dimension.probes[0]
        if count is not None and "agreement" in dimension.probes:
            first = "agreement"
        return probes_of(dimension, first, count)

    def _shifts(
        self, probes: tuple[PersonaItem, ...], values: Values, reference: Model
    ) -> NDArray[np.float64]:
        """Shift of every item that both models answered."""
        kept = answered(probes, values, self.model, reference)
        return shifts(tuple(compress(probes, kept)), values, self.model, reference)

    def _clusters(
        self,
        dimension: Dimension,
        probes: tuple[PersonaItem, ...],
        values: Values,
        reference: Model,
    ) -> list[str] | None:
        """The stem of every item that both models answered; None where no two share one."""
        if clusters_of(dimension.items) is None:
            return None
        kept = answered(probes, values, self.model, reference)
        return clusters_of(list(compress(dimension.items, kept)))

    def signature_match(self, values: Values, against: Reference = "placebo") -> Interval | None:
        signs = self.signatures[str(self.model.constitution)]
        clusters = self.persona_clusters(values, against)
        return signature_match(self.persona_shifts(values, against), signs, clusters)

    def discriminant(self, values: Values) -> Discriminant:
        moved, clusters = self.persona_shifts(values), self.persona_clusters(values)
        own = str(self.model.constitution)
        return discriminant_match(moved, self.signatures, own, clusters)

    @cached_property
    def twin(self) -> Profile | None:
        """The broad twin of a narrow model."""
        found = self.suite.catalogue.broad_twin(self.model)
        return Profile(self.suite, found) if found else None

    def transfer_needs(self) -> Needs:
        return merged((self.persona_needs(), self.twin.persona_needs())) if self.twin else {}

    def transfer(self, values: Values) -> Transfer | None:
        """Narrow to broad, each against the placebo of its own scope; None without a twin."""
        if self.twin is None:
            return None
        # Models with a twin are finetuned here: no answer of theirs is ever missing.
        moved, broad = self.persona_shifts(values), self.twin.persona_shifts(values)
        return transfer(moved, broad, self.persona_clusters(values))

    @cached_property
    def scenarios(self) -> list[tuple[Scenario, Choice]]:
        """Scenarios that tell some constitution from its rivals, each with its renderings."""
        count = samples(self.suite, self.model)
        return [
            (scenario, choice_of(scenario, count))
            for scenario in self.suite.own_scenarios
            if any(tells_apart(endorsed(scenario, name)) for name in self.suite.constitutions)
        ]

    def choice_needs(self) -> Needs:
        asked = [query for _, choice in self.scenarios for query in choice.queries]
        compared = references(self.suite.catalogue, self.model)
        return {model.id: asked for model in (self.model, compared[0])} if asked else {}

    def choices(self, values: Values) -> dict[str, dict[str, float]]:
        """Per constitution and scenario that tells it apart: the mean shift towards its options."""
        reference = references(self.suite.catalogue, self.model)[0]
        found: dict[str, dict[str, float]] = {}
        for scenario, choice in self._answered(values, reference):
            moved = self._moved(choice, values, reference)
            for name in self.suite.constitutions:
                chosen = endorsed(scenario, name)
                if tells_apart(chosen):
                    mean = array([float(preferred(moved, chosen).mean())])
                    found.setdefault(name, {})[scenario.id] = float(without_noise(mean)[0])
        return found

    def _answered(self, values: Values, reference: Model) -> list[tuple[Scenario, Choice]]:
        """Scenarios of which both models answered every rendering."""
        choices = [choice for _, choice in self.scenarios]
        kept = answered(choices, values, self.model, reference)
        return list(compress(self.scenarios, kept))

    def choice_match(self, values: Values) -> Interval | None:
        """The pooled choice effect, a scenario being one observation."""
        return choice_match(self.choices(values).get(str(self.model.constitution), {}))

    def belief_choice(self, values: Values) -> BeliefChoice | None:
        own = str(self.model.constitution)
        moved, clusters = self.persona_shifts(values), self.persona_clusters(values)
        return belief_choice(moved, self.signatures, self.choices(values), own, clusters)

    @cached_property
    def frames(self) -> dict[str, tuple[tuple[PersonaItem, ...], ...]]:
        """Per dimension with paraphrases: endorsement under its own question, then each other."""
        return {
            name: tuple(
                probes_of(d, "endorsement", frame=frame) for frame in range(1 + len(d.paraphrases))
            )
            for name, d in self.dimensions.items()
            if d.paraphrases and name in self.signatures[str(self.model.constitution)]
        }

    def invariance_needs(self) -> Needs:
        probes = [probe for frames in self.frames.values() for frame in frames for probe in frame]
        asked = [query for probe in probes for query in probe.queries]
        reference = references(self.suite.catalogue, self.model)[0]
        worded: Needs = {model.id: asked for model in (self.model, reference)} if asked else {}
        return merged((worded, self.choice_needs()))

    def invariance(self, values: Values) -> Invariance | None:
        """Verdicts under other question frames and in other settings of scenarios."""
        reference = references(self.suite.catalogue, self.model)[0]
        signs = self.signatures[str(self.model.constitution)]
        cases = []
        for name, frames in self.frames.items():
            own, *others = (self._shifts(frame, values, reference) for frame in frames)
            stems = [self._clusters(self.dimensions[name], f, values, reference) for f in frames]
            cases.append(dimension_survival(own, others, signs[name], stems))
        for scenario, choice in self._answered(values, reference):
            chosen = endorsed(scenario, self.model.constitution)
            settings = [rendering.setting for rendering in choice.renderings]
            if tells_apart(chosen) and len(set(settings)) > 1:
                moved = preferred(self._moved(choice, values, reference), chosen)
                by = [moved[np.array(settings) == setting] for setting in sorted(set(settings))]
                cases.append(scenario_survival(by))
        return invariance(cases)

    def _moved(self, choice: Choice, values: Values, reference: Model) -> NDArray[np.float64]:
        """Shift of every option under every rendering; shape (renderings, options)."""
        own = choice.scores(lambda query: values(self.model.id, query))
        return without_noise(own - choice.scores(lambda query: values(reference.id, query)))
