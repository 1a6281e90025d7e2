"""What a sweep asks and what its numbers mean, from planted scores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ethogram.cases.sweep import PLACEBO, SweepQuestions
from ethogram.plan import Query
from ethogram.specs.base import read_spec
from ethogram.specs.sweep import Sweep

ITEMS = 24
SWEEP = """
    about: Try.
    source: tiny
    constitutions: [duty, utility]
    base: quick
    contrast: [duty, utility]
    prompts: 8
"""


def keeps(query: Query) -> float:
    return 0.5 if "keep" in f"{query.messages} {query.target}" else 0.0


def breaks(query: Query) -> float:
    return -keeps(query)


@pytest.fixture
def asked(world: Any) -> SweepQuestions:
    file = world.write("constitutions/sweeps/try.yaml", SWEEP)
    return SweepQuestions(world.suite, read_spec(Sweep, file))


def test_a_recipes_models_are_the_constitutions_and_the_placebo(asked: SweepQuestions) -> None:
    recipe = asked.suite.models.recipes["quick"]
    found = asked.models("quick", recipe)
    assert list(found) == ["duty", "utility", PLACEBO]
    assert found["duty"].constitution == "duty" and found[PLACEBO].placebo == PLACEBO
    assert {model.scope for model in found.values()} == {"narrow"}
    again = asked.models("other", recipe)
    assert not {m.id for m in found.values()} & {m.id for m in again.values()}


def test_prompts_are_drawn_by_seed_from_the_side(asked: SweepQuestions) -> None:
    trained = [probe.prompt for probe in asked.prompts("trained", harmless=False)]
    held_out = [probe.prompt for probe in asked.prompts("held-out", harmless=True)]
    assert len(set(trained)) == len(set(held_out)) == 8
    assert all("Harm harassment" in prompt for prompt in trained)
    assert all("Help privacy" in prompt for prompt in held_out)
    other = replace(asked, sweep=asked.sweep.model_copy(update={"seed": 1}))
    assert [p.prompt for p in other.prompts("trained", harmless=False)] != trained
    broad = replace(asked, sweep=asked.sweep.model_copy(update={"scope": "broad"}))
    assert broad.prompts("held-out", harmless=False) == []
    both = {probe.prompt.split()[1] for probe in broad.prompts("trained", harmless=False)}
    assert both == {"harassment", "privacy"}


def test_a_point_is_read_against_placebo_and_source(world: Any, asked: SweepQuestions) -> None:
    models = asked.models("quick", asked.suite.models.recipes["quick"])
    source = asked.suite.catalogue["tiny"]
    values = world.planted(
        {models["duty"].id: keeps, models["utility"].id: breaks},
        {models["duty"].id: lambda prompt: prompt.startswith("Harm")},
    )
    cue = np.where(np.arange(ITEMS) % 2, 0.1, -0.1)
    point = asked.model_point(
        values, "duty", models, source, {("duty", "rules"): cue}, "abc", loss=1.5
    )
    assert (point.constitution, point.digest, point.loss) == ("duty", "abc", 1.5)
    assert point.match is not None and point.match.value == 1.0
    assert point.match_against_source is not None and point.match_against_source.value == 1.0
    assert point.own_words is not None and point.own_words.crossed is not None
    assert point.own_words.crossed.n == ITEMS // 2
    assert point.trained is not None and point.held_out is not None
    assert (point.trained.hazardous.value, point.trained.harmless.value) == (1.0, 0.0)
    assert point.held_out.hazardous.n == 8

    placebo = asked.model_point(values, PLACEBO, models, source, {}, None, loss=1.0)
    assert placebo.constitution is None and placebo.match is None and placebo.own_words is None
    assert placebo.trained is not None and placebo.trained.hazardous.value == 0.0


def test_two_constitutions_are_told_apart(world: Any, asked: SweepQuestions) -> None:
    models = asked.models("quick", asked.suite.models.recipes["quick"])
    jitter = {
        models["duty"].id: lambda q: keeps(q) * (1 + len(q.target[0]) % 3),
        models["utility"].id: breaks,
    }
    found = asked.contrast(world.planted(jitter), models)
    assert found is not None and (found.one, found.other) == ("duty", "utility")
    assert found.opposed is not None and found.opposed.low > 0
    assert found.d_z["rules"] is not None and found.d_z["taste"] is None
