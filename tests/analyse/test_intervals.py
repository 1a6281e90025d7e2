from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import minimize_scalar

from ethogram.analyse.intervals import (
    Interval,
    adjusted_interval,
    auc,
    combined,
    difference_interval,
    effective_size,
    mean_interval,
    proportion,
    sign_interval,
)

N = 24
SLACK = 1e-12
shifts = st.lists(st.floats(-5, 5).map(lambda x: round(x, 3)), min_size=1, max_size=40)


@cache
def counted(up: int, down: int, n: int = N) -> Interval:
    """The interval depends on the counts alone, so each is computed once."""
    return sign_interval([1.0] * up + [-1.0] * down + [0.0] * (n - up - down))


@cache
def adjusted(up: int) -> Interval:
    return adjusted_interval([1.0] * up + [-1.0] * (N - up))


def exact_coverage(effect: float, ties: float) -> float:
    """The probability that the interval holds the true effect, summed over all outcomes."""
    pairs = [(up, down) for up in range(N + 1) for down in range(N + 1 - up)]
    outcomes = np.array([(up, down, N - up - down) for up, down in pairs])
    covered = [
        counted(up, down).low - SLACK <= effect <= counted(up, down).high + SLACK
        for up, down in pairs
    ]
    up, down = (1 - ties + effect) / 2, max(0.0, (1 - ties - effect) / 2)
    chances = stats.multinomial.pmf(outcomes, N, [up, down, max(0.0, 1 - up - down)])
    assert np.nansum(chances) == pytest.approx(1)
    return float(np.nansum(chances[np.array(covered)]))


GRID = [
    (effect, ties)
    for ties in (0.0, 0.3, 0.7)
    for effect in np.arange(0, 0.96, 0.05).round(2).tolist()
    if effect <= 1 - ties + SLACK
]


@pytest.mark.parametrize(("effect", "ties"), GRID)
def test_simulated_coverage_of_the_sign_interval_at_24_items(effect: float, ties: float) -> None:
    draws = 4_000
    chance = np.random.default_rng(int(1_000 * effect + 10 * ties))
    up, down = (1 - ties + effect) / 2, max(0.0, (1 - ties - effect) / 2)
    counts = chance.multinomial(N, [up, down, max(0.0, 1 - up - down)], size=draws)
    covered = np.mean(
        [
            counted(u, d).low - SLACK <= effect <= counted(u, d).high + SLACK
            for u, d, _ in counts.tolist()
        ]
    )
    exact = exact_coverage(effect, ties)
    # A count of 24 is discrete: near an effect of 1 no interval covers exactly 95 %.
    assert 0.93 <= exact <= (0.971 if effect < 0.75 and ties < 0.7 else 0.98)
    assert abs(covered - exact) < 4 * math.sqrt(exact * (1 - exact) / draws) + 1e-3


def test_between_the_grid_points_coverage_never_falls_below_91_percent() -> None:
    # A discrete count makes coverage jump: 0.918 is the worst without ties up to effect 0.95.
    for ties in (0.0, 0.3, 0.7):
        found = [
            exact_coverage(effect, ties) for effect in np.arange(0, min(0.95, 1 - ties), 0.004)
        ]
        assert min(found) >= 0.915
        assert 0.945 <= np.mean(found) <= 0.965


def test_a_percentile_bootstrap_collapses_where_the_sign_interval_does_not() -> None:
    effect, draws = 0.95, 2_000
    chance = np.random.default_rng(0)
    ups = chance.binomial(N, (1 + effect) / 2, size=draws)
    resampled = 2 * chance.binomial(N, ups[:, None] / N, size=(draws, 2_000)) / N - 1
    low, high = np.quantile(resampled, [0.025, 0.975], axis=1)
    naive = np.mean((low <= effect) & (effect <= high))
    ours = [counted(int(up), N - int(up)) for up in ups]
    assert naive < 0.6
    assert np.mean(high[ups == N] - low[ups == N]) == 0
    assert np.mean([i.low <= effect <= i.high for i in ours]) >= 0.925
    assert min(i.high - i.low for i in ours) > 0.1


