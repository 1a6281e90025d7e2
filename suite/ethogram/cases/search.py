"""The search for the smallest combination of changes that flips a verdict. By hypothesis.

What is searched is made of numbers alone: slots, of which each may take one of its values or be
left as it is. A budget bounds how many queries may be asked.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from ethogram.analyse.flips import Standing, Turned, turned
from ethogram.analyse.resample import Floats
from ethogram.cases.base import Needs
from ethogram.plan import NotMeasured
from ethogram.specs.perturbations import KnownFlip

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Combination: TypeAlias = tuple[tuple[int, int], ...]
"""(slot, value) pairs in the order of the slots; () changes nothing."""
Bits: TypeAlias = tuple[bool, ...]
EXAMPLES = 10
"""Combinations that are drawn for each one that the budget pays for: many are drawn twice."""


class Spent(BaseException):
    """Nothing has flipped, and the budget does not pay for what would be tried next.

    No Exception: hypothesis would take it for what it is looking for.
    """


class Unscored(BaseException):
    """A combination of which scores are missing: `needs` names them. No Exception, as Spent is none."""

    def __init__(self, needs: Needs, reason: NotMeasured) -> None:
        super().__init__(str(reason))
        self.needs = needs
        self.reason = reason


@dataclass(frozen=True)
class Found:
    """What a search came to. `flip` is None where nothing flips, or where there is no verdict."""

    base: Floats
    flip: Combination | None
    how: Turned | None
    least: bool
    """Whether it is known that no change can be left out of the flip."""
    known: KnownFlip | None
    """The exploration that had found the flip before."""
    tried: dict[Combination, Floats]
    asked: int
    refused: int
    """Combinations that were too dear for what was left of the budget."""


@dataclass
class Search:
    """One search over stored scores; it stops with Unscored where the next score is missing."""

    sizes: Sequence[int]
    """How many values each slot has."""
    asks: Callable[[Combination], Needs]
    """The queries of a combination, whether their scores are stored or not."""
    shifts: Callable[[Combination], Floats]
    """Its shifts, shape (renderings,), in nats per token. Raises NotMeasured."""
    known: Sequence[tuple[KnownFlip, Combination]]
    """Flips found before, which are tried first."""
    budget: int
    """(model, query) pairs that may be asked."""
    seed: str
    asked: set[tuple[str, str]] = field(default_factory=set)
    tried: dict[Combination, Floats] = field(default_factory=dict)
    refused: set[Combination] = field(default_factory=set)
    flipped: bool = False
    """Whether there is a flip already: what is too dear then only ends its shrinking."""

    def run(self) -> Found:
        base = self._shifts(())
        if not Standing.of(base).sign:
            return self._found(base, None, None)
        for known, combination in self.known:
            if self._flips(combination):
                return self._found(base, least(combination, self._flips), known)
        # A known flip that is too dear today does not end the search for others.
        self.refused.clear()
        examples = EXAMPLES * (1 + self.budget // len(self.asked))
        try:
            flip = smallest(self.sizes, self._tries, self.seed, examples)
        except Spent:
            flip = None
        return self._found(base, flip, None)

    def _tries(self, combination: Combination) -> bool:
        flips = self._flips(combination)
        if self.refused and not self.flipped:
            raise Spent
        self.flipped |= flips
        return flips

    def _flips(self, combination: Combination) -> bool:
        """Whether it flips the verdict. What the budget does not pay for does not."""
        if combination not in self.tried:
            if combination in self.refused:
                return False
            if len(self.asked | self._price(combination)) > self.budget:
                self.refused.add(combination)
                return False
            self._shifts(combination)
        return turned(self.tried[()], self.tried[combination]) is not None

    def _price(self, combination: Combination) -> set[tuple[str, str]]:
        needs = self.asks(combination)
        return {(model, query.key) for model, asked in needs.items() for query in asked}

    def _shifts(self, combination: Combination) -> Floats:
        try:
            shifts = self.shifts(combination)
        except NotMeasured as reason:
            raise Unscored(self.asks(combination), reason) from None
        self.asked |= self._price(combination)
        self.tried[combination] = shifts
        return shifts

    def _found(self, base: Floats, flip: Combination | None, known: KnownFlip | None) -> Found:
        return Found(
            base=base,
            flip=flip,
            how=turned(base, self.tried[flip]) if flip else None,
            least=flip is not None and self.refused.isdisjoint(smaller(flip)),
            known=known,
            tried={c: shifts for c, shifts in self.tried.items() if c},
            asked=len(self.asked),
            refused=len(self.refused),
        )


def smallest(
    sizes: Sequence[int], holds: Callable[[Combination], bool], seed: str, examples: int
) -> Combination | None:
    """What hypothesis finds and shrinks, less what is not needed of it; None where it finds none.

    `sizes`: how many values each slot has. `holds` must answer alike whenever it is asked the same;
    what it raises that is no Exception ends the search and comes out. The same seed gives the same
    search, on any machine: no example database, no time limit.
    """
    # Imported here: whoever only collects cases needs no engine.
    from hypothesis import Phase, find, settings
    from hypothesis.errors import NoSuchExample, Unsatisfiable

    profile = settings(
        derandomize=True,
        database=None,
        deadline=None,
        max_examples=examples,
        phases=(Phase.generate, Phase.shrink),
    )
    try:
        found = find(
            combinations(sizes),
            lambda drawn: bool(drawn) and holds(drawn),
            settings=profile,
            random=random.Random(seed),
        )
    except (NoSuchExample, Unsatisfiable):
        return None
    return least(found, holds)


def least(combination: Combination, holds: Callable[[Combination], bool]) -> Combination:
    """Without every change that is not needed.

    Shrinking leaves out most of them, but now and then it stops at one that it cannot cut out.
    """
    for part in smaller(combination):
        if holds(part):
            return least(part, holds)
    return combination


def smaller(combination: Combination) -> Iterator[Combination]:
    """The combination without each of its changes in turn, as long as something is left."""
    if len(combination) > 1:
        for at in range(len(combination)):
            yield combination[:at] + combination[at + 1 :]


def combinations(sizes: Sequence[int]) -> SearchStrategy[Combination]:
    """Combinations of which the least is (), and fewer changes come before more.

    Made of booleans only: integers would sometimes be taken from the constants of whatever modules
    happen to be loaded, and a search would not be the same everywhere.
    """
    from hypothesis import strategies as st

    def bits(count: int) -> SearchStrategy[Bits]:
        return st.tuples(*[st.booleans()] * max(1, (count - 1).bit_length()))

    change = st.tuples(bits(len(sizes)), bits(max(sizes)))
    return st.lists(change, max_size=len(sizes)).map(lambda drawn: _combination(sizes, drawn))


def _combination(sizes: Sequence[int], drawn: Sequence[tuple[Bits, Bits]]) -> Combination:
    """One value a slot: the first that was drawn for it."""
    found: dict[int, int] = {}
    for which, what in drawn:
        slot = _number(which) % len(sizes)
        found.setdefault(slot, _number(what) % sizes[slot])
    return tuple(sorted(found.items()))


def _number(bits: Bits) -> int:
    return sum(1 << place for place, bit in enumerate(reversed(bits)) if bit)
