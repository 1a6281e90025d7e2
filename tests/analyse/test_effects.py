from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ethogram.analyse.effects import (
    EQUIVALENCE,
    SAME_FROM,
    Verdict,
    detectable_at,
    effect_of,
    holm,
    items_needed,
    items_to_bound,
    items_to_decide,
    null_rate,
    smallest_detectable,
    verdict_of,
)
from ethogram.analyse.intervals import Interval, sign_interval

OPPOSITE: dict[Verdict, Verdict] = {
    "holds": "contradicts",
    "contradicts": "holds",
    "undecided": "undecided",
}
intervals = st.tuples(*[st.floats(-1, 1)] * 3).map(
    lambda limits: Interval(sorted(limits)[1], min(limits), max(limits), 24)
)
p_values = st.dictionaries(st.text(max_size=3), st.floats(0, 1), min_size=1, max_size=12)


def test_every_item_up_is_the_full_effect() -> None:
    found = effect_of(np.linspace(0.1, 2.0, 24))
    assert found.sign.value == 1.0
    assert found.sign.low > 0.7
    assert found.p == pytest.approx(2 * 0.5**24)
    assert found.n == 24


def test_known_answers_with_ties() -> None:
    found = effect_of([2.0, 1.0, 0.0, -1.0])
    assert found.sign.value == pytest.approx(2 * 2 / 4 + 1 / 4 - 1)
    assert found.mean.value == 0.5
    assert found.d_z == pytest.approx(0.5 / math.sqrt(5 / 3))
    assert found.p == 1.0  # two up, one down


def test_the_p_value_is_the_sign_test_without_ties() -> None:
    assert effect_of([1.0] * 9 + [-1.0] + [0.0] * 5).p == pytest.approx(22 / 1024)


def test_nothing_moved() -> None:
    found = effect_of([0.0] * 12)
    assert (found.sign.value, found.p) == (0.0, 1.0)
    assert math.isnan(found.d_z)


def test_clusters_weaken_the_evidence_and_leave_the_effect() -> None:
    values = np.repeat([1.0, 2.0, -1.0, 3.0, 1.5, 2.5], 4)
    alone, together = effect_of(values), effect_of(values, np.repeat(range(6), 4).tolist())
    assert alone.sign.value == together.sign.value
    assert together.sign.low < alone.sign.low
    assert together.p > alone.p
    assert together.p == pytest.approx(stats.binomtest(5, 6).pvalue)


@pytest.mark.parametrize("bad", [[], [math.nan, 1.0], [math.inf]])
def test_shifts_that_are_no_numbers_are_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match=r"NaN|expected"):
        effect_of(bad)


@given(st.lists(st.integers(-4, 4), min_size=2, max_size=20).filter(lambda v: len(set(v)) > 1))
def test_an_effect_flips_with_the_signs(values: list[int]) -> None:
    there, back = effect_of(values), effect_of([-x for x in values])
    assert there.sign.value == pytest.approx(-back.sign.value)
    assert there.d_z == pytest.approx(-back.d_z)
    assert there.p == pytest.approx(back.p)


@pytest.mark.parametrize(
    ("low", "high", "sign", "expected"),
    [
        (0.1, 0.9, 1, "holds"),
        (0.0, 0.9, 1, "undecided"),
        (-0.1, 0.9, 1, "undecided"),
        (-0.9, 0.0, 1, "undecided"),
        (-0.9, -0.1, 1, "contradicts"),
        (-0.9, -0.1, -1, "holds"),
        (-0.9, 0.0, -1, "undecided"),
        (-0.2, 0.3, -1, "undecided"),
        (0.1, 0.9, -1, "contradicts"),
        (-0.2, 0.2, 0, "holds"),
        (0.05, 0.15, 0, "holds"),  # off zero, but too little to matter
        (-0.3, 0.1, 0, "undecided"),
        (-0.5, 0.5, 0, "undecided"),
        (0.2, 0.5, 0, "undecided"),
        (0.21, 0.5, 0, "contradicts"),
        (-0.5, -0.21, 0, "contradicts"),
        (math.nan, math.nan, 1, "undecided"),
        (math.nan, math.nan, -1, "undecided"),
        (math.nan, math.nan, 0, "undecided"),
    ],
)
def test_verdict_in_every_region(low: float, high: float, sign: int, expected: Verdict) -> None:
    assert verdict_of(Interval((low + high) / 2, low, high, 24), sign) == expected


@given(intervals)
def test_the_opposite_expectation_gets_the_opposite_verdict(interval: Interval) -> None:
    assert verdict_of(interval, -1) == OPPOSITE[verdict_of(interval, 1)]
    assert verdict_of(-interval, 0) == verdict_of(interval, 0)


@given(intervals)
def test_a_narrower_interval_never_undoes_a_verdict(interval: Interval) -> None:
    middle = Interval(interval.value, interval.value, interval.value, 24)
    for sign in (-1, 0, 1):
        if (verdict := verdict_of(interval, sign)) != "undecided":
            assert verdict_of(middle, sign) == verdict


