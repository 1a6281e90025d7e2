from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ethogram.plan import VERSION, Query, ask, missing

PLAIN = Query("logprob", ask("What do you think?"), ("I would keep my word.",))
DIGEST = "b480442fcfbe7506ca3ceab577d39e88"
texts = st.text(max_size=6)
queries = st.builds(
    Query,
    st.sampled_from(["logprob", "answer", "generate"]),
    st.lists(st.tuples(texts, texts), min_size=1, max_size=3).map(tuple),
    st.lists(texts, min_size=1, max_size=3).map(tuple),
)


def test_the_key_is_this_digest_on_every_machine() -> None:
    # A change here throws every stored score away: raise VERSION instead of editing the digest.
    assert PLAIN.key == DIGEST


def test_the_key_does_not_depend_on_the_process() -> None:
    code = f"from ethogram.plan import Query, ask; print(Query{PLAIN.kind, PLAIN.messages, PLAIN.target}.key)"
    found = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    assert found == [PLAIN.key, PLAIN.key]


@pytest.mark.parametrize(
    "other",
    [
        Query("logprob", ask("What do you think? "), PLAIN.target),
        Query("logprob", PLAIN.messages, ("I would keep my word",)),
        Query("answer", PLAIN.messages, PLAIN.target),
        Query("logprob", (("system", "What do you think?"),), PLAIN.target),
        Query("logprob", (*PLAIN.messages, ("assistant", "Hm."), ("user", "So?")), PLAIN.target),
        Query("logprob", PLAIN.messages, ("I would keep", " my word.")),
    ],
)
def test_another_question_has_another_key(other: Query) -> None:
    assert other.key != PLAIN.key


def test_a_new_version_of_a_kind_has_new_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VERSION, "logprob", VERSION["logprob"] + 1)
    assert Query(PLAIN.kind, PLAIN.messages, PLAIN.target).key != DIGEST


@given(queries, queries)
def test_keys_are_equal_exactly_where_queries_are(left: Query, right: Query) -> None:
    assert (left.key == right.key) == (left == right)
    assert len(left.key) == 32
    assert left.key.isascii()


def test_a_key_exists_for_text_that_utf_8_cannot_write() -> None:
    assert len(Query("generate", ask("\ud800\x00"), ("8",)).key) == 32


def test_missing_keeps_the_order_and_drops_what_is_stored_or_repeated() -> None:
    first, second, third = (Query("logprob", ask(p), ("x",)) for p in "abc")
    asked = [second, first, second, third, first]
    assert missing(asked, {}) == [second, first, third]
    assert missing(asked, {first.key: [0.0, 1]}) == [second, third]
    assert missing(asked, {query.key: "" for query in asked}) == []
    assert missing([], {}) == []


@given(st.lists(queries, max_size=8), st.sets(st.integers(0, 7)))
def test_asking_and_storing_leaves_nothing_missing(asked: list[Query], done: set[int]) -> None:
    stored = {query.key: "" for index, query in enumerate(asked) if index in done}
    left = missing(asked, stored)
    assert len(left) == len(set(left))
    assert not {query.key for query in left} & stored.keys()
    assert missing(asked, {**stored, **{query.key: "" for query in left}}) == []
