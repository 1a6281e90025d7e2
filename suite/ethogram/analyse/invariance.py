"""Do verdicts survive a change of what is morally irrelevant, more often than chance undoes them?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ethogram.analyse.effects import Verdict, verdict_of
from ethogram.analyse.intervals import SEED, Interval, sign_interval
from ethogram.analyse.resample import Floats

SPLITS = 200
"""Random divisions over which a noise floor is averaged."""


@dataclass(frozen=True, slots=True)
class Survival:
    """One case: which of its perturbations left the verdict as it was, and its noise floor.

    `floor`: the share of random divisions of the unperturbed observations that change it. `still`:
    nothing moved before any perturbation, so that there is no verdict to keep.
    """

    kept: tuple[bool, ...]
    floor: float
    still: bool = False


STILL = Survival((), math.nan, still=True)


@dataclass(frozen=True, slots=True)
class Invariance:
    """`survives`: the share of perturbed verdicts that stay; 1 - survives is to be read beside
    `floor`, the share that changes where nothing but the choice of observations does. `left_out`:
    cases without a verdict to keep, which are in neither; where all are, there is no number.
    """

    survives: Interval
    floor: float
    cases: int
    left_out: int

    @property
    def undefined_because(self) -> str | None:
        """Why there is no number; None where there is one."""
        if self.cases:
            return None
        return f"none of {self.left_out} cases moved against the reference: no verdict to keep"


def dimension_survival(
    base: Floats,
    frames: Sequence[Floats],
    sign: int,
    clusters: Sequence[Sequence[object] | None] | None = None,
) -> Survival:
    """A dimension under other question frames: its verdict on all items (METHOD 4).

    `clusters`: of the items answered under its own question, then under every frame. Floor: the
    two random halves of the items (of the clusters) under the dimension's own question. A half decides
    less often than the whole, which makes the floor, if anything, too low for undecided cases.
    """
    if frames and not base.any():
        return STILL
    stems, *others = clusters or [None] * (1 + len(frames))
    own = verdict_of(sign_interval(base, stems), sign)
    kept = tuple(
        verdict_of(sign_interval(frame, names), sign) == own
        for frame, names in zip(frames, others, strict=True)
    )
    changed = [
        _half(base, first, stems, sign) != _half(base, rest, stems, sign)
        for first, rest in _halves(len(base), stems)
    ]
    return Survival(kept, float(np.mean(changed)))


def scenario_survival(settings: Sequence[Floats]) -> Survival:
    """A scenario in other settings: whether the mean preference shift keeps its direction.

    `settings`: the shifts of the renderings of every setting, the first one being the base. Few
    renderings share a setting, so that the direction stands for the verdict. Floor: the renderings
    dealt out at random to groups of the same sizes, as if settings made no difference. A base
    without a direction has none to keep.
    """
    pooled = np.concatenate(list(settings))
    own = _direction(settings[0])
    if own == 0:
        return STILL
    kept = tuple(_direction(other) == own for other in settings[1:])
    changed = [
        _direction(pooled[groups[0]]) != _direction(pooled[group])
        for groups in _divisions(len(pooled), [len(part) for part in settings])
        for group in groups[1:]
    ]
    return Survival(kept, float(np.mean(changed)))


def invariance(cases: Sequence[Survival]) -> Invariance | None:
    """Over all perturbed verdicts, clustered by case; None where nothing was perturbed."""
    told, still = [case for case in cases if case.kept], sum(case.still for case in cases)
    if not told:
        undefined = Interval(math.nan, math.nan, math.nan, 0)
        return Invariance(undefined, math.nan, 0, still) if still else None
    kept = [1.0 if yes else -1.0 for case in told for yes in case.kept]
    clusters = [at for at, case in enumerate(told) for _ in case.kept]
    found = sign_interval(kept, clusters)
    value, low, high = ((limit + 1) / 2 for limit in (found.value, found.low, found.high))
    share = Interval(value, low, high, found.n)
    return Invariance(share, float(np.mean([case.floor for case in told])), len(told), still)


def _direction(shifts: Floats) -> float:
    return float(np.sign(shifts.mean()))


def _half(base: Floats, items: np.ndarray, stems: Sequence[object] | None, sign: int) -> Verdict:
    named = None if stems is None else [stems[item] for item in items]
    return verdict_of(sign_interval(base[items], named), sign)


def _halves(n: int, stems: Sequence[object] | None) -> list[list[np.ndarray]]:
    """Random halves of n items; those that share a stem stay together, or no half is fresh."""
    index = (
        np.arange(n) if stems is None else np.unique(np.array(stems, str), return_inverse=True)[1]
    )
    count = int(index.max()) + 1
    if count < 2:  # one stem cannot be divided: it decides nothing, whole or in part
        return [[np.arange(n)] * 2]
    halves = _divisions(count, [count // 2, count - count // 2])
    if stems is None:
        return halves
    return [[np.flatnonzero(np.isin(index, half)) for half in pair] for pair in halves]


def _divisions(n: int, sizes: Sequence[int]) -> list[list[np.ndarray]]:
    """Random divisions of n observations into groups of these sizes; fixed seed."""
    chance, ends = np.random.default_rng(SEED), np.cumsum(sizes)[:-1]
    return [np.split(chance.permutation(n), ends) for _ in range(SPLITS)]
