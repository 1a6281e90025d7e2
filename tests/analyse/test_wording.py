from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from ethogram.analyse.wording import OwnWords, own_words, paraphrase

Matrix = NDArray[np.float64]


def one(matrix: Matrix, cues: Matrix) -> OwnWords:
    return own_words([matrix], [cues])


def halves(aligned: float, crossed: float, items: int = 20, models: int = 2) -> OwnWords:
    """The given share of shifts as expected on the aligned half of the items and the crossed."""
    columns = []
    for share in (aligned, crossed):
        up = round(share * items)
        columns += [1.0] * up + [-1.0] * (items - up)
    matrix = np.tile(np.array(columns)[:, None], (1, models))
    cues = np.repeat([0.3, -0.3], items)[:, None] * np.ones((1, models))
    return one(matrix, cues)


def test_the_same_answers_under_both_wordings_agree() -> None:
    shifts = np.random.default_rng(0).normal(0.5, 1, (24, 6))
    found = paraphrase(shifts, shifts * 2)
    assert found is not None and found.same is not None
    assert found.asked == found.paraphrased
    assert (found.same.value, found.same.n) == (1.0, 144)
    assert found.difference.value == 0.0 and math.isnan(found.difference.low)


def test_an_effect_that_hangs_on_the_wording_shows() -> None:
    chance = np.random.default_rng(0)
    shifts = np.abs(chance.normal(size=(24, 6)))
    found = paraphrase(shifts, chance.normal(size=(24, 6)))
    assert found is not None and found.same is not None
    assert found.asked.value == 1.0 and abs(found.paraphrased.value) < 0.3
    assert found.difference.high < 0
    assert found.same.low < 0.6


def test_ties_keep_no_sign_and_no_model_no_comparison() -> None:
    found = paraphrase(np.zeros((4, 2)), np.ones((4, 2)))
    assert found is not None and found.same is None
    assert paraphrase(np.zeros((4, 0)), np.zeros((4, 0))) is None


@pytest.mark.parametrize(
    ("aligned", "crossed", "share"), [(1.0, 1.0, 1.0), (1.0, 0.5, 0.0), (0.9, 0.3, -0.5)]
)
def test_the_share_that_survives_without_own_words(
    aligned: float, crossed: float, share: float
) -> None:
    found = halves(aligned, crossed)
    assert found.aligned is not None and found.aligned.value == pytest.approx(2 * aligned - 1)
    assert found.crossed is not None and found.crossed.value == pytest.approx(2 * crossed - 1)
    assert found.surviving is not None and found.surviving.value == pytest.approx(share)
    assert found.surviving.low <= share <= found.surviving.high
    assert found.surviving.n == 80


def test_of_no_effect_there_is_no_share() -> None:
    found = halves(0.5, 0.9)
    assert found.aligned is not None and found.surviving is None


def test_an_item_that_words_leave_open_is_on_neither_side() -> None:
    found = one(np.ones((5, 2)), np.zeros((5, 2)))
    assert found == OwnWords(None, None, None)
    mixed = one(np.ones((2, 2)), np.array([[0.1, -0.1], [0.0, 0.2]]))
    assert mixed.aligned is not None and mixed.aligned.n == 2
    assert mixed.crossed is not None and mixed.crossed.n == 1
