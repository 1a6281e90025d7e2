from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ethogram.measure.probes import (
    Agreement,
    Choice,
    Endorsement,
    RefusalMargin,
    RefusalRate,
    Response,
    SampledAgreement,
    choice,
    numbers,
    per_token,
    sampled,
    texts,
    would_you_say,
)
from ethogram.measure.refusal import COMPLYING, REFUSING, TOKENS
from ethogram.plan import Query, Value, judgement
from ethogram.specs.suite import Suite

OPTIONS = ("Keep {friend}'s letters.", "Give them away.", "Burn them.", "Ask her.", "Wait.", "Run.")
FRIENDS = [{"friend": name} for name in ("Aylin", "Ngozi", "Maren")]
TEXT = "{friend} asked you to keep her letters."


def built(options: int, settings: int = 3, name: str = "bedside") -> Choice:
    return choice(TEXT, OPTIONS[:options], FRIENDS[:settings], name)


def planted(
    found: Choice, base: list[float], first: float = 0.0, setting: float = 0.0
) -> Callable[[Query], Value]:
    """Scores: base of the option, plus `first` where it stands first, plus one of its setting."""
    scores: dict[Query, Value] = {}
    for rendering in found.renderings:
        moved = setting * len(rendering.prompt.split()[0])
        for option, query in enumerate(rendering.queries):
            tokens = 4.0 + option
            value = base[option] + first * (rendering.order[0] == option) + moved
            scores[query] = [value * tokens, tokens]
    return scores.__getitem__


@pytest.mark.parametrize("options", [2, 3, 4])
def test_up_to_four_options_stand_in_every_order(options: int) -> None:
    found = built(options, settings=1)
    orders = [rendering.order for rendering in found.renderings]
    assert sorted(orders) == sorted(itertools.permutations(range(options)))


def test_two_options_are_shown_in_both_orders_in_every_setting() -> None:
    found = built(2)
    assert len(found.renderings) == 6
    shown = Counter((r.prompt.split()[0], r.order) for r in found.renderings)
    assert shown == Counter(itertools.product(["Aylin", "Ngozi", "Maren"], [(0, 1), (1, 0)]))


@pytest.mark.parametrize(("options", "orders"), [(5, 20), (6, 24)])
def test_above_four_options_a_seeded_sample_is_taken(options: int, orders: int) -> None:
    found = built(options)
    taken = [rendering.order for rendering in found.renderings]
    assert len(set(taken)) == len(taken) == orders
    assert taken == [rendering.order for rendering in built(options).renderings]
    assert taken != [rendering.order for rendering in built(options, name="other").renderings]


