"""The matrices behind the reliability of the instrument, from planted scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ethogram.analyse.instrument import instrument
from ethogram.cases.reliability import Questionnaire
from ethogram.plan import NotMeasured, Query, Value

ITEMS = 24
DUTY = "tiny-duty-narrow"
MODELS = ("tiny-duty-broad", DUTY, "tiny-utility-broad", "tiny-utility-narrow")


def keeps(query: Query) -> float:
    return 0.5 if "keep" in f"{query.messages} {query.target}" else 0.0


def breaks(query: Query) -> float:
    return -keeps(query)


SHIFTS = {name: keeps if "duty" in name else breaks for name in MODELS}


@pytest.fixture
def asked(world: Any) -> Questionnaire:
    world.rewrite("suite/persona/rules.yaml", "items:", 'paraphrases: ["So, {topic}?"]\nitems:')
    return Questionnaire(world.suite)


def test_shifts_stand_by_item_and_model_with_their_signs(world: Any, asked: Questionnaire) -> None:
    values = world.planted(SHIFTS)
    rules, agreement, *rest = asked.sheets(values, {})
    assert (rules.dimension, rules.probe, agreement.probe) == ("rules", "endorsement", "agreement")
    assert rules.models == MODELS and rules.signs == (1, 1, -1, -1)
    assert rules.shifts.shape == (ITEMS, 4)
    assert rules.shifts == pytest.approx(np.tile([0.5, 0.5, -0.5, -0.5], (ITEMS, 1)))
    assert rules.paraphrased == pytest.approx(rules.shifts)
    assert agreement.paraphrased is None and rest[0].paraphrased is None
    assert not rules.cues.any()
    assert asked.missing == {}


def test_needs_are_exactly_what_is_read(world: Any, asked: Questionnaire) -> None:
    values = world.planted(SHIFTS)
    needed = {(m, q.key) for m, queries in asked.needs().items() for q in queries}
    asked.sheets(values, {})
    Questionnaire(world.suite, "source").sheets(values, {})
    assert values.asked == needed


def test_the_source_may_be_the_reference(world: Any) -> None:
    values = world.planted({**SHIFTS, "tiny-plain-refusal-narrow": keeps})
    placebo = Questionnaire(world.suite).sheets(values, {})[0]
    source = Questionnaire(world.suite, "source").sheets(values, {})[0]
    at = MODELS.index(DUTY)
    assert not placebo.shifts[:, at].any() and source.shifts[0, at] == pytest.approx(0.5)


def test_a_model_without_scores_is_left_out_and_named(world: Any, asked: Questionnaire) -> None:
    planted = world.planted(SHIFTS)

    def values(model: str, query: Query) -> Value:
        if model == DUTY:
            raise NotMeasured("never asked")
        return planted(model, query)

    sheet = asked.sheets(values, {})[0]
    assert DUTY not in sheet.models and sheet.shifts.shape == (ITEMS, 3)
    why = "endorsement (dimensions: 2), agreement (dimensions: 2); first: never asked"
    assert asked.missing == {DUTY: why}


def test_a_paraphrase_that_one_model_was_not_asked_is_not_measured(
    world: Any, asked: Questionnaire
) -> None:
    planted = world.planted(SHIFTS)

    def values(model: str, query: Query) -> Value:
        if model == DUTY and "So, " in query.messages[0][1]:
            raise NotMeasured("never asked that way")
        return planted(model, query)

    sheet = asked.sheets(values, {})[0]
    assert sheet.models == MODELS and sheet.paraphrased is None
    why = "endorsement under a paraphrase (dimensions: 1); first: never asked that way"
    assert asked.missing == {DUTY: why}


def test_the_whole_instrument(world: Any, asked: Questionnaire) -> None:
    cue = np.where(np.arange(ITEMS) % 2, 0.1, -0.1)
    leanings = {("duty", "rules"): cue, ("utility", "rules"): -cue, ("duty", "taste"): None}
    found = instrument(asked.sheets(world.planted(SHIFTS), leanings))
    assert found.models == MODELS
    rules = found.dimensions[0]
    assert rules.discrimination.expected is not None
    assert rules.discrimination.expected.value == 1.0
    assert rules.alpha is not None and rules.alpha.value == pytest.approx(1.0)
    own = rules.own_words
    assert own.aligned is not None and own.crossed is not None and own.surviving is not None
    assert own.aligned.n == own.crossed.n == ITEMS * 2
    assert own.surviving.value == pytest.approx(1.0)
    taste = next(d for d in found.dimensions if d.dimension == "taste")
    assert taste.alpha is None and taste.signed == 0 and taste.own_words.aligned is None
    assert [pair.r for pair in found.related] == [None, None], "taste does not vary"
    assert {words.model for words in found.words} == set(MODELS)


def test_an_imported_dimension_is_no_part_of_the_instrument(world: Any) -> None:
    world.rewrite(
        "suite/persona/taste.yaml", "items:", "provenance: {source: a, licence: b}\nitems:"
    )
    assert [d.id for d in Questionnaire(world.suite).dimensions] == ["rules"]
