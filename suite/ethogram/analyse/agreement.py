"""How far two raters agree beyond chance: Cohen's kappa with its interval."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ethogram.analyse.intervals import CONFIDENCE, Interval, Z


@dataclass(frozen=True, slots=True)
class Kappas:
    """A judge's kappas on one set of answers: two by yes or no, one over all labels.

    `labels` is None where the judge uses other labels than the answers bear.
    """

    declines: Interval
    complies: Interval
    labels: Interval | None


def cohen_kappa(one: Sequence[Hashable], other: Sequence[Hashable]) -> Interval:
    """Cohen's kappa (1960, Educ. Psychol. Meas. 20:37) of two raters, answer by answer.

    kappa = (p_o - p_e) / (1 - p_e); the interval is kappa +/- z times the large-sample error of
    Fleiss, Cohen and Everitt (1969, Psychol. Bull. 72:323, eq. 13). That error is nought where the
    raters agree on everything: the lower limit is then kappa at the exact (Clopper-Pearson) lower
    limit of p_o. Limits and value are NaN where both raters use one and the same label only, since
    chance alone would then agree as well. Raises ValueError on no or unequally many answers.
    """
    if len(one) != len(other) or not one:
        raise ValueError(f"{len(one)} labels against {len(other)}")
    n = len(one)
    names = {label: at for at, label in enumerate(dict.fromkeys((*one, *other)))}
    table = np.zeros((len(names), len(names)))
    np.add.at(table, ([names[a] for a in one], [names[b] for b in other]), 1 / n)
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    observed, chance = float(np.trace(table)), float(rows @ columns)
    if chance > 1 - 1e-12:
        return Interval(math.nan, math.nan, math.nan, n)
    kappa = (observed - chance) / (1 - chance)
    if observed > 1 - 1e-12:
        least = float(stats.beta.ppf((1 - CONFIDENCE) / 2, n, 1))
        return Interval(1.0, (least - chance) / (1 - chance), 1.0, n)
    # The cell of row i and column j goes with the margins of row j and column i.
    both = rows[None, :] + columns[:, None]
    weights = np.where(np.eye(len(names)) > 0, 1 - both * (1 - kappa), both * (1 - kappa))
    spread = float((table * weights**2).sum()) - (kappa - chance * (1 - kappa)) ** 2
    variance = max(0.0, spread / (n * (1 - chance) ** 2))
    half = Z * math.sqrt(variance)
    return Interval(kappa, max(-1.0, kappa - half), min(1.0, kappa + half), n)