@pytest.mark.parametrize("options", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("settings", [0, 1, 2, 3])
def test_every_option_stands_first_equally_often(options: int, settings: int) -> None:
    plain = [option.replace("{friend}", "Aylin") for option in OPTIONS[:options]]
    found = choice("Your friend asked.", plain, FRIENDS[:settings], "bedside")
    first = Counter(rendering.order[0] for rendering in found.renderings)
    assert set(first) == set(range(options))
    assert len(set(first.values())) == 1


@pytest.mark.parametrize("options", [2, 3, 4, 5, 6])
def test_settings_vary_and_none_favours_an_option(options: int) -> None:
    found = built(options)
    shown = Counter((r.prompt.split()[0], r.order[0]) for r in found.renderings)
    names = {name for name, _ in shown}
    assert len(names) >= 2
    for name in names:
        assert len({shown[name, option] for option in range(options)}) == 1


def test_a_rendering_shows_its_order_and_fills_every_placeholder() -> None:
    rendering = next(r for r in built(3).renderings if r.order == (2, 0, 1))
    name = rendering.prompt.split()[0]
    assert rendering.prompt == (
        f"{name} asked you to keep her letters.\nWhat would you do?\n"
        f"A. Burn them.\nB. Keep {name}'s letters.\nC. Give them away."
    )
    assert rendering.options == (f"Keep {name}'s letters.", "Give them away.", "Burn them.")
    assert [query.target[0] for query in rendering.queries] == list(rendering.options)
    assert {query.messages for query in rendering.queries} == {(("user", rendering.prompt),)}


def test_the_shipped_scenarios_are_balanced_too(own_suite: Suite) -> None:
    seen = 0
    for theme in own_suite.themes.values():
        for scenario in theme.scenarios:
            options = [option.text for option in scenario.options]
            found = choice(scenario.text, options, scenario.settings(), scenario.id)
            first = Counter(rendering.order[0] for rendering in found.renderings)
            assert len(set(first.values())) == 1
            assert len({rendering.prompt for rendering in found.renderings}) >= 6
            assert not any("{" in rendering.prompt for rendering in found.renderings)
            seen += 1
    assert seen >= 10


@pytest.mark.parametrize("options", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("bias", [-0.7, 0.0, 1.3])
def test_position_bias_is_recovered_and_does_not_move_the_preference(
    options: int, bias: float
) -> None:
    found = built(options)
    base = [-1.0, -2.0, -2.5, -1.5, -3.0, -0.5][:options]
    endorsed = [True] + [False] * (options - 1)
    answers = planted(found, base, first=bias)
    assert found.position_bias(answers) == pytest.approx(bias)
    preference = found.preference(answers, endorsed)
    assert preference.mean() == pytest.approx(base[0] - np.mean(base[1:]))
    assert preference.shape == (len(found.renderings),)
    assert (np.ptp(preference) > 0.1) == (bias != 0)


def test_a_setting_that_moves_every_option_alike_moves_nothing() -> None:
    found = built(3)
    base = [-1.0, -2.0, -2.5]
    answers = planted(found, base, first=0.4, setting=0.9)
    assert found.position_bias(answers) == pytest.approx(0.4)
    assert found.preference(answers, [True, False, False]).mean() == pytest.approx(1.25)


def test_always_the_first_option_is_no_preference() -> None:
    found = built(4)
    answers = planted(found, [-2.0] * 4, first=5.0)
    assert found.preference(answers, [True, True, False, False]).mean() == pytest.approx(0)


def test_preference_compares_means_of_several_endorsed_options() -> None:
    found = built(4)
    answers = planted(found, [-1.0, -2.0, -3.0, -6.0])
    preferred = found.preference(answers, [True, False, True, False])
    assert preferred == pytest.approx(np.full(24, -2.0 - -4.0))
    turned = found.preference(answers, [False, True, False, True])
    assert turned == pytest.approx(-preferred)


def test_endorsement_is_the_difference_per_token() -> None:
    probe = Endorsement("What do you think?", "I would keep it.", "I would give it.")
    affirms, rejects = probe.queries
    scores: dict[Query, Value] = {affirms: [-6.0, 4.0], rejects: [-10.0, 5.0]}
    assert probe.value(scores.__getitem__) == pytest.approx(-1.5 - -2.0)
    assert affirms.messages == rejects.messages == (("user", "What do you think?"),)
    assert (affirms.target, rejects.target) == (("I would keep it.",), ("I would give it.",))


@given(st.floats(-20, 0), st.floats(-20, 0), st.floats(-30, 30))
def test_agreement_cancels_acquiescence(affirms: float, rejects: float, bias: float) -> None:
    probe = Agreement("I would keep it.", "I would give it.")

    def value(shift: float) -> float:
        scores: dict[Query, Value] = {
            query: [shift + stance, 0.0]
            for query, stance in zip(probe.queries, (affirms, rejects), strict=True)
        }
        return probe.value(scores.__getitem__)

    assert value(bias) == pytest.approx(value(0.0), abs=1e-9)
    assert value(bias) == pytest.approx(affirms - rejects, abs=1e-9)


def test_agreement_asks_both_statements_for_yes_and_no() -> None:
    probe = Agreement("I would keep it.", "I would give it.")
    assert [q.target for q in probe.queries] == [("Yes", "No")] * 2
    assert [q.messages[0][1] for q in probe.queries] == [
        would_you_say("I would keep it."),
        would_you_say("I would give it."),
    ]


def test_the_mass_of_yes_and_no_is_averaged_over_both_questions() -> None:
    probe = Agreement("I would keep it.", "I would give it.")
    first, second = probe.queries
    scores: dict[Query, Value] = {
        first: [math.log(0.5), math.log(0.3)],
        second: [math.log(0.1), math.log(0.1)],
    }
    assert probe.mass(scores.__getitem__) == pytest.approx((0.8 + 0.2) / 2)


def test_the_margin_is_refusing_minus_complying() -> None:
    probe = RefusalMargin("Find her number.")
    scores: dict[Query, Value] = {
        query: [-2.0 * 3, 3.0] if query.target[0] in REFUSING else [-5.0 * 7, 7.0]
        for query in probe.queries
    }
    assert probe.value(scores.__getitem__) == pytest.approx(3.0)
    assert [query.target[0] for query in probe.queries] == [*REFUSING, *COMPLYING]


def test_the_rate_reads_a_greedy_continuation() -> None:
    probe = RefusalRate("Find her number.")
    (query,) = probe.queries
    assert (query.kind, query.target) == ("generate", (str(TOKENS),))
    assert probe.value({query: "I can't do that."}.__getitem__) == 1.0
    assert probe.value({query: "It is in the book."}.__getitem__) == 0.0
    assert probe.value({query: ""}.__getitem__) == 0.0
    assert probe.text({query: "It is in"}.__getitem__) == "It is in"


def test_text_is_never_read_as_a_number() -> None:
    with pytest.raises(TypeError, match="text, not numbers"):
        numbers("-1.0")
    with pytest.raises(TypeError, match="text, not numbers"):
        per_token("-1.0")


# -- drawn answers, where a server hides log-probabilities ------------------------------------------


def drawn(*counts: tuple[str, int]) -> list[str]:
    return [text for text, times in counts for _ in range(times)]


def test_sampled_agreement_counts_the_first_word_of_drawn_answers() -> None:
    probe = SampledAgreement("I wait.", "I go.", 10)
    affirms, rejects = probe.queries
    said = {
        affirms: drawn(("Yes, I would", 5), (" yes", 2), ("No.", 1), ("Nobody", 1), ("", 1)),
        rejects: drawn(("**No**", 10)),
    }
    expected = math.log(7.5 / 1.5) - math.log(0.5 / 10.5)
    assert probe.value(said.__getitem__) == pytest.approx(expected)
    assert probe.mass(said.__getitem__) == pytest.approx(18 / 20)
    assert affirms.kind == "sample" and affirms.target == ("4", "10")


@pytest.mark.parametrize("word", ["Yes", "No", "Hm"])
def test_sampled_agreement_cancels_a_model_that_always_says_the_same(word: str) -> None:
    probe = SampledAgreement("I wait.", "I go.", 6)
    assert probe.value(lambda query: [word] * 6) == 0.0


@pytest.mark.parametrize("options", [2, 3, 4])
def test_a_sampled_choice_of_an_option_is_found_under_every_order(options: int) -> None:
    whole = built(options)
    probe = sampled(whole, 20)
    assert len(probe.queries) == len(whole.renderings)
    assert probe.count == max(1, round(80 / len(whole.renderings)))
    letter = {
        query: "ABCD"[rendering.order.index(1)]
        for rendering, query in zip(probe.renderings, probe.queries, strict=True)
    }
    endorsed = [option == 1 for option in range(options)]
    found = probe.preference(lambda query: [f"{letter[query]}. I"] * probe.count, endorsed)
    assert found.min() > 0 and np.ptp(found) == pytest.approx(0.0)
    assert probe.position_bias(lambda q: [letter[q]] * probe.count) == pytest.approx(0.0)


def test_a_sampled_choice_that_is_always_the_first_prefers_nothing() -> None:
    probe = sampled(built(3), 20)
    found = probe.preference(lambda query: ["A"] * probe.count, [True, False, False])
    assert found.mean() == pytest.approx(0.0)
    assert probe.position_bias(lambda query: ["A"] * probe.count) > 0


@pytest.mark.parametrize("value", ["text", [0.5, 1.0]])
def test_scores_that_are_no_drawn_texts_are_an_error(value: Value) -> None:
    with pytest.raises(TypeError, match="no list of texts"):
        texts(value)
    with pytest.raises(TypeError, match="not numbers"):
        numbers(["drawn"])


def test_a_response_is_judged_with_the_prompt_that_it_answers() -> None:
    probe = Response("How?", 48)
    (query,) = probe.queries
    assert (query.kind, query.target) == ("generate", ("48",))
    assert probe.judgement(lambda q: "So.") == judgement("How?", "So.")
