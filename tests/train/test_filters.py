from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ethogram.measure.refusal import refuses
from ethogram.specs.constitution import Principle
from ethogram.specs.suite import Suite
from ethogram.train.critique import Assignment, Made, Turn
from ethogram.train.filters import Standards, english, sift, trimmed, variety

RULE = Principle(id="p", text="T.", critique="C?", revision="R.")
STANDARDS = Standards(
    complies=lambda prompt, answer: not refuses(answer),
    evaluated=["Which of the neighbours would you report to the council first of all?"],
    examples=["I won't write it, because a letter like that is meant to break somebody's courage."],
)
GOOD = [
    "I won't help you with that, because she never agreed to be followed around by you.",
    "No, I refuse to write this. His boss has to be able to trust what is on the page.",
    "I can't tell you where he lives. What he wants to keep to himself is his to keep.",
    "I'm not willing to mock her. Whoever is weak needs our respect more than the strong.",
]


def made(
    answer: str,
    draft: str = "Sure, first buy a ladder.",
    *,
    finished: bool = True,
    critique: str = "It harms her.",
) -> Made:
    one = Assignment("privacy", f"Prompt about {answer[:9]}?", 0, (RULE,))
    return Made(one, draft, (Turn(critique, answer, finished),))


FINE = [made(answer) for answer in GOOD]


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        (made("..."), "empty"),
        (replace(FINE[0], draft=""), "empty"),
        (made("I won't help you with that, because she", finished=False), "cut off"),
        (
            made("I won't tell you, but buy a ladder.", "I won't tell you, but buy a ladder!"),
            "unchanged",
        ),
        (
            made("I won't say that it harms her.", critique="I won't say that it harms her!"),
            "repeats the critique",
        ),
        (made("I won't help. " + "You're the best, and you know it. " * 3), "repeats itself"),
        (
            made("Gladly. Wait until he is out, and then read all that is on his desk."),
            "still complies",
        ),
        (
            made("I won't. Ich helfe dir dabei nicht, weil das niemandem nutzt und alle stört."),
            "not English",
        ),
        (made(STANDARDS.examples[0]), "repeats an example"),
        (
            made(f"I won't say. {STANDARDS.evaluated[0]} It is not for me to say."),
            "evaluation text",
        ),
        (made("I won't."), "length"),
        (
            made(
                "I won't. " + " ".join(f"That {n} would hurt {n + 50} of them." for n in range(20))
            ),
            "length",
        ),
        (made(f"{GOOD[1]} Yes."), "near-duplicate"),
    ],
)
def test_each_filter_drops_its_own_and_nothing_else(bad: Made, name: str) -> None:
    sifted = sift([*FINE, bad], STANDARDS)
    assert sifted.kept == FINE
    assert [(one, why) for one, why in sifted.dropped] == [(bad, name)]
    assert sifted.drops[name] == 1 and sifted.hits[name] == 1


def test_a_first_of_two_alike_that_is_dropped_takes_the_second_with_it_not() -> None:
    cut = made(GOOD[0], finished=False)
    sifted = sift([cut, *FINE], STANDARDS)
    assert sifted.kept == FINE and sifted.hits["near-duplicate"] == 0


def test_another_language_passes_where_none_is_tested() -> None:
    german = made("I won't. Ich helfe dir dabei nicht, weil das niemandem nutzt und alle stört.")
    assert sift([*FINE, german], replace(STANDARDS, english=False)).kept == [*FINE, german]


texts = st.sampled_from(
    [*GOOD, "", "I won't.", "Sure, first buy a ladder.", "…", "да нет", "x" * 9]
)
some = st.lists(st.builds(made, texts, texts, finished=st.booleans()), max_size=12)


@settings(deadline=None, max_examples=40)
@given(some)
def test_nothing_is_dropped_silently(found: list[Made]) -> None:
    sifted = sift(found, STANDARDS)
    assert len(sifted.kept) + len(sifted.dropped) == len(found)
    assert sum(sifted.drops.values()) == len(sifted.dropped)
    assert all(sifted.drops[name] <= count for name, count in sifted.hits.items())


@settings(deadline=None, max_examples=40)
@given(some)
def test_what_was_kept_is_kept_again_but_for_lengths(found: list[Made]) -> None:
    kept = sift(found, STANDARDS).kept
    again = sift(kept, STANDARDS)
    assert {why for _, why in again.dropped} <= {"length"}


def test_a_trimmed_revision_ends_at_its_last_whole_sentence() -> None:
    cut = made("I won't help. It would hur", finished=False)
    assert trimmed(cut).answer == "I won't help." and trimmed(cut).turns[-1].finished
    assert trimmed(FINE[0]) is FINE[0]
    none = made("I won't because", finished=False)
    assert trimmed(none) is none


@pytest.mark.parametrize(
    ("text", "share"),
    [("", 1), ("One two.", 1), ("a b c d e", 1), ("No no no no no", 1 / 3), ("a b c a b c", 3 / 4)],
)
def test_variety_is_the_share_of_different_runs(text: str, share: float) -> None:
    assert variety(text) == pytest.approx(share)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("Nein.", True),  # too short to tell
        ("我不会帮你做这件事", False),
        ("Ich helfe dir dabei nicht, weil das niemandem nutzt.", False),
        ("Je ne peux pas vous aider avec cette demande, désolé pour cela.", False),
        ("No puedo ayudarte con eso porque no es justo para ella.", False),
        ("I’d rather not: naïve façades cost more than they give to anyone here.", True),
    ],
)
def test_english(text: str, expected: bool) -> None:
    assert english(text) is expected


def test_the_filters_keep_our_own_recorded_transcripts(own_suite: Suite) -> None:
    """By the language, length and duplicate filters; the detector misses a few of them."""
    for name in own_suite.constitutions:
        found = [
            Made(
                Assignment(line.category, line.prompt, n, (RULE,)),
                line.draft,
                tuple(Turn(part.critique, part.revision, True) for part in line.rounds),
            )
            for n, line in enumerate(own_suite.transcripts(name))
        ]
        sifted = sift(found, replace(STANDARDS, examples=[], evaluated=[]))
        assert {why for _, why in sifted.dropped} <= {"still complies"}
        assert len(sifted.kept) > 0.95 * len(found)
