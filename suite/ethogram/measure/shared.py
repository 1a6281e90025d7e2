"""What the prompts of a batch have in common, so that it is computed once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from ethogram.source.chat import common_length

PASS = 128
"""Tokens that could be computed in the time that one more forward pass costs beside its tokens."""
ALIKE = 16
"""Tokens beyond the start of all that make two neighbours a group."""


@dataclass(frozen=True, slots=True)
class Shared:
    """A batch in up to three passes: the start of all prompts, the starts of groups, the rests."""

    start: int
    """Tokens that all prompts begin with."""
    groups: tuple[tuple[int, int], ...]
    """(prompts in the group, tokens that they begin with); empty where groups save nothing."""
    computed: int
    """Tokens that go through the model, padding included."""
    slots: int
    """Places that a prompt takes in the cache, padding included."""

    @classmethod
    def of(cls, lengths: Sequence[int], alike: Sequence[int]) -> Shared:
        """`alike[i]`: tokens that prompts i and i + 1 begin with, at most all but one of either."""
        if not lengths:
            return cls(0, (), 0, 0)
        start = min(alike, default=0)
        # A pass of one token alone is multiplied by other routines than its like in a batch.
        start = start if start > 1 else 0
        plain = start + len(lengths) * (max(lengths) - start)
        groups = _groups(lengths, alike, start)
        if not groups:
            return cls(start, (), plain, max(lengths))
        first, rest = 0, 0
        for (size, begin), at in zip(groups, _firsts(groups), strict=True):
            first = max(first, begin - start)
            rest = max(rest, max(lengths[at : at + size]) - begin)
        grouped = start + len(groups) * first + len(lengths) * rest
        if grouped + PASS >= plain:
            return cls(start, (), plain, max(lengths))
        return cls(start, groups, grouped, start + first + rest)

    @classmethod
    def by(cls, prompts: Sequence[list[int]]) -> Shared:
        """Of tokenised prompts, in the order in which they stand."""
        pairs = itertools.pairwise(prompts)
        return cls.of(
            [len(tokens) for tokens in prompts], [common_length([a, b]) for a, b in pairs]
        )


def _groups(
    lengths: Sequence[int], alike: Sequence[int], start: int
) -> tuple[tuple[int, int], ...]:
    """Neighbours that begin alike; a prompt without such a neighbour is a group of one."""
    found: list[list[int]] = [[1, 0]]
    for common_tokens in alike:
        if common_tokens - start >= ALIKE:
            size, begin = found[-1]
            found[-1] = [size + 1, common_tokens if size == 1 else min(begin, common_tokens)]
        else:
            found.append([1, 0])
    rests = [
        max(lengths[at : at + size]) - begin
        for (size, begin), at in zip(found, _firsts(found), strict=True)
        if size > 1
    ]
    if not rests or len(found) == 1:
        return ()
    return tuple(
        # One that stands alone is cut where its rest is no longer than that of the others.
        (size, begin if size > 1 else max(start, lengths[at] - max(rests)))
        for (size, begin), at in zip(found, _firsts(found), strict=True)
    )


def _firsts(groups: Sequence[Sequence[int]]) -> list[int]:
    """The number of each group's first prompt."""
    found, at = [], 0
    for size, _ in groups:
        found.append(at)
        at += size
    return found