def test_the_sign_effect_is_twice_the_share_up_plus_the_ties_minus_one() -> None:
    values = np.array([0.4, 2.0, -0.1, 0.0, 0.3, 0.0, -3.0, 1e-9])
    formula = 2 * np.mean(values > 0) + np.mean(values == 0) - 1
    assert sign_interval(values).value == pytest.approx(formula) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("up", "down", "value", "low", "high"),
    [
        # Wilson's for shares of 1 and of one half: (24 - z^2) / (24 + z^2); z / sqrt(24 + z^2).
        (24, 0, 1.0, 0.724048, 1.0),
        (12, 12, 0.0, -0.371451, 0.371451),
        # Nothing moved: z^2 / (24 + z^2).
        (0, 0, 0.0, -0.137976, 0.137976),
    ],
)
def test_limits_agree_with_tango_by_hand(
    up: int, down: int, value: float, low: float, high: float
) -> None:
    found = counted(up, down)
    assert (found.value, found.n) == (value, 24)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize("n", [1, 2, 5, 24, 101])
def test_without_ties_the_interval_is_that_of_wilson(n: int) -> None:
    for up in range(n + 1):
        share = proportion(up, n)
        found = counted(up, n - up, n)
        expected = (2 * share.low - 1, 2 * share.high - 1)
        assert (found.low, found.high) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(("up", "down", "n"), [(12, 2, 20), (8, 4, 24), (1, 0, 24), (30, 11, 90)])
def test_at_a_limit_the_score_test_is_just_not_rejected(up: int, down: int, n: int) -> None:
    """The likelihood under each difference is maximised by search, not by the formula."""
    found = counted(up, down, n)
    for difference in (found.low, found.high):

        def loss(fewer: float, difference: float = difference) -> float:
            more, rest = fewer + difference, 1 - 2 * fewer - difference
            return -float(
                stats.multinomial.logpmf([up, down, n - up - down], n, [more, fewer, rest])
            )

        least, most = max(0.0, -difference) + 1e-12, (1 - difference) / 2 - 1e-12
        fewer = minimize_scalar(loss, bounds=(least, most), options={"xatol": 1e-12}).x
        error = math.sqrt(n * (2 * fewer + difference - difference**2))
        assert abs(up - down - n * difference) / error == pytest.approx(1.959964, abs=1e-3)


def test_limits_of_a_part_agree_with_bonett_and_price_by_hand() -> None:
    # up' = 25/26, down' = 1/26: 24/26 -+ 1.95996 * sqrt((1 - (24/26)^2) / 26)
    assert (adjusted(24).low, adjusted(24).high) == pytest.approx((0.775238, 1.0), abs=1e-6)
    # up' = down' = 13/26: 0 -+ 1.95996 * sqrt(1/26)
    assert (adjusted(12).low, adjusted(12).high) == pytest.approx((-0.384380, 0.384380), abs=1e-6)


@given(shifts)
def test_the_sign_interval_flips_with_the_signs(values: list[float]) -> None:
    there, back = sign_interval(values), -sign_interval([-x for x in values])
    assert (there.value, there.low, there.high) == pytest.approx((back.value, back.low, back.high))


@given(shifts, st.randoms(use_true_random=False))
def test_the_order_of_items_does_not_matter(values: list[float], chance: object) -> None:
    shuffled = list(values)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    there, again = sign_interval(values), sign_interval(shuffled)
    assert (there.value, there.low, there.high) == pytest.approx(
        (again.value, again.low, again.high)
    )


