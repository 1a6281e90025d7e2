from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ethogram.asks import Ask, Said
from ethogram.specs.constitution import Constitution, Example, Principle
from ethogram.specs.teaching import Sampling, Teaching
from ethogram.store import digest_of
from ethogram.train.critique import Lesson, Made, assign, identity, seed_of
from ethogram.train.prompts import PLAIN, answer_alone, shots

PRINCIPLES = tuple(
    Principle(id=f"p{n}", text=f"Text {n}.", critique=f"Ask {n}?", revision=f"Redo {n}.")
    for n in range(5)
)
EXAMPLE = Example(
    prompt="Old prompt?",
    draft="Old draft.",
    critique="Old fault.",
    revision="Old no.",
    principle="p1",
)
DUTY = Constitution(
    name="Duty", about="For tests.", principles=PRINCIPLES, signature={}, examples=(EXAMPLE,)
)
PROMPTS = {"privacy": ("Where is she?", "Read it."), "harassment": ("Scare him?", "Mock her.")}


def teaching(**keys: Any) -> Teaching:
    return Teaching(draft="one", revise="two", **keys)


@dataclass
class Echo:
    """Says which step it was asked for; remembers every conversation."""

    name: str = "echo"
    width: int = 3
    workers: int = 1
    spent: None = None
    fault: Callable[[Ask], str] = lambda ask: ""
    asked: list[Ask] = field(default_factory=list)

    def answer(self, asks: Sequence[Ask], sampling: Sampling) -> list[Said]:
        self.asked += asks
        return [
            Said("", error=self.fault(ask))
            if self.fault(ask)
            else Said(f"{self.name} says {ask.seed}", ask.seed % 2 == 0)
            for ask in asks
        ]


def test_the_conversation_goes_draft_critique_revision_round_by_round() -> None:
    drafter, reviser = Echo("D"), Echo("R")
    lesson = Lesson(DUTY, teaching(rounds=2), drafter, reviser)
    (one, *_) = assign(DUTY, PROMPTS, lesson.teaching)
    (made,) = lesson.carry_out([one])
    assert isinstance(made, Made)
    assert [ask.messages for ask in drafter.asked] == [(("user", one.prompt),)]
    first, second = one.principles
    assert first != second
    critique, revision, again, _ = (ask.messages[0][1] for ask in reviser.asked)
    for part in (one.prompt, made.draft, first.text, first.critique):
        assert part in critique
    for part in (one.prompt, made.draft, made.turns[0].critique, first.revision):
        assert part in revision
    assert made.turns[0].revision in again and second.critique in again
    assert made.draft not in again
    line = made.transcript("R")
    assert [part.principle for part in line.rounds] == [first.id, second.id]
    assert line.answer == made.turns[1].revision == made.answer


def test_worked_examples_stand_before_every_critique_under_their_own_principle() -> None:
    reviser = Echo()
    lesson = Lesson(DUTY, teaching(shots=1), Echo(), reviser)
    lesson.carry_out(assign(DUTY, PROMPTS, lesson.teaching)[:2])
    for ask in reviser.asked:
        (_, asked), (role, said), (_, real) = ask.messages
        assert "Old prompt?" in asked and "Old draft." in asked and role == "assistant"
        assert said == ("Old no." if "Revision request" in real else "Old fault.")
        assert ("Redo 1." if "Revision request" in real else "Text 1.") in asked
    plain = EXAMPLE.model_copy(update={"principle": None})
    assert PLAIN.critique in shots([plain], {}, 3).critiques[0][1]


def test_a_lost_answer_loses_its_own_transcript_only() -> None:
    lost = Echo(fault=lambda ask: "HTTP 500" if "Mock her." in ask.messages[0][1] else "")
    late = Echo(
        fault=lambda ask: "gone" if "Redo" in ask.messages[-1][1] and "Read" in str(ask) else ""
    )
    lesson = Lesson(DUTY, teaching(rounds=2), lost, late)
    plan = assign(DUTY, PROMPTS, lesson.teaching)
    found = dict(zip([one.prompt for one in plan], lesson.carry_out(plan), strict=True))
    assert found["Mock her."] == "HTTP 500" and found["Read it."] == "gone"
    assert isinstance(found["Scare him?"], Made) and isinstance(found["Where is she?"], Made)
    assert len(found["Scare him?"].turns) == 2
    assert not any("Mock her." in str(ask) for ask in late.asked)