@given(st.floats(0.03, 0.9), st.floats(0.05, 1.0), st.floats(0.05, 1.0))
def test_items_needed_rises_with_the_width_and_falls_with_the_effect(
    value: float, half: float, other: float
) -> None:
    narrow, wide = sorted((half, other))
    few = items_needed(Interval(value, value - narrow, value + narrow, 24), 1)
    many = items_needed(Interval(value, value - wide, value + wide, 24), 1)
    stronger = items_needed(Interval(value + 0.1, value + 0.1 - wide, value + 0.1 + wide, 24), 1)
    assert few is not None
    assert many is not None
    assert stronger is not None
    assert 24 < few <= many
    assert stronger <= many


def test_items_needed_by_hand() -> None:
    # ((1.96 + 0.84) / 1.96)^2 = 2.043 times the items that would bring the limit to the line.
    assert items_needed(Interval(0.1, -0.3, 0.5, 24), 1) == math.ceil(24 * 16 * 2.0432)
    assert items_needed(Interval(-0.1, -0.5, 0.3, 24), -1) == math.ceil(24 * 16 * 2.0432)
    # Beyond the band only one limit can miss: half as far from its edge.
    assert items_needed(Interval(0.4, 0.0, 0.8, 24), 0) == math.ceil(24 * 4 * 2.0432)


@pytest.mark.parametrize(
    ("interval", "sign"),
    [
        (Interval(0.0, -0.4, 0.4, 24), 1),
        (Interval(EQUIVALENCE, -0.2, 0.6, 24), 0),
        (Interval(0.5, math.nan, math.nan, 1), 1),
        (Interval(0.5, 0.5, 0.5, 3), 1),
    ],
)
def test_no_number_of_items_decides_what_lies_on_the_edge(interval: Interval, sign: int) -> None:
    assert items_needed(interval, sign) is None


@pytest.mark.parametrize(("up", "down", "ties"), [(15, 9, 0), (14, 10, 0), (8, 4, 12), (9, 12, 3)])
def test_as_many_items_as_asked_for_do_decide(up: int, down: int, ties: int) -> None:
    def scaled(n: float) -> Interval:
        counts = [round(part * n / 24) for part in (up, down, ties)]
        return sign_interval(np.repeat([1.0, -1.0, 0.0], counts))

    sign = 1 if up > down else -1
    assert verdict_of(scaled(24), sign) == "undecided"
    needed = items_needed(scaled(24), sign)
    assert needed is not None
    assert verdict_of(scaled(needed), sign) == "holds"
    assert verdict_of(scaled(0.35 * needed), sign) == "undecided"


def test_items_to_a_bound_by_hand() -> None:
    measured = Interval(0.5, 0.25, 0.75, 24)
    assert items_to_bound(measured, 0.625) == 24 * 4
    assert items_to_decide(measured, 0.375) == math.ceil(24 * 4 * 2.0432)
    assert items_to_decide(measured, 0.5) is None
    assert items_to_decide(Interval(0.5, math.nan, math.nan, 24), 0.4) is None


def test_a_small_effect_that_is_measured_well_does_not_lie_on_the_line() -> None:
    assert items_needed(Interval(0.01, -0.01, 0.03, 48), 1) == math.ceil(48 * 4 * 2.0432)
    assert items_needed(Interval(0.0005, -0.0195, 0.0205, 48), 1) is None


@pytest.mark.parametrize(("value", "bound", "power"), [(0.5, 0.3, 0.8), (0.1, 0.3, 0.8)])
def test_the_items_asked_for_decide_a_bound_four_times_in_five(
    value: float, bound: float, power: float
) -> None:
    up = round(24 * (1 + value) / 2)
    measured = sign_interval([1.0] * up + [-1.0] * (24 - up))
    needed, even = items_to_decide(measured, bound), items_to_bound(measured, bound)
    assert needed is not None and even is not None

    def decided(n: int) -> float:
        ups = np.arange(n + 1)
        found = [sign_interval([1.0] * u + [-1.0] * (n - u)) for u in ups.tolist()]
        past = [f.low > bound if value > bound else f.high < bound for f in found]
        return float(np.sum(stats.binom.pmf(ups, n, up / 24)[past]))

    assert decided(needed) == pytest.approx(power, abs=0.1)
    assert decided(even) == pytest.approx(0.5, abs=0.1)


