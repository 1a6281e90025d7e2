from __future__ import annotations

import math

import numpy as np
import pytest

from ethogram.analyse.intervals import sign_interval
from ethogram.analyse.resample import Stratum, drawn, percentiles, resampled


def first(means):
    return means[0][:, 0]


def test_the_mean_of_one_column_has_the_interval_of_the_normal_theory() -> None:
    values = np.random.default_rng(0).normal(1.0, 2.0, 60)
    found = resampled([Stratum.of(values)], first)
    half = 1.96 * values.std() / math.sqrt(60)
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx(
        (found.value - half, found.value + half), abs=0.06
    )
    assert found.n == 60


def test_signs_that_all_agree_keep_a_width_like_that_of_the_sign_interval() -> None:
    alone = resampled([Stratum.of(np.ones(24), bounded=True)], first, (-1, 1))
    known = sign_interval(np.ones(24))
    assert alone.value == alone.high == 1.0
    assert alone.low == pytest.approx(known.low, abs=0.14)
    assert math.isnan(resampled([Stratum.of(np.ones(24))], first).low)


def test_the_noise_of_a_mean_is_its_sampling_variance() -> None:
    chance = np.random.default_rng(1)
    pairs = chance.multivariate_normal([0, 0], [[1.0, 0.6], [0.6, 2.0]], size=4_000)
    found = Stratum.of(pairs).noise() * 4_000
    assert found == pytest.approx(np.array([[1.0, 0.6], [0.6, 2.0]]), abs=0.12)
    signs = np.sign(pairs)
    assert Stratum.of(signs, bounded=True).noise() == pytest.approx(
        Stratum.of(signs).noise(), rel=0.01
    )


def test_a_cluster_counts_once_however_often_it_is_repeated() -> None:
    values = np.random.default_rng(2).normal(size=20)
    names = np.repeat(range(20), 3).tolist()
    once, again = Stratum.of(values), Stratum.of(np.repeat(values, 3), names)
    assert again.noise() == pytest.approx(once.noise())
    assert (again.means, again.n) == (pytest.approx(once.means), 60)


def test_a_column_that_an_item_lacks_does_not_enter_its_mean() -> None:
    found = Stratum.of([[1.0, np.nan], [0.0, 1.0], [-1.0, np.nan], [1.0, 1.0]], bounded=True)
    assert found.means.tolist() == [0.25, 1.0]
    (draws,) = drawn([found], 500)
    assert draws.shape == (500, 2) and np.isfinite(draws).mean() > 0.98


def test_columns_are_resampled_together() -> None:
    values = np.random.default_rng(3).normal(size=30)
    (draws,) = drawn([Stratum.of(np.column_stack([values, values]))], 200)
    assert draws[:, 0] == pytest.approx(draws[:, 1])


def test_draws_scatter_around_the_means_and_are_the_same_every_time() -> None:
    stratum = Stratum.of(np.array([1.0] * 20 + [-1.0] * 4), bounded=True)
    (draws,), (again,) = drawn([stratum]), drawn([stratum])
    assert draws.mean() == pytest.approx(stratum.means[0], abs=0.01)
    assert np.array_equal(draws, again)
    assert draws.std() ** 2 == pytest.approx(stratum.noise()[0, 0], rel=0.1)


@pytest.mark.parametrize("rows", [[], [[np.nan], [np.nan]], [[np.inf]]])
def test_a_column_without_numbers_is_refused(rows: list) -> None:
    with pytest.raises(ValueError, match="finite numbers"):
        Stratum.of(rows)
    with pytest.raises(ValueError, match="2 items, but 1 names"):
        Stratum.of([1.0, 2.0], ["a"])


def test_too_many_resamples_without_a_value_leave_no_interval() -> None:
    some = np.where(np.arange(1_000) < 150, np.nan, np.linspace(0, 1, 1_000))
    assert math.isnan(percentiles(0.5, some, 9).low)
    few = np.where(np.arange(1_000) < 50, np.nan, np.linspace(0, 1, 1_000))
    assert percentiles(0.5, few, 9).low == pytest.approx(0.07, abs=0.01)
    assert math.isnan(percentiles(math.nan, few, 9).low)


def test_many_clusters_are_drawn_from_the_normal_limit() -> None:
    values = np.random.default_rng(4).normal(size=4_000)
    (draws,) = drawn([Stratum.of(values)])
    assert (draws.mean(), draws.std()) == pytest.approx(
        (values.mean(), 1 / math.sqrt(4_000)), abs=2e-3
    )