@given(shifts)
def test_the_limits_hold_the_value_and_stay_in_range(values: list[float]) -> None:
    found = sign_interval(values, [i // 2 for i in range(len(values))])
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert found.high > found.low


@given(shifts)
def test_a_monotone_change_of_the_unit_does_not_move_the_sign_effect(values: list[float]) -> None:
    assert sign_interval(values) == sign_interval([x * 7.5 for x in values])


@pytest.mark.parametrize("bad", [[], [math.nan], [1.0, math.inf], [[1.0, 2.0]], 3.0])
@pytest.mark.parametrize("estimate", [sign_interval, mean_interval])
def test_empty_and_non_finite_numbers_are_refused(estimate: object, bad: object) -> None:
    with pytest.raises(ValueError, match=r"NaN or an infinity|expected a list"):
        estimate(bad)  # type: ignore[operator]


@pytest.mark.parametrize("estimate", [auc, difference_interval])
@pytest.mark.parametrize(("left", "right"), [([], [1.0, 2.0]), ([1.0, 2.0], [math.nan, 1.0])])
def test_two_samples_refuse_empty_and_non_finite_numbers(
    estimate: object, left: list[float], right: list[float]
) -> None:
    with pytest.raises(ValueError, match=r"NaN or an infinity|expected a list"):
        estimate(left, right)  # type: ignore[operator]


@pytest.mark.parametrize("estimate", [sign_interval, mean_interval])
def test_every_number_needs_the_name_of_its_cluster(estimate: object) -> None:
    with pytest.raises(ValueError, match="3 numbers, but 2 names"):
        estimate([1.0, 2.0, -1.0], ["a", "b"])  # type: ignore[operator]


def test_a_value_repeated_within_its_cluster_counts_once() -> None:
    values = np.array([1.0, -1.0, 1.0, 1.0, -1.0, 1.0, 1.0, 1.0])
    repeated, names = np.repeat(values, 3), np.repeat(np.arange(8), 3).tolist()
    assert effective_size(repeated, names) == pytest.approx(8)
    once, again = sign_interval(values), sign_interval(repeated, names)
    assert (once.low, once.high) == pytest.approx((again.low, again.high))
    assert again.n == 24


def test_clusters_of_one_change_nothing() -> None:
    values = [1.0, -1.0, 1.0, 1.0, 0.0, 2.0]
    assert sign_interval(values, list("abcdef")) == sign_interval(values)


def test_a_single_cluster_is_one_observation() -> None:
    mixed = [1.0, -1.0, 1.0, 1.0]
    assert effective_size(np.array(mixed), ["a"] * 4) == 1
    assert not sign_interval([1.0] * 24, ["a"] * 24).excludes_zero()
    assert math.isnan(mean_interval(mixed, ["a"] * 4).low)


def clustered(chance: np.random.Generator, clusters: int, size: int, shared: float) -> np.ndarray:
    common = chance.normal(size=(clusters, 1)) * math.sqrt(shared)
    return (0.4 + common + chance.normal(size=(clusters, size)) * math.sqrt(1 - shared)).ravel()


@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
def test_coverage_of_the_clustered_mean(shared: float) -> None:
    # 24 clusters of 2. With few clusters a bootstrap falls short: see the next test.
    chance, names, hits = np.random.default_rng(5), [i // 2 for i in range(48)], 0
    for _ in range(500):
        found = mean_interval(clustered(chance, 24, 2, shared), names)
        hits += found.low <= 0.4 <= found.high
    assert 0.93 <= hits / 500 <= 0.97


@pytest.mark.parametrize(
    ("draw", "true"),
    [
        (lambda chance: chance.normal(0.3, 1, 24), 0.3),
        (lambda chance: chance.exponential(1, 24), 1.0),
        (lambda chance: chance.standard_t(3, 24), 0.0),
    ],
    ids=["normal", "exponential", "heavy-tailed"],
)
def test_coverage_of_the_mean_of_24_items(draw, true: float) -> None:
    # BCa at the plain level covers 0.918, 0.893 and less of these.
    chance, hits = np.random.default_rng(11), 0
    for _ in range(500):
        found = mean_interval(draw(chance))
        hits += found.low <= true <= found.high
    assert 0.92 <= hits / 500 <= 0.97


def test_coverage_of_the_margin_of_16_hazards_and_16_look_alikes() -> None:
    chance, hits = np.random.default_rng(12), 0
    for _ in range(500):
        found = difference_interval(chance.normal(0, 1, 16), chance.normal(0, 1, 16))
        hits += found.low <= 0 <= found.high
    assert 0.93 <= hits / 500 <= 0.97


def test_the_mean_without_its_clusters_is_too_sure_of_itself() -> None:
    chance, names = np.random.default_rng(6), [i // 4 for i in range(48)]
    with_names, without = 0, 0
    for _ in range(300):
        values = clustered(chance, 12, 4, 1.0)
        kept, lost = mean_interval(values, names), mean_interval(values)
        with_names += kept.low <= 0.4 <= kept.high
        without += lost.low <= 0.4 <= lost.high
    assert with_names / 300 >= 0.9
    assert without / 300 < 0.75


@pytest.mark.parametrize("effect", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
def test_coverage_of_the_clustered_sign_interval(effect: float, shared: float) -> None:
    chance, names, draws = np.random.default_rng(7), [i // 2 for i in range(48)], 1_000
    hits = 0
    for _ in range(draws):
        common = chance.random((24, 1)) < (1 + effect) / 2
        own = chance.random((24, 2)) < (1 + effect) / 2
        together = chance.random((24, 1)) < shared
        signs = np.where(np.where(together, common, own), 1.0, -1.0).ravel()
        found = sign_interval(signs, names)
        hits += found.low - SLACK <= effect <= found.high + SLACK
    assert hits / draws >= 0.91


@pytest.mark.parametrize("effect", [0.0, 0.3, 0.6, 0.9])
def test_coverage_of_a_mean_over_eight_dimensions(effect: float) -> None:
    # What signature_match does: eight sign effects, half of them expected to fall.
    chance, draws = np.random.default_rng(8), 2_000
    weights = [sign / 8 for sign in (1, -1) * 4]
    ups = chance.binomial(N, (1 + effect) / 2, size=(draws, 8))
    hits = 0
    for row in ups.tolist():
        parts = [
            adjusted(up) if weight > 0 else adjusted(N - up)
            for up, weight in zip(row, weights, strict=True)
        ]
        found = combined(weights, parts)
        hits += found.low <= effect <= found.high
    assert 0.925 <= hits / draws <= 0.975


def test_combined_by_hand() -> None:
    left, right = Interval(0.5, 0.2, 0.6, 10), Interval(0.1, -0.3, 0.4, 20)
    found = combined([1, -1], [left, right])
    # below: 0.3 of the left, 0.3 of the right upwards; above: 0.1 and 0.4
    assert found.value == pytest.approx(0.4)
    assert found.low == pytest.approx(0.4 - math.hypot(0.3, 0.3))
    assert found.high == pytest.approx(0.4 + math.hypot(0.1, 0.4))
    assert found.n == 30


def test_combining_one_part_gives_it_back() -> None:
    part = Interval(0.5, 0.2, 0.6, 10)
    found = combined([1.0], [part])
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.2, 0.6))


def test_combining_nothing_or_unequal_lists_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to combine"):
        combined([], [])
    with pytest.raises(ValueError, match="shorter"):
        combined([1.0, 1.0], [Interval(0, -1, 1, 3)])


def test_an_interval_turned_round_keeps_low_below_high() -> None:
    found = -Interval(0.5, 0.2, 0.6, 10)
    assert (found.value, found.low, found.high, found.n) == (-0.5, -0.6, -0.2, 10)
    assert found.excludes_zero()
    assert not Interval(0.1, -0.1, 0.3, 10).excludes_zero()


@pytest.mark.parametrize("values", [[1.5], [1.5, 1.5, 1.5]])
def test_a_mean_without_spread_has_no_interval(values: list[float]) -> None:
    found = mean_interval(values)
    assert found.value == 1.5
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_the_mean_interval_is_the_same_every_time_and_shifts_with_its_data() -> None:
    values = np.random.default_rng(1).gamma(2.0, size=30)
    first, second = mean_interval(values), mean_interval(values)
    moved = mean_interval(values + 10)
    assert first == second
    assert (moved.low, moved.high) == pytest.approx((first.low + 10, first.high + 10))


@given(st.lists(st.integers(-9, 9), min_size=2, max_size=12).filter(lambda v: len(set(v)) > 1))
@settings(max_examples=25, deadline=None)
def test_a_mean_interval_lies_within_its_data(values: list[int]) -> None:
    found = mean_interval(values)
    assert found.value == pytest.approx(np.mean(values))
    assert math.isnan(found.low) or min(values) <= found.low <= found.high <= max(values)


def test_coverage_of_the_difference_of_two_means() -> None:
    chance, hits = np.random.default_rng(9), 0
    for _ in range(500):
        found = difference_interval(chance.normal(0.7, 1, 24), chance.normal(0.2, 2, 36))
        hits += found.low <= 0.5 <= found.high
    assert 0.93 <= hits / 500 <= 0.97


def test_the_difference_of_two_constants_has_no_interval() -> None:
    found = difference_interval([2.0, 2.0], [0.5, 0.5, 0.5])
    assert (found.value, found.n) == (1.5, 5)
    assert math.isnan(found.low)


@pytest.mark.parametrize(
    ("hazardous", "harmless", "expected"),
    [
        ([3.0, 4.0], [1.0, 2.0], 1.0),
        ([1.0, 2.0], [3.0, 4.0], 0.0),
        ([1.0, 1.0], [1.0, 1.0, 1.0], 0.5),
        ([1.0, 3.0], [2.0, 3.0], 0.375),  # of four pairs one is won and one tied
    ],
)
def test_auc_known_answers(hazardous: list[float], harmless: list[float], expected: float) -> None:
    assert auc(hazardous, harmless) == expected


@given(shifts, shifts)
def test_auc_of_two_samples_swapped_adds_up_to_one(left: list[float], right: list[float]) -> None:
    assert auc(left, right) + auc(right, left) == pytest.approx(1)
