"""A scenario told otherwise: which changes apply to it, and its renderings under several of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from ethogram.measure.probes import QUESTION, Rendering, orders_of, prompt_of
from ethogram.specs.perturbations import Perturbation, Perturbations
from ethogram.specs.scenarios import Scenario

ORDERS = 8
"""Orders that a telling is asked under at most, in whole rounds: all 6 of three options."""
LEAST_OPTIONS = 3
"""Two options have two orders, under which no verdict can be decided."""


@dataclass(frozen=True)
class Telling:
    """All that a rendering is made of."""

    text: str
    options: tuple[str, ...]
    orders: tuple[tuple[int, ...], ...]
    setting: dict[str, str]
    reworded: dict[str, dict[str, str]] = field(default_factory=dict)
    """Values of placeholders that a retelling puts otherwise."""
    question: str = QUESTION
    replaced: tuple[tuple[str, str], ...] = ()
    ends: str = ""

    @property
    def renderings(self) -> tuple[Rendering, ...]:
        """One an order. Typography changes the prompt; the answers that are scored stay plain."""
        setting = {
            name: self.reworded.get(name, {}).get(value, value)
            for name, value in self.setting.items()
        }
        options = tuple(option.format_map(setting) for option in self.options)
        text = self.text.format_map(setting)
        return tuple(
            Rendering(self._typeset(prompt_of(text, options, order, self.question)), order, options)
            for order in self.orders
        )

    def _typeset(self, prompt: str) -> str:
        for old, new in self.replaced:
            prompt = prompt.replace(old, new)
        return prompt + self.ends


Put = Callable[[Telling], Telling]


@dataclass(frozen=True)
class Change:
    """A perturbation that takes one value. Of the changes in one slot a telling has at most one."""

    id: str
    value: str
    slot: str
    put: Put = field(compare=False, repr=False)

    @property
    def pair(self) -> tuple[str, str]:
        """As it is written down."""
        return self.id, self.value


@dataclass(frozen=True)
class Perturbing:
    """One scenario under one file of perturbations."""

    perturbations: Perturbations
    scenario: Scenario

    @cached_property
    def base(self) -> Telling:
        """The scenario under all orders, every placeholder at its first value."""
        options = tuple(option.text for option in self.scenario.options)
        return Telling(
            self.scenario.text,
            options,
            tuple(orders_of(len(options), self.scenario.id, ORDERS)),
            {name: values[0] for name, values in self.scenario.vary.items()},
        )

    @cached_property
    def slots(self) -> list[list[Change]]:
        """The changes that apply to the scenario, slot by slot in the order of the file."""
        found: dict[str, list[Change]] = {}
        plain = [rendering.prompt for rendering in self.base.renderings]
        for entry in self.perturbations.perturbations:
            for change in self._changes(entry):
                # A rule that finds nothing to replace is no change.
                if [r.prompt for r in change.put(self.base).renderings] != plain:
                    found.setdefault(change.slot, []).append(change)
        return list(found.values())

    def told(self, changes: Sequence[Change]) -> tuple[Rendering, ...]:
        """The renderings under all of the changes."""
        telling = self.base
        for change in changes:
            telling = change.put(telling)
        return telling.renderings

    def _changes(self, entry: Perturbation) -> Iterator[Change]:
        yield from self._settings(entry)
        if entry.order is not None:
            for order in self.base.orders:
                named = ", ".join(self.scenario.options[at].id for at in order)
                yield Change(entry.id, named, "order", _put(orders=(order,)))
        for question in entry.wording or ():
            yield Change(entry.id, question, "wording", _put(question=question))
        if entry.retold in self.scenario.retold:
            told = self.scenario.retold[entry.retold]
            options = tuple(told.options[option.id] for option in self.scenario.options)
            put = _put(text=told.text, options=options, reworded=told.reworded(self.scenario))
            yield Change(entry.id, entry.retold, "retold", put)
        if entry.replace is not None:
            value = ", ".join(f"{old!r} as {new!r}" for old, new in entry.replace)
            yield Change(entry.id, value, entry.id, _replacing(entry.replace))
        if entry.ends is not None:
            yield Change(entry.id, repr(entry.ends), entry.id, _ending(entry.ends))

    def _settings(self, entry: Perturbation) -> Iterator[Change]:
        """Every other value of every placeholder that the entry speaks of."""
        listed = self.perturbations.listed
        for name, values in self.scenario.vary.items():
            others = entry.vary == "all" and name not in listed
            if others or (isinstance(entry.vary, tuple) and name in entry.vary):
                for value in values[1:]:
                    put = _setting(name, value)
                    yield Change(entry.id, f"{name}: {value}", f"vary {name}", put)


def _put(**parts: object) -> Put:
    return lambda telling: replace(telling, **parts)  # type: ignore[arg-type]


def _setting(name: str, value: str) -> Put:
    return lambda telling: replace(telling, setting={**telling.setting, name: value})


def _replacing(rules: tuple[tuple[str, str], ...]) -> Put:
    return lambda telling: replace(telling, replaced=(*telling.replaced, *rules))


def _ending(text: str) -> Put:
    return lambda telling: replace(telling, ends=telling.ends + text)
