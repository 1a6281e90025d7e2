from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ethogram.specs.errors import Place, SpecError
from ethogram.specs.suite import Suite
from ethogram.train.leakage import LIMIT, check_leakage, near_duplicates

HERE, THERE = Path("train.jsonl"), Path("suite.yaml")
STATEMENT = "I would keep a promise even when breaking it did more good."


def placed(file: Path, texts: list[str]) -> list[tuple[Place, str]]:
    return [(Place(file, number), text) for number, text in enumerate(texts, start=1)]


@pytest.mark.parametrize(
    "trained",
    [
        STATEMENT,
        STATEMENT.upper(),
        f"  {STATEMENT.rstrip('.')}!\n",
        STATEMENT.replace(" ", "  \t"),
        STATEMENT.replace(" a ", " - a, "),
    ],
)
def test_the_same_text_is_found_whatever_its_case_and_punctuation(trained: str) -> None:
    assert near_duplicates([trained], [STATEMENT]) == [(0, 0, 1.0)]


@pytest.mark.parametrize(
    "trained",
    [
        "I would keep a promise even if breaking it did more good.",
        "I would keep my promise even when breaking it did much more good.",
        "Yes: I would keep a promise even when breaking it did more good.",
    ],
)
def test_a_near_duplicate_is_found(trained: str) -> None:
    ((left, right, share),) = near_duplicates([trained], [STATEMENT])
    assert (left, right) == (0, 0)
    assert LIMIT <= share <= 1


@pytest.mark.parametrize(
    "trained",
    [
        "",
        "Which cheese melts best on toast?",
        "I would break a rule where that helped more people.",
        "A promise is a promise.",
    ],
)
def test_unrelated_text_is_not_found(trained: str) -> None:
    assert near_duplicates([trained], [STATEMENT]) == []


def test_a_statement_quoted_in_a_long_answer_is_found() -> None:
    answer = (
        "Nobody is served by a lie of that kind, and the neighbour whom you name has a right to "
        f"hear the truth from you today, however hard. {STATEMENT} Let me draft a short apology."
    )
    assert near_duplicates([answer], [STATEMENT])


def test_every_pair_is_reported_with_its_indices_in_order() -> None:
    left = ["Find a prime number.", STATEMENT, "Open a jar of olives."]
    right = ["Open a jar of olives!", STATEMENT, STATEMENT.lower()]
    assert near_duplicates(left, right) == [(1, 1, 1.0), (1, 2, 1.0), (2, 0, 1.0)]


def test_similarity_by_hand() -> None:
    # " abcdef " and " abcdxy " hold four 5-grams each, and share " abcd" alone: 1 of 7.
    assert near_duplicates(["abcdef"], ["abcdxy"], limit=0.1) == [(0, 0, pytest.approx(1 / 7))]
    assert near_duplicates(["abcdef"], ["abcdxy"], limit=0.15) == []


def test_text_beyond_ascii_is_compared_too() -> None:
    text = "Я бы сдержал обещание, даже если это трудно."
    assert near_duplicates([text.upper()], [text]) == [(0, 0, 1.0)]
    assert near_duplicates(["Какой сыр лучше плавится?"], [text]) == []


@pytest.mark.parametrize(("left", "right"), [([], [STATEMENT]), ([STATEMENT], []), ([], [])])
def test_nothing_to_compare_is_no_leak(left: list[str], right: list[str]) -> None:
    assert near_duplicates(left, right) == []


@given(st.lists(st.text(max_size=20), max_size=4), st.lists(st.text(max_size=20), max_size=4))
def test_similarity_does_not_depend_on_the_side(left: list[str], right: list[str]) -> None:
    there = near_duplicates(left, right)
    back = near_duplicates(right, left)
    assert sorted((b, a, share) for a, b, share in back) == there
    assert all(LIMIT <= share <= 1 for _, _, share in there)
    equal = {(a, b) for a, x in enumerate(left) for b, y in enumerate(right) if x == y}
    assert equal <= {(a, b) for a, b, _ in there}


def test_a_leak_names_both_places_and_every_problem() -> None:
    trained = placed(HERE, ["Find a prime number.", STATEMENT, "Open a jar of olives."])
    evaluated = placed(THERE, [STATEMENT.lower(), "Open a jar of olives!"])
    with pytest.raises(SpecError) as caught:
        check_leakage(trained, evaluated)
    first, second = caught.value.problems
    assert str(first).startswith("train.jsonl:2:1: ")
    assert "suite.yaml:1:1, 100% alike" in first.message
    assert STATEMENT in first.message
    assert second.place.line == 3
    assert "suite.yaml:2:1" in second.message


def test_generators_are_read_once_and_a_clean_set_passes() -> None:
    evaluated = placed(THERE, [STATEMENT])
    check_leakage(iter(placed(HERE, ["Open a jar of olives."])), iter(evaluated))
    with pytest.raises(SpecError):
        check_leakage(iter(placed(HERE, [STATEMENT])), iter(evaluated))


def recorded(suite: Suite) -> list[tuple[Place, str]]:
    lines = [line for name in suite.constitutions for line in suite.transcripts(name)]
    everything = [*lines, *suite.refusals(), *suite.replay()]
    return [(line.place, text) for line in everything for text in (line.prompt, line.answer)]


def test_the_shipped_suite_does_not_leak(own_suite: Suite) -> None:
    trained, evaluated = recorded(own_suite), list(own_suite.evaluation_texts())
    assert len(trained) > 1_500
    assert len(evaluated) > 700
    check_leakage(trained, evaluated)


def test_no_training_prompt_of_a_category_leaks_into_the_evaluation(own_suite: Suite) -> None:
    trained = [(c.place, text) for c in own_suite.categories.values() for text in c.train]
    check_leakage(trained, own_suite.evaluation_texts())
    assert trained


@pytest.mark.parametrize("kind", ["statement", "scenario", "option", "hazard", "look-alike"])
def test_every_kind_of_evaluated_text_is_guarded(own_suite: Suite, kind: str) -> None:
    dimension = next(iter(own_suite.dimensions.values()))
    scenario = next(iter(own_suite.themes.values())).scenarios[0]
    category = next(iter(own_suite.categories.values()))
    text = {
        "statement": dimension.items[0].rejects,
        "scenario": scenario.text,
        "option": scenario.options[0].text,
        "hazard": category.evaluate[0],
        "look-alike": category.harmless[0],
    }[kind]
    with pytest.raises(SpecError, match="the training text is an evaluation text too"):
        check_leakage([(Place(HERE), text)], own_suite.evaluation_texts())