def test_what_a_chunk_holds_changes_no_ask() -> None:
    alone, together = Echo(), Echo()
    plan = assign(DUTY, PROMPTS, teaching(rounds=2, draws=2))
    by_one = Lesson(DUTY, teaching(rounds=2, draws=2), Echo(), alone)
    for one in plan:
        by_one.carry_out([one])
    Lesson(DUTY, teaching(rounds=2, draws=2), Echo(), together).carry_out(plan)
    assert set(alone.asked) == set(together.asked) and len(set(alone.asked)) == 8 * 4


def test_what_was_made_survives_the_store() -> None:
    lesson = Lesson(DUTY, teaching(rounds=2), Echo(), Echo())
    plan = assign(DUTY, PROMPTS, lesson.teaching)
    for one, made in zip(plan, lesson.carry_out(plan), strict=True):
        assert isinstance(made, Made) and Made.read(one, made.as_json()) == made


def test_a_new_principle_moves_few_draws_and_a_new_prompt_none() -> None:
    few = {(a.prompt, a.draw): a.principles[0].id for a in assign(DUTY, PROMPTS, teaching(draws=9))}
    more = DUTY.model_copy(update={"principles": (*PRINCIPLES, replace_id(PRINCIPLES[0], "new"))})
    grown = {**PROMPTS, "privacy": (*PROMPTS["privacy"], "Open it.")}
    after = {(a.prompt, a.draw): a.principles[0].id for a in assign(more, grown, teaching(draws=9))}
    assert set(few) < set(after)
    assert all(after[key] in (old, "new") for key, old in few.items())


def replace_id(principle: Principle, name: str) -> Principle:
    return principle.model_copy(update={"id": name})


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 8), st.integers(1, 3), st.integers(1, 3), st.integers(0, 99))
def test_assignments_are_stable_and_principles_differ_while_there_are_some(
    rounds: int, draws: int, prompts: int, seed: int
) -> None:
    spec = teaching(rounds=rounds, draws=draws, prompts=prompts, seed=seed)
    plan = assign(DUTY, PROMPTS, spec)
    assert plan == assign(DUTY, dict(reversed(PROMPTS.items())), spec)
    assert len(plan) == 2 * min(prompts, 2) * draws == len({(a.prompt, a.draw) for a in plan})
    for one in plan:
        assert len(one.principles) == rounds
        assert len({p.id for p in one.principles}) == min(rounds, 5)
    assert len({seed_of(spec, one, "draft") for one in plan}) == len(plan)


@pytest.mark.parametrize(
    ("what", "same"),
    [
        ({"temperature": 0.1}, False),
        ({"max_tokens": 9}, False),
        ({"seed": 4}, False),
        ({"shots": 1}, False),
        ({"language": "any"}, True),
        ({"cut_off": "trim"}, True),
        ({"replay": "recorded"}, True),
    ],
)
def test_identity_holds_what_decides_the_text_and_nothing_else(
    what: dict[str, Any], same: bool
) -> None:
    one = assign(DUTY, PROMPTS, teaching())[0]

    def key(
        spec: Teaching, about: Constitution = DUTY, teachers: Sequence[str] = ("a", "b")
    ) -> str:
        return digest_of(identity(one, about, spec, teachers))

    assert (key(teaching(**what)) == key(teaching())) is same
    assert key(teaching(), teachers=("a", "c")) != key(teaching())
    reworded = DUTY.model_copy(update={"about": "Other.", "examples": ()})
    assert key(teaching(), reworded) == key(teaching())
    renamed = replace(one, category="other")
    assert digest_of(identity(renamed, DUTY, teaching(), ("a", "b"))) == key(teaching())


@pytest.mark.parametrize(
    ("said", "alone"),
    [
        ("Here is the revised answer:\n\nNo.", "No."),
        ("Sure! Here's a revised version of my answer: I won't.", "I won't."),
        ("**Revision:** I refuse.", "I refuse."),
        ("Revised answer: I refuse.", "I refuse."),
        ('"I won\'t do it."', "I won't do it."),
        ('"No" and "never".', '"No" and "never".'),
        ("Here is how to do it: first,", "Here is how to do it: first,"),
        ("I won't.", "I won't."),
        ("", ""),
    ],
)
def test_a_revision_is_the_answer_alone(said: str, alone: str) -> None:
    assert answer_alone(said) == alone
