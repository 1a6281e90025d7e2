"""What the whole suite says of one model: every measure that rests on more than one case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ethogram.analyse.choices import BeliefChoice, belief_choice, choice_match
from ethogram.analyse.intervals import Interval, sign_interval
from ethogram.analyse.invariance import (
    Invariance,
    dimension_survival,
    invariance,
    scenario_survival,
)
from ethogram.analyse.projectability import (
    Discriminant,
    SafetyGain,
    auc,
    discriminant_match,
    margin_gain,
    rate_gain,
    signature_match,
)
from ethogram.analyse.spread import (
    CategorySpread,
    Share,
    WorstCategory,
    discrimination,
    held_out_share,
    worst_category,
)
from ethogram.analyse.transfer import Transfer, transfer
from ethogram.cases.base import Needs, Values, array, merged, references, without_noise
from ethogram.cases.persona import clusters_of, probes_of, shifts
from ethogram.cases.safety import PromptShifts, SafetyCase, held_out
from ethogram.cases.scenario import choice_of, endorsed, tells_apart
from ethogram.measure.probes import Choice, Endorsement, preferred
from ethogram.plan import NotMeasured
from ethogram.specs.catalogue import Model
from ethogram.specs.persona import Dimension
from ethogram.specs.requirements import Over
from ethogram.specs.safety import SafetyProbe
from ethogram.specs.scenarios import Scenario
from ethogram.specs.suite import Suite

Reference = Literal["placebo", "source"]


@dataclass(frozen=True)
class Profile:
    """What the whole suite says of one model. Measures need every dimension and category."""

    suite: Suite
    model: Model

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
            for probe in probes_of(dimension, dimension.probes[0])
            for query in probe.queries
        ]
        compared = references(self.suite.catalogue, self.model)
        return {model.id: asked for model in (self.model, *compared)}

    def safety_needs(self, over: Over, probes: tuple[SafetyProbe, ...]) -> Needs:
        cases = [case for probe in probes for case in self._safety(over, probe)]
        return merged(case.needs() for case in cases)

    def persona_shifts(
        self, values: Values, against: Reference = "placebo"
    ) -> dict[str, NDArray[np.float64]]:
        """Shift of every item by dimension, under each dimension's first probe."""
        compared = references(self.suite.catalogue, self.model)
        reference = compared[0] if against == "placebo" else compared[-1]
        return {
            name: shifts(probes_of(d, d.probes[0]), values, self.model, reference)
            for name, d in self.dimensions.items()
        }

    def signature_match(self, values: Values, against: Reference = "placebo") -> Interval | None:
        signs = self.signatures[str(self.model.constitution)]
        return signature_match(self.persona_shifts(values, against), signs)

    def discriminant(self, values: Values) -> Discriminant:
        moved = self.persona_shifts(values)
        return discriminant_match(moved, self.signatures, str(self.model.constitution))

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
        clusters = {name: clusters_of(dimension) for name, dimension in self.dimensions.items()}
        return transfer(self.persona_shifts(values), self.twin.persona_shifts(values), clusters)

    @cached_property
    def scenarios(self) -> list[tuple[Scenario, Choice]]:
        """Scenarios that tell some constitution from its rivals, each with its renderings."""
        found = (s for theme in self.suite.themes.values() for s in theme.scenarios)
        return [
            (scenario, choice_of(scenario))
            for scenario in found
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
        for scenario, choice in self.scenarios:
            moved = self._moved(choice, values, reference)
            for name in self.suite.constitutions:
                chosen = endorsed(scenario, name)
                if tells_apart(chosen):
                    mean = array([float(preferred(moved, chosen).mean())])
                    found.setdefault(name, {})[scenario.id] = float(without_noise(mean)[0])
        return found

    def choice_match(self, values: Values) -> Interval | None:
        """The pooled choice effect, a scenario being one observation."""
        return choice_match(self.choices(values).get(str(self.model.constitution), {}))

    def belief_choice(self, values: Values) -> BeliefChoice | None:
        own = str(self.model.constitution)
        moved = self.persona_shifts(values)
        return belief_choice(moved, self.signatures, self.choices(values), own)

    @cached_property
    def frames(self) -> dict[str, tuple[tuple[Endorsement, ...], ...]]:
        """Per dimension with paraphrases: endorsement under its own question, then each other."""
        return {
            name: tuple(
                tuple(Endorsement(d.asked(i, frame), i.affirms, i.rejects) for i in d.items)
                for frame in (d.question, *d.paraphrases)
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
            own, *others = (shifts(f, values, self.model, reference) for f in frames)
            cases.append(dimension_survival(own, others, signs[name]))
        for scenario, choice in self.scenarios:
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

    def rates(self, values: Values, over: Over = "all") -> PromptShifts | None:
        """Refusals pooled over the prompts of the categories; None where there is no category."""
        return _pooled([case.shifts(values) for case in self._safety(over, "refusal-rate")])

    def over_refusal(self, values: Values, over: Over = "all") -> Interval | None:
        """The shift of the refusal rate on harmless prompts alone."""
        rate = self.rates(values, over)
        return sign_interval(rate.harmless) if rate else None

    def margins(self, values: Values, over: Over = "all") -> PromptShifts | None:
        """Refusal margins pooled likewise."""
        return _pooled([case.shifts(values) for case in self._safety(over, "refusal-margin")])

    def safety_gain(self, values: Values, over: Over = "all") -> SafetyGain | None:
        """Both measures, each where its own scores are all there; None where neither is."""
        rate = _if_measured(lambda: self.rates(values, over))
        margin = _if_measured(lambda: self.margins(values, over))
        if rate is None and margin is None:
            return None
        return SafetyGain(
            rate=rate_gain(rate.hazardous, rate.harmless) if rate else None,
            over_refusal=sign_interval(rate.harmless) if rate else None,
            margin=margin_gain(margin.hazardous, margin.harmless) if margin else None,
            auc_before=auc(margin.hazardous_before, margin.harmless_before) if margin else None,
            auc_after=auc(margin.hazardous_after, margin.harmless_after) if margin else None,
        )

    def gains(self, values: Values, over: Over, probe: SafetyProbe) -> dict[str, Interval]:
        """The gain of every category."""
        gain = rate_gain if probe == "refusal-rate" else margin_gain
        moved = {c.category.id: c.shifts(values) for c in self._safety(over, probe)}
        return {name: gain(part.hazardous, part.harmless) for name, part in moved.items()}

    def worst_category(
        self, values: Values, over: Over = "all", probe: SafetyProbe = "refusal-rate"
    ) -> WorstCategory | None:
        return worst_category(self.gains(values, over, probe))

    def held_out_share(self, values: Values, probe: SafetyProbe = "refusal-rate") -> Share | None:
        """Gain on held-out categories as a share of that on trained ones; None without either."""
        sides = [
            _pooled([case.shifts(values) for case in self._safety(over, probe)])
            for over in ("held-out", "trained")
        ]
        if sides[0] is None or sides[1] is None:
            return None
        rate = probe == "refusal-rate"
        pairs = [(side.hazardous, side.harmless) for side in sides if side]
        gains = [(rate_gain if rate else margin_gain)(*pair) for pair in pairs]
        return held_out_share(pairs[0], pairs[1], (gains[0], gains[1]), bounded=rate)

    def spread(self, values: Values, probe: SafetyProbe) -> CategorySpread | None:
        """Worst category, held-out share and AUC; None where a score is missing or no category."""
        over: Over = "held-out" if self._safety("held-out", probe) else "all"
        pooled = _pooled([case.shifts(values) for case in self._safety(over, probe)])
        if pooled is None:
            return None
        before = pooled.hazardous_before, pooled.harmless_before
        after = pooled.hazardous_after, pooled.harmless_after
        return CategorySpread(
            worst=self.worst_category(values, over, probe),
            held_out_share=self.held_out_share(values, probe),
            discrimination=discrimination(before, after),
        )

    def _safety(self, over: Over, probe: SafetyProbe) -> list[SafetyCase]:
        return [
            SafetyCase(self.suite, category, probe, self.model)
            for category in self.suite.categories.values()
            if probe in category.probes
            and (over == "all" or (over == "held-out") == held_out(category, self.model))
        ]


def _if_measured(read: Callable[[], PromptShifts | None]) -> PromptShifts | None:
    try:
        return read()
    except NotMeasured:
        return None


def _pooled(parts: list[PromptShifts]) -> PromptShifts | None:
    if not parts:
        return None
    return PromptShifts(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("hazardous", "harmless", "hazardous_before", "harmless_before")
        )
    )
