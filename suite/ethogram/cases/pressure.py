"""Pressure: is the persona still there when the user argues against it?"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from ethogram.analyse.effects import verdict_of, without_noise
from ethogram.analyse.intervals import Interval
from ethogram.analyse.outcomes import CaseKind, Outcome
from ethogram.analyse.pressure import retention
from ethogram.analyse.resample import Floats
from ethogram.analyse.spread import Share
from ethogram.cases.base import (
    Needs,
    Values,
    case_id,
    merged,
    references,
    relative,
)
from ethogram.cases.persona import shifts
from ethogram.cases.scenario import choice_of, endorsed, tells_apart
from ethogram.measure.probes import Choice, Endorsement, Pressed, Rendering, preferred
from ethogram.plan import Messages
from ethogram.specs.catalogue import Model
from ethogram.specs.persona import Dimension
from ethogram.specs.pressure import Pressure
from ethogram.specs.scenarios import Scenario
from ethogram.specs.suite import Suite

T = TypeVar("T")
SCENARIOS = "scenarios"
"""The place of choices among the dimensions; no file can have this name beside them."""


@dataclass(frozen=True)
class Pressing:
    """One kind of pressure on one model: what is asked, with and without it."""

    suite: Suite
    pressure: Pressure
    model: Model

    @cached_property
    def signs(self) -> dict[str, int]:
        """Dimensions on which the constitution expects a direction: only there it has a first answer."""
        expected = self.suite.signature(str(self.model.constitution))
        found = {name: e.sign for name, e in expected.items() if e.sign}
        return {**found, SCENARIOS: 1} if self.choices else found

    @cached_property
    def statements(self) -> dict[str, tuple[tuple[Endorsement, ...], tuple[Pressed, ...]]]:
        """Per signed dimension: the drawn items' probes without pressure, and under it."""
        expected = self.suite.signature(str(self.model.constitution))
        return {
            name: self._pair(self.suite.dimensions[name], e.sign)
            for name, e in expected.items()
            if e.sign
        }

    def _pair(
        self, dimension: Dimension, sign: int
    ) -> tuple[tuple[Endorsement, ...], tuple[Pressed, ...]]:
        plain, pressed = [], []
        for item in drawn(dimension.items, self.pressure.items, self.pressure.seed, dimension.id):
            question = dimension.asked(item)
            stated, opposed = (item.affirms, item.rejects)[::sign]
            talk = self.pressure.conversation(
                question, topic=item.topic, stated=stated, opposed=opposed
            )
            plain.append(Endorsement(question, item.affirms, item.rejects))
            pressed.append(Pressed(talk, item.affirms, item.rejects))
        return tuple(plain), tuple(pressed)

    @cached_property
    def choices(self) -> list[tuple[tuple[bool, ...], Choice, Choice]]:
        """Per drawn scenario: endorsed options, and its renderings without and under pressure."""
        own = self.model.constitution
        fit = [
            scenario
            for theme in self.suite.themes.values()
            for scenario in theme.scenarios
            if tells_apart(endorsed(scenario, own))
        ]
        few = drawn(fit, self.pressure.scenarios, self.pressure.seed, SCENARIOS)
        return [(endorsed(s, own), *self._rendered(s, endorsed(s, own))) for s in few]

    def _rendered(self, scenario: Scenario, chosen: Sequence[bool]) -> tuple[Choice, Choice]:
        renderings = choice_of(scenario).renderings[: len(scenario.options)]
        pressed = tuple(
            Rendering(r.prompt, r.order, r.options, talk=self._talk(r, chosen)) for r in renderings
        )
        return Choice(renderings), Choice(pressed)

    def _talk(self, rendering: Rendering, chosen: Sequence[bool]) -> Messages:
        return self.pressure.conversation(
            rendering.prompt,
            topic="it",
            stated=rendering.options[list(chosen).index(True)],
            opposed=rendering.options[list(chosen).index(False)],
        )

    def needs(self) -> Needs:
        probes = [probe for pair in self.statements.values() for side in pair for probe in side]
        asked = [query for probe in probes for query in probe.queries]
        asked += [q for _, *pair in self.choices for choice in pair for q in choice.queries]
        compared = references(self.suite.catalogue, self.model)[0]
        return {self.model.id: asked, compared.id: asked} if asked else {}

    def shifts(self, values: Values) -> dict[str, tuple[Floats, Floats]]:
        """Per dimension: shifts under pressure and without it, against the first reference."""
        reference = references(self.suite.catalogue, self.model)[0]
        found = {
            name: (
                shifts(pressed, values, self.model, reference),
                shifts(plain, values, self.model, reference),
            )
            for name, (plain, pressed) in self.statements.items()
        }
        if self.choices:
            pairs = [
                [self._mean(choice, chosen, values, reference) for choice in (under, without)]
                for chosen, without, under in self.choices
            ]
            table = without_noise(np.array(pairs))
            found[SCENARIOS] = table[:, 0], table[:, 1]
        return found

    def _mean(
        self, choice: Choice, chosen: Sequence[bool], values: Values, reference: Model
    ) -> float:
        own = choice.scores(lambda query: values(self.model.id, query))
        other = choice.scores(lambda query: values(reference.id, query))
        return float(preferred(own - other, chosen).mean())


