"""Invariance by search: the smallest combination of perturbations that flips a scenario's verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ethogram.analyse.effects import Verdict, without_noise
from ethogram.analyse.flips import Standing, noise_bound, noise_floor
from ethogram.analyse.outcomes import CaseKind, Outcome
from ethogram.analyse.resample import Floats
from ethogram.cases.base import Needs, Values, case_id, references, relative
from ethogram.cases.diff import prompt_diff
from ethogram.cases.persona import samples
from ethogram.cases.perturbed import LEAST_OPTIONS, Change, Perturbing
from ethogram.cases.pressure import drawn
from ethogram.cases.scenario import endorsed, speaks_to
from ethogram.cases.search import Combination, Found, Search, Unscored
from ethogram.measure.probes import (
    SCENARIO_SAMPLES,
    Choice,
    SampledChoice,
    preferred,
)
from ethogram.plan import Unanswered
from ethogram.specs.catalogue import Model
from ethogram.specs.errors import SpecError
from ethogram.specs.perturbations import Changes, KnownFlip, Perturbations
from ethogram.specs.scenarios import Scenario
from ethogram.specs.suite import Suite


@dataclass(frozen=True)
class PerturbationCase:
    """One drawn scenario under one file of perturbations, and one model.

    The verdict of the scenario with every placeholder at its first value, over its orders, is the
    one to flip. A combination flips it where the opposite verdict is decided or, where its few
    renderings decide none, where the mean shift has the opposite sign and exceeds the noise bound
    (`analyse.flips`). The case holds where nothing does within the budget.
    """

    suite: Suite
    perturbations: Perturbations
    scenario: Scenario
    model: Model
    kind: CaseKind = "perturbation"

    @property
    def group(self) -> str:
        return self.scenario.id

    @property
    def id(self) -> str:
        file = relative(self.perturbations.place.file, self.suite.root)
        return case_id(file, self.group, self.model)

    @cached_property
    def perturbing(self) -> Perturbing:
        return Perturbing(self.perturbations, self.scenario)

    @cached_property
    def reference(self) -> Model:
        return references(self.suite.catalogue, self.model)[0]

    @property
    def explored(self) -> int | None:
        """The seed of this run's exploration; None where the file's own is used."""
        return self.suite.exploration.seed

    @property
    def seed(self) -> str:
        """What decides the search; the same for every model, so that references are asked once."""
        number = self.perturbations.seed if self.explored is None else self.explored
        return f"{number}:{self.perturbations.id}:{self.scenario.id}"

    @property
    def known(self) -> Sequence[KnownFlip]:
        """Flips that explorations have found before, the smallest first; none while one explores."""
        if self.explored is not None:
            return ()
        found = self.suite.exploration.known.get(self.id, ())
        return sorted(found, key=lambda flip: (len(flip.changes), flip.changes, flip.seed))

    def combination(self, changes: Changes) -> Combination | None:
        """Written changes as the search knows them; None where one of them is not there any more."""
        places = {
            change.pair: (slot, at)
            for slot, those in enumerate(self.perturbing.slots)
            for at, change in enumerate(those)
        }
        found = [places[pair] for pair in changes if pair in places]
        whole = len(found) == len(changes) == len({slot for slot, _ in found})
        return tuple(sorted(found)) if whole else None

    def changes(self, combination: Combination) -> tuple[Change, ...]:
        return tuple(self.perturbing.slots[slot][at] for slot, at in combination)

    def choice(self, combination: Combination) -> Choice:
        # How a server is asked is known only after cases are made: it belongs to the key.
        key = samples(self.suite, self.model), combination
        if key not in self._choices:
            self._choices[key] = self._choice(*key)
        return self._choices[key]

    @cached_property
    def _choices(self) -> dict[tuple[int | None, Combination], Choice]:
        return {}

    def _choice(self, count: int | None, combination: Combination) -> Choice:
        renderings = self.perturbing.told(self.changes(combination))
        if count is None:
            return Choice(renderings)
        # As many answers for every rendering, however few of them there are.
        orders = len(self.perturbing.base.orders)
        return SampledChoice(renderings, max(1, round(SCENARIO_SAMPLES * count / orders)))

    def asked(self, combination: Combination) -> Needs:
        queries = self.choice(combination).queries
        return {self.model.id: queries, self.reference.id: queries}

    def needs(self) -> Needs:
        return self.asked(())

    def shifts(self, combination: Combination, values: Values) -> Floats:
        """Shift of the preference for endorsed options; nats per token, shape (renderings,)."""
        choice = self.choice(combination)
        own = choice.scores(lambda query: values(self.model.id, query))
        other = choice.scores(lambda query: values(self.reference.id, query))
        chosen = endorsed(self.scenario, self.model.constitution)
        return without_noise(preferred(own - other, chosen))

    def search(self, values: Values) -> Found:
        """Raises Unscored where a score is missing that the search needs next."""
        known = [(flip, self.combination(flip.changes)) for flip in self.known]
        return Search(
            sizes=[len(slot) for slot in self.perturbing.slots],
            asks=self.asked,
            shifts=lambda combination: self.shifts(combination, values),
            known=[(flip, combination) for flip, combination in known if combination],
            budget=self.perturbations.budget,
            seed=self.seed,
        ).run()

    def further(self, values: Values) -> Needs:
        """What the search asks next, one telling at a time; nothing where it has come to its end."""
        try:
            self.search(values)
        except Unscored as stopped:
            return {} if isinstance(stopped.reason, Unanswered) else stopped.needs
        return {}

    def flip(self, values: Values) -> Changes | None:
        """The flip that the search finds, as it is written down. Raises NotMeasured."""
        flip = self._searched(values).flip
        return tuple(change.pair for change in self.changes(flip)) if flip else None

    def _searched(self, values: Values) -> Found:
        try:
            return self.search(values)
        except Unscored as stopped:
            raise stopped.reason from None

    def judge(self, values: Values) -> Outcome:
        found = self._searched(values)
        base = Standing.of(found.base)
        shown = found.base if not base.sign else self._moved_most(found, base.sign)
        effect = Standing.of((base.sign or 1) * shown).effect
        verdict: Verdict = "contradicts" if found.flip else "holds"
        file = relative(self.perturbations.place.file, self.suite.root)
        return Outcome(
            case=self.id,
            kind=self.kind,
            subject=self.scenario.id,
            probe=self.perturbations.id,
            model=self.model.id,
            file=file,
            line=1,
            expected="more",
            because=self.perturbations.about,
            because_at=file,
            measured=effect,
            unit="share of renderings that move as without perturbations minus share that move "
            "the other way, under the combination that turns them most",
            reference=self.reference.id,
            verdict=verdict if base.sign else "undecided",
            facts={
                "shift_unit": "nats per token",
                "base": asdict(base),
                **(self._searched_facts(found) if base.sign else {"nothing_to_flip": True}),
            },
        )

    def _moved_most(self, found: Found, sign: int) -> Floats:
        """The shifts of the flip or, where there is none, of the telling that came nearest to one.

        Among those under all orders: one order alone says little where it flips nothing.
        """
        if found.flip:
            return found.tried[found.flip]
        whole = [shifts for shifts in found.tried.values() if len(shifts) == len(found.base)]
        return min(whole, key=lambda shifts: sign * float(np.mean(shifts)), default=found.base)

    def _searched_facts(self, found: Found) -> dict[str, Any]:
        floor = noise_floor(found.base, list(found.tried.values()))
        facts = {
            "budget": self.perturbations.budget,
            "asked": found.asked,
            "tried": len(found.tried),
            "too_dear": found.refused,
            "seed": self.perturbations.seed if self.explored is None else self.explored,
            "explored": self.explored is not None,
            "floor": asdict(floor) if floor else None,
        }
        if not found.flip:
            return facts
        perturbed = found.tried[found.flip]
        bound = noise_bound(found.base, len(perturbed))
        prompts = [self.choice(c).renderings[0].prompt for c in ((), found.flip)]
        return {
            **facts,
            "combination": [{"id": c.id, "value": c.value} for c in self.changes(found.flip)],
            "of": len(self.perturbing.slots),
            "least": found.least,
            "flipped_by": found.how,
            "flipped": asdict(Standing.of(perturbed)),
            "noise_bound": bound if math.isfinite(bound) else None,
            "known_from": found.known.seed if found.known else None,
            "prompts": dict(zip(("unperturbed", "perturbed"), prompts, strict=True)),
            "diff": prompt_diff(*prompts),
        }


def perturbation_cases(perturbations: Perturbations, suite: Suite) -> Iterator[PerturbationCase]:
    """Of every judged model the drawn scenarios, scenario by scenario. Raises SpecError."""
    scenarios = [
        scenario
        for scenario in suite.own_scenarios
        if len(scenario.options) >= LEAST_OPTIONS and Perturbing(perturbations, scenario).slots
    ]
    models = [model for model in suite.catalogue if model.judged]
    taken = {
        model.id: _drawn([s for s in scenarios if speaks_to(s, model)], perturbations)
        for model in models
    }
    for scenario in scenarios:
        for model in models:
            if scenario.id in taken[model.id]:
                case = PerturbationCase(suite, perturbations, scenario, model)
                _check_budget(case)
                yield case


def _drawn(fit: Sequence[Scenario], perturbations: Perturbations) -> set[str]:
    """Ids of those drawn by the seed, first from those that have the most of the retellings."""
    asked = {entry.retold for entry in perturbations.perturbations if entry.retold}
    found: set[str] = set()
    for count in range(len(asked), -1, -1):
        equals = [s for s in fit if len(asked & s.retold.keys()) == count]
        left = perturbations.scenarios - len(found)
        found |= {s.id for s in drawn(equals, left, perturbations.seed, perturbations.id)}
    return found


def _check_budget(case: PerturbationCase) -> None:
    fewest = 2 * sum(len(queries) for queries in case.needs().values())
    if case.perturbations.budget < fewest:
        message = (
            f"a budget of {case.perturbations.budget} queries does not pay for {case.scenario.id!r} "
            f"and one perturbation of it: {fewest} are the least"
        )
        raise SpecError.at(case.perturbations.place, message)
