from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ethogram.specs.errors import Place, Problem, SpecError, count, did_you_mean, named, shown


def test_a_problem_reads_as_file_line_column_and_message() -> None:
    problem = Problem(Place(Path("a/b.yaml"), 3, 7), "missing key 'about'")

    assert str(problem) == "a/b.yaml:3:7: missing key 'about'"


def test_an_error_shows_every_problem_on_a_line_of_its_own() -> None:
    error = SpecError([Problem(Place(Path("a"), n), f"number {n}") for n in (1, 2)])

    assert str(error) == "a:1:1: number 1\na:2:1: number 2"
    assert [problem.place.line for problem in error.problems] == [1, 2]


def test_an_error_survives_pickling_as_it_crosses_processes() -> None:
    error = SpecError.at(Place(Path("a.yaml"), 2, 5), "wrong")

    again = pickle.loads(pickle.dumps(error))

    assert again.problems == error.problems
    assert str(again) == str(error)


def test_a_path_below_the_working_folder_is_shown_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert shown(tmp_path / "suite" / "x.yaml") == "suite/x.yaml"
    assert shown(Path("suite/x.yaml")) == "suite/x.yaml"


def test_a_path_elsewhere_is_shown_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    assert shown(tmp_path / "x.yaml") == (tmp_path / "x.yaml").as_posix()


def test_the_nearest_known_word_is_suggested() -> None:
    assert did_you_mean("afirms", ["rejects", "affirms"]) == " (did you mean 'affirms'?)"


def test_a_word_like_none_of_them_gets_a_short_list_and_never_a_long_one() -> None:
    assert did_you_mean("zzz", ["b", "a", "b"]) == " (known: a, b)"
    assert did_you_mean("zzz", [f"name-{n}" for n in range(13)]) == ""
    assert did_you_mean("zzz", []) == ""


@given(st.text(min_size=1), st.lists(st.text(max_size=8), max_size=5))
def test_a_known_word_is_always_its_own_suggestion(word: str, others: list[str]) -> None:
    assert did_you_mean(word, [word, *others]) == f" (did you mean {word!r}?)"


def test_what_is_counted_is_one_or_many() -> None:
    assert [count(n, "item") for n in (0, 1, 2, 1200)] == [
        "0 items",
        "1 item",
        "2 items",
        "1,200 items",
    ]
    assert count(1, "query", "queries") == "1 query" and count(3, "query", "queries") == "3 queries"


def test_a_long_list_of_names_is_cut_and_counted() -> None:
    assert named(["a", "b"], 3) == "a, b"
    assert named(["a", "b", "c", "d", "e"], 3) == "a, b, c and 2 more"
