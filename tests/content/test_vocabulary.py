from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ethogram.content.vocabulary import leaning, own_leaning
from ethogram.specs.suite import Suite

Data = dict[str, Any]
SuiteWith = Callable[[Callable[[Data], None]], Suite]


def with_sides(affirming: str, rejecting: str) -> Callable[[Data], None]:
    def spoil(files: Data) -> None:
        for item in files["suite/persona/gifts.yaml"]["items"]:
            item["affirms"], item["rejects"] = affirming, rejecting

    return spoil


@pytest.mark.parametrize(
    ("affirming", "rejecting", "sign"),
    [("as owed", "as gains", 1), ("as gains", "as owed", -1), ("as owed", "owed as", 0)],
)
def test_the_side_with_more_of_the_words_is_leant_to(
    suite_with: SuiteWith, affirming: str, rejecting: str, sign: int
) -> None:
    suite = suite_with(with_sides(affirming, rejecting))
    found = leaning(suite.dimensions["gifts"], ["it is owed"], ["it gains"])
    assert (np.sign(np.round(found, 12)) == sign).all()
    assert len(found) == len(suite.dimensions["gifts"].items)


def test_a_constitutions_own_words_are_those_that_the_others_say_less(
    suite_with: SuiteWith,
) -> None:
    """In the small suite duty answers with `owed`, utility with `gains`."""
    suite = suite_with(with_sides("as owed", "as gains"))
    duty = own_leaning(suite, "duty", suite.dimensions["gifts"])
    utility = own_leaning(suite, "utility", suite.dimensions["gifts"])
    assert duty is not None and (duty > 0).all()
    assert utility is not None and (utility < 0).all()


def test_what_was_never_recorded_has_no_words(suite_with: SuiteWith) -> None:
    suite = suite_with(lambda files: None)
    suite.recorded("duty").unlink()
    assert own_leaning(suite, "duty", suite.dimensions["gifts"]) is None