def test_what_is_detected_shrinks_with_the_width() -> None:
    assert detectable_at(Interval(0.3, 0.1, 0.5, 24)) == pytest.approx(0.2 * 2.8016 / 1.96, 1e-3)
    assert detectable_at(Interval(0.3, math.nan, math.nan, 24)) is None
    for n in (24, 96):
        at_zero = detectable_at(sign_interval([1.0, -1.0] * (n // 2)))
        assert at_zero == pytest.approx(smallest_detectable(n), abs=0.05)


@pytest.mark.parametrize(
    ("up", "down", "ties"), [(12, 12, 0), (13, 11, 0), (6, 6, 12), (8, 6, 10), (4, 3, 17)]
)
def test_the_items_asked_for_an_equivalence_hold_it_four_times_in_five(
    up: int, down: int, ties: int
) -> None:
    needed = items_needed(sign_interval(np.repeat([1.0, -1.0, 0.0], [up, down, ties])), 0)
    assert needed is not None

    def power(n: int) -> float:
        shares = [up / 24, down / 24, ties / 24]
        drawn = np.random.default_rng(0).multinomial(n, shares, size=800)
        signs = [np.repeat([1.0, -1.0, 0.0], counts) for counts in drawn]
        return float(np.mean([verdict_of(sign_interval(part), 0) == "holds" for part in signs]))

    # More with ties: the interval counts one item more each way, and so sees fewer of them.
    assert 0.76 <= power(needed) <= 0.90


def test_items_for_an_equivalence_at_zero_against_the_exact_power() -> None:
    needed = items_needed(sign_interval([1.0] * 12 + [-1.0] * 12), 0)
    assert needed is not None and 258 <= needed <= 263
    assert chances(needed, 0.0, 0)["holds"] == pytest.approx(0.8, abs=0.03)
    assert chances(182, 0.0, 0)["holds"] == pytest.approx(0.585, abs=0.001)


def test_same_can_hold_of_few_items_only_where_they_do_not_move() -> None:
    assert chances(SAME_FROM, 0.0, 0)["holds"] == pytest.approx(0.082, abs=0.001)
    assert all(chances(n, 0.0, 0)["holds"] == 0.0 for n in range(1, SAME_FROM))
    assert verdict_of(sign_interval([1.0, 1.0, -1.0, -1.0] + [0.0] * 20), 0) == "holds"
    assert verdict_of(sign_interval([1.0, 1.0, 1.0, -1.0, -1.0, -1.0] + [0.0] * 18), 0) != "holds"


def test_the_smallest_detectable_effect_is_found_about_four_times_in_five() -> None:
    for n in (24, 48, 96):
        effect = smallest_detectable(n)
        ups = np.arange(n + 1)
        found = [sign_interval([1.0] * u + [-1.0] * (n - u)).low > 0 for u in ups.tolist()]
        power = float(np.sum(stats.binom.pmf(ups, n, (1 + effect) / 2)[found]))
        assert 0.7 <= power <= 0.9


def test_more_items_detect_smaller_effects() -> None:
    found = [smallest_detectable(n) for n in (2, 6, 12, 24, 48, 96, 1000)]
    assert found == sorted(found, reverse=True)
    assert all(0 < effect <= 1 for effect in found)


def test_holm_by_hand() -> None:
    # sorted 0.005 0.01 0.03 0.04, times 4 3 2 1, never falling
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert found == pytest.approx({"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06})
    assert holm({"x": 0.6, "y": 0.7}) == {"x": 1.0, "y": 1.0}
    assert holm({}) == {}


@given(p_values)
def test_holm_lies_between_the_raw_value_and_bonferroni(raw: dict[str, float]) -> None:
    adjusted = holm(raw)
    assert adjusted.keys() == raw.keys()
    for name, value in raw.items():
        assert value <= adjusted[name] <= min(1.0, len(raw) * value) + 1e-12
    order = sorted(raw, key=lambda name: raw[name])
    assert [adjusted[name] for name in order] == sorted(adjusted.values())


def chances(n: int, effect: float, sign: int) -> dict[Verdict, float]:
    """Exact chance of every verdict on n items without ties, for a true effect."""
    ups = np.arange(n + 1)
    mass = stats.binom.pmf(ups, n, (1 + effect) / 2)
    found: dict[Verdict, float] = dict.fromkeys(("holds", "contradicts", "undecided"), 0.0)
    for up, chance in zip(ups.tolist(), mass.tolist(), strict=True):
        found[verdict_of(sign_interval([1.0] * up + [-1.0] * (n - up)), sign)] += chance
    return found


@pytest.mark.parametrize(("n", "each_way"), [(24, 0.032), (48, 0.030), (96, 0.026), (200, 0.028)])
def test_false_alarms_without_an_effect(n: int, each_way: float) -> None:
    # Nominal is 2.5 % each way; counts are discrete, and the report states the exact rate.
    found = chances(n, 0.0, 1)
    assert null_rate(n) == pytest.approx(found["holds"])
    assert found["holds"] == pytest.approx(each_way, abs=0.001)
    assert found["contradicts"] == pytest.approx(found["holds"])


@pytest.mark.parametrize("n", [24, 48, 96, 200])
def test_equivalence_is_seldom_claimed_at_the_edge_of_the_band(n: int) -> None:
    edge = chances(n, EQUIVALENCE, 0)
    assert edge["holds"] <= 0.03
    assert edge["contradicts"] <= 0.045
    assert chances(n, 0.0, 0)["holds"] >= (0.6 if n == 200 else 0.0)


def test_holm_keeps_the_chance_of_any_false_alarm() -> None:
    chance, alarms = np.random.default_rng(0), 0
    p_of = [float(stats.binomtest(up, 24).pvalue) for up in range(25)]
    for ups in chance.binomial(24, 0.5, size=(1_000, 20)).tolist():
        raw = {str(i): p_of[up] for i, up in enumerate(ups)}
        alarms += min(holm(raw).values()) < 0.05
    assert alarms / 1_000 <= 0.06
