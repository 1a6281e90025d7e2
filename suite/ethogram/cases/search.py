"""The search for the smallest combination of changes that a property holds of. By hypothesis.

What is searched is made of numbers alone: slots, of which each may take one of its values or be
left as it is.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Combination: TypeAlias = tuple[tuple[int, int], ...]
"""(slot, value) pairs in the order of the slots; () changes nothing."""
Bits: TypeAlias = tuple[bool, ...]


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