def pooled_retention(pressings: Sequence[Pressing], values: Values) -> Share | None:
    """Over all kinds of pressure, which must have drawn the same items to be paired.

    An item's sign under pressure is its mean over kinds; kinds that drew other items are left out.
    """
    found = [pressing.shifts(values) for pressing in pressings]
    if not found:
        return None
    parts = {}
    for name in found[0]:
        alike = [
            f[name] for f in found if name in f and np.array_equal(f[name][1], found[0][name][1])
        ]
        parts[name] = np.stack([under for under, _ in alike]), alike[0][1]
    return retention(parts, pressings[0].signs)


def retained(suite: Suite, model: Model, values: Values) -> Share | None:
    """The model's retention over all kinds of pressure of the suite."""
    return pooled_retention(list(pressings(suite, model)), values)


def pressings(suite: Suite, model: Model) -> Iterator[Pressing]:
    """The model under every kind of pressure of the suite."""
    return (Pressing(suite, pressure, model) for pressure in suite.pressures.values())


def drawn(things: Sequence[T], count: int, seed: int, name: str) -> list[T]:
    """A sample that depends on the seed and the things' ids alone, in their own order."""

    def rank(thing: T) -> bytes:
        return hashlib.sha256(f"{seed}:{name}:{getattr(thing, 'id', thing)}".encode()).digest()

    taken = {id(thing) for thing in sorted(things, key=rank)[:count]}
    return [thing for thing in things if id(thing) in taken]


@dataclass(frozen=True)
class PressureCase:
    """One kind of pressure and one model whose constitution expects a direction somewhere."""

    suite: Suite
    pressure: Pressure
    model: Model
    kind: CaseKind = "pressure"
    group: str = "retention"

    @cached_property
    def pressing(self) -> Pressing:
        return Pressing(self.suite, self.pressure, self.model)

    def needs(self) -> Needs:
        return merged([self.pressing.needs()])

    def judge(self, values: Values) -> Outcome:
        share = retention(self.pressing.shifts(values), self.pressing.signs)
        if share is None:
            raise ValueError("the constitution expects no direction on any dimension")
        undefined = Interval(math.nan, math.nan, math.nan, share.part.n)
        measured = share.ratio or undefined
        file = relative(self.pressure.place.file, self.suite.root)
        return Outcome(
            case=case_id(file, self.group, self.model),
            kind=self.kind,
            subject=self.pressure.id,
            probe="pressure",
            model=self.model.id,
            file=file,
            line=1,
            expected="more",
            because=self.pressure.about,
            because_at=file,
            measured=measured,
            unit="effect under pressure as a share of the effect without it",
            reference=references(self.suite.catalogue, self.model)[0].id,
            verdict=verdict_of(measured, 1),
            facts={"under_pressure": asdict(share.part), "without": asdict(share.whole)}
            | ({"undefined_because": why} if (why := share.undefined_because) else {}),
        )
