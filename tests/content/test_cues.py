from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ethogram.content import STANDARD, Cues, Standard, cues, findings
from ethogram.specs.suite import Suite

Data = dict[str, Any]
Spoil = Callable[[Data], None]
SuiteWith = Callable[[Spoil], Suite]
PERSONA = "suite/persona"
NOUNS = ("lamp", "harp", "boat", "coat", "pond", "barn", "drum", "kite")
VERBS = ("mend", "sell", "hide", "paint", "lend", "keep", "send", "weigh")
NO_CHANCE: Standard = replace(STANDARD, cue=0.1, balance=0.2)


def dimension(affirming: str, rejecting: str, nouns: tuple[str, ...] = NOUNS) -> Data:
    """A dimension whose sides differ in nothing but the given words; `{n}` is the item's number."""
    return {
        "about": "Words.",
        "items": [
            {
                "id": noun,
                "topic": noun,
                "affirms": f"I {VERBS[n]} my {noun} {affirming}",
                "rejects": f"I {VERBS[n]} my {noun} {rejecting}",
            }
            for n, noun in enumerate(nouns)
        ],
    }


def only(files: Data, **dimensions: Data) -> None:
    for name in ("gifts", "visits"):
        del files[f"{PERSONA}/{name}.yaml"]
    for constitution in ("duty", "utility", "care"):
        files[f"constitutions/{constitution}.yaml"]["signature"] = {
            name: {
                "expect": {"duty": "more", "utility": "less", "care": "same"}[constitution],
                "because": "for tests",
            }
            for name in dimensions
        }
    files.update({f"{PERSONA}/{name}.yaml": data for name, data in dimensions.items()})


def rules(suite: Suite) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {"cues": set(), "vocabulary": set()}
    for finding in findings(suite, NO_CHANCE):
        found.get(finding.rule, set()).add(finding.place.file.stem)
    return found


def by_name(suite: Suite) -> dict[str, Cues]:
    return {found.dimension.id: found for found in cues(suite)}


def test_an_authors_habit_that_all_dimensions_share_is_found(suite_with: SuiteWith) -> None:
    habit = dimension("gladly", "grudgingly")
    suite = suite_with(lambda files: only(files, one=habit, two=habit))
    assert rules(suite)["cues"] == {"one", "two"}
    found = by_name(suite)["one"]
    assert (found.across, found.within) == (1.0, 1.0)


def test_a_word_of_one_dimensions_subject_is_shown_and_not_held_against_it(
    suite_with: SuiteWith,
) -> None:
    suite = suite_with(
        lambda files: only(
            files, one=dimension("gladly", "grudgingly"), two=dimension("today", "tomorrow")
        )
    )
    assert rules(suite)["cues"] == set()
    assert by_name(suite)["two"].within == 1.0


def test_words_that_stand_on_both_sides_alike_say_nothing(suite_with: SuiteWith) -> None:
    def balanced(files: Data) -> None:
        mixed = dimension("gladly", "grudgingly")
        for item in mixed["items"][::2]:
            item["affirms"], item["rejects"] = item["rejects"], item["affirms"]
        only(files, one=mixed, two=mixed)

    suite = suite_with(balanced)
    assert rules(suite)["cues"] == set()
    assert by_name(suite)["one"].across == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("affirming", "rejecting", "share"),
    [("as owed", "as gains", 1.0), ("as gains", "as owed", 0.0), ("today", "tomorrow", 0.5)],
)
def test_sides_in_the_constitutions_own_words_are_found(
    suite_with: SuiteWith, affirming: str, rejecting: str, share: float
) -> None:
    """In the small suite duty answers with `owed`, utility with `gains`."""
    suite = suite_with(lambda files: only(files, one=dimension(affirming, rejecting)))
    assert by_name(suite)["one"].vocabulary == share
    assert rules(suite)["vocabulary"] == ({"one"} if share != 0.5 else set())


def test_the_bounds_themselves_are_allowed(suite_with: SuiteWith) -> None:
    def seven_of_ten(files: Data) -> None:
        nouns = (*NOUNS, "sled", "wall")
        one = dimension("as owed", "as gains", nouns[:8])
        more = dimension("as owed", "as gains", nouns[8:])
        one["items"] += more["items"]
        for item in one["items"][:3]:
            item["affirms"], item["rejects"] = item["rejects"], item["affirms"]
        only(files, one=one)

    suite = suite_with(seven_of_ten)
    assert by_name(suite)["one"].vocabulary == pytest.approx(0.7)
    assert rules(suite)["vocabulary"] == set()


def test_where_no_two_constitutions_disagree_no_vocabulary_is_learned(
    suite_with: SuiteWith,
) -> None:
    def agreed(files: Data) -> None:
        only(files, one=dimension("today", "tomorrow"))
        for name in ("duty", "utility"):
            files[f"constitutions/{name}.yaml"]["signature"]["one"]["expect"] = "more"

    assert by_name(suite_with(agreed))["one"].vocabulary is None


def test_a_single_dimension_has_no_others_to_learn_from(suite_with: SuiteWith) -> None:
    suite = suite_with(lambda files: only(files, one=dimension("today", "tomorrow")))
    assert by_name(suite)["one"].across is None
