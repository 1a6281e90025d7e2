"""Belief -> choice: do the choices in scenarios agree with the beliefs stated in the diagnostic?

Every framework gets two scores of a model. Its *belief* score is the signature match of the
model's persona shifts with the framework's signature (METHOD 5). Its *choice* score is the sign
effect over scenarios: of those in which the framework endorses some options and not all, the share
in which the preference for the endorsed options rose minus the share in which it fell. A scenario
is one observation: the mean over its renderings, which are no independent ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ethogram.analyse.intervals import UNCLUSTERED, Clusters, Interval, sign_interval
from ethogram.analyse.projectability import Shifts, Signs, signature_match
from ethogram.analyse.resample import Floats, Stratum, resampled

Choices = Mapping[str, Mapping[str, float]]
"""Per framework: mean shift of the preference for its options by scenario, in nats per token."""
LEAST = 3
"""Frameworks that a correlation needs: any two points lie on a line."""


@dataclass(frozen=True, slots=True)
class BeliefChoice:
    """Beliefs and choices of one model, scored for every framework that has both.

    `agreement`: Pearson's correlation of the two scores over frameworks, which leaves out what
    moves all frameworks alike; NaN limits where either hardly varies, None below three frameworks.
    `alike`: the share of frameworks on which the scores have one sign. `rank`: of the model's own
    framework among the choice scores; ties share the better rank.
    """

    own: Interval
    rank: int
    of: int
    agreement: Interval | None
    alike: float
    beliefs: dict[str, Interval]
    choices: dict[str, Interval]


def choice_match(shifts: Mapping[str, float]) -> Interval | None:
    """The sign effect over scenarios, in [-1, 1]; None without scenarios."""
    return sign_interval(list(shifts.values())) if shifts else None


def belief_choice(
    shifts: Shifts,
    signatures: Mapping[str, Signs],
    choices: Choices,
    own: str,
    clusters: Clusters = UNCLUSTERED,
) -> BeliefChoice | None:
    """Agreement of beliefs with choices; None where the own framework lacks either score."""
    beliefs = {name: signature_match(shifts, signs, clusters) for name, signs in signatures.items()}
    stated = {name: found for name, found in beliefs.items() if found is not None}
    chosen = {name: found for name in choices if (found := choice_match(choices[name]))}
    names = sorted(stated.keys() & chosen.keys())
    if own not in names:
        return None
    agreement = None
    if len(names) >= LEAST:
        agreement = _agreement(
            shifts, [signatures[n] for n in names], [choices[n] for n in names], clusters
        )
    return BeliefChoice(
        own=chosen[own],
        rank=1 + sum(chosen[name].value > chosen[own].value for name in names),
        of=len(names),
        agreement=agreement,
        alike=sum(stated[n].value * chosen[n].value > 0 for n in names) / len(names),
        beliefs={name: stated[name] for name in names},
        choices={name: chosen[name] for name in names},
    )


def _agreement(
    shifts: Shifts,
    signatures: list[Signs],
    choices: list[Mapping[str, float]],
    clusters: Clusters,
) -> Interval:
    """The correlation, resampled over the items (or stems) of every dimension and over scenarios.

    A scenario is drawn for all frameworks at once: its options are judged by several of them.
    """
    names = sorted(shifts)
    weights = np.array([_weights(signs, names) for signs in signatures]).T
    scenarios = sorted({name for shift in choices for name in shift})
    table = [[np.sign(shift.get(name, np.nan)) for shift in choices] for name in scenarios]
    strata = [Stratum.of(np.sign(shifts[n]), clusters.get(n), bounded=True) for n in names]
    strata.append(Stratum.of(table, bounded=True))

    def correlation(means: list[Floats]) -> Floats:
        stated = np.column_stack([part[:, 0] for part in means[:-1]]) @ weights
        return _correlated(stated, means[-1])

    return resampled(strata, correlation, (-1.0, 1.0))


def _weights(signs: Signs, names: list[str]) -> list[float]:
    given = [float(signs.get(name, 0)) for name in names]
    total = sum(map(abs, given))
    return [sign / total for sign in given]


def _correlated(left: NDArray[np.float64], right: NDArray[np.float64]) -> Floats:
    """Pearson's correlation along the last axis; NaN where a side does not vary."""
    a = left - left.mean(axis=-1, keepdims=True)
    b = right - right.mean(axis=-1, keepdims=True)
    length = np.sqrt(np.sum(a**2, axis=-1) * np.sum(b**2, axis=-1))
    found: Floats = np.sum(a * b, axis=-1) / np.where(length > 1e-12, length, np.nan)
    return found
