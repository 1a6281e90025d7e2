"""Whether an effect is owed to wording: to the question's, or to the constitution's own words.

Shifts are items x models, oriented: times the sign that each model's signature expects, so that
above zero is always "as expected". What is not defined is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ethogram.analyse.intervals import CONFIDENCE, SEED, Interval, mean_interval, sign_interval

Floats = NDArray[np.float64]
Matrix = Floats
"""(items, models)."""
RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Paraphrase:
    """The effect under the question and under its paraphrase, on the same items and models.

    Effects in [-1, 1], as expected above zero. `difference` = paraphrased - asked. `same`: share of
    shifts that keep their sign (ties do not count). `n` counts item x model; clusters are items.
    """

    asked: Interval
    paraphrased: Interval
    difference: Interval
    same: Interval | None


def paraphrase(asked: Matrix, paraphrased: Matrix) -> Paraphrase | None:
    """Compare two wordings of the question; None where no model has an expected sign."""
    if not asked.size:
        return None
    moved = np.sign(asked) * np.sign(paraphrased)
    kept = np.flatnonzero(moved.ravel())
    items = _clusters(asked)
    difference = (np.sign(paraphrased) - np.sign(asked)).mean(axis=1)
    same = None
    if len(kept):
        found = sign_interval(moved.ravel()[kept], [items[i] for i in kept])
        value, low, high = ((1 + x) / 2 for x in (found.value, found.low, found.high))
        same = Interval(value, low, high, found.n)
    return Paraphrase(
        asked=sign_interval(asked.ravel(), items),
        paraphrased=sign_interval(paraphrased.ravel(), items),
        difference=mean_interval(difference),
        same=same,
    )


@dataclass(frozen=True, slots=True)
class OwnWords:
    """The effect on items where the constitution's own words speak for the expected side or not.

    `aligned`: the side that the signature favours has more of the constitution's vocabulary; there
    a model that learnt words and no stance moves as expected too. `crossed`: the other side has
    more of it; there such a model moves the other way. `surviving` = crossed / aligned: 1 where
    words make no difference, 0 where nothing is left without them, below 0 where words decide.
    None where the aligned effect does not exclude zero: a share of nothing.
    """

    aligned: Interval | None
    crossed: Interval | None
    surviving: Interval | None


def own_words(shifts: Sequence[Matrix], cues: Sequence[Matrix]) -> OwnWords:
    """Pooled over dimensions, every item of every model alike.

    `shifts` are oriented; `cues` say for each how much more of the constitution's vocabulary the
    expected side has (0: as much; such an item is on neither side).
    """
    pairs = [pair for s, c in zip(shifts, cues, strict=True) for pair in zip(s, c, strict=True)]
    aligned, crossed = _rows(pairs, 1), _rows(pairs, -1)
    one, other = _pooled(aligned), _pooled(crossed)
    surviving = None
    if one is not None and other is not None and one.low > 0:
        surviving = _ratio(aligned, crossed, other.value / one.value)
    return OwnWords(one, other, surviving)


def _rows(pairs: Sequence[tuple[Floats, Floats]], side: int) -> list[Floats]:
    """The signs of the shifts on one side of the cues, item by item."""
    rows = [np.sign(shifts[np.sign(cues) == side]) for shifts, cues in pairs]
    return [row for row in rows if len(row)]


def _pooled(rows: Sequence[Floats]) -> Interval | None:
    clusters = [index for index, row in enumerate(rows) for _ in row]
    return sign_interval(np.concatenate(rows), clusters) if rows else None


def _ratio(aligned: Sequence[Floats], crossed: Sequence[Floats], value: float) -> Interval:
    """The mean on one side over that on the other, percentile bootstrap over the items of each."""
    chance = np.random.default_rng(SEED)
    drawn = []
    for rows in (aligned, crossed):
        sums, sizes = np.array([row.sum() for row in rows]), np.array([len(row) for row in rows])
        index = chance.integers(len(rows), size=(RESAMPLES, len(rows)))
        drawn.append(sums[index].sum(axis=1) / sizes[index].sum(axis=1))
    positive = drawn[0] > 0
    ratios = drawn[1] / np.where(positive, drawn[0], 1.0)
    # A resample without an aligned effect bounds the share on no side.
    ratios = np.where(positive, ratios, np.where(drawn[1] < 0, -np.inf, np.inf))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(ratios, [tail, 1 - tail], method="nearest")
    n = sum(map(len, (*aligned, *crossed)))
    return Interval(value, min(float(low), value), max(float(high), value), n)


def _clusters(shifts: Matrix) -> list[int]:
    """The item of every entry of the flattened matrix."""
    found: list[int] = np.repeat(np.arange(len(shifts)), shifts.shape[1]).tolist()
    return found
