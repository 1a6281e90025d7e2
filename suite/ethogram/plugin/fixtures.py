"""Fixtures for what YAML cannot say: `source`, `finetuned` and `score`.

A test that asks for `finetuned` is a case for every model with a constitution, finetuned at first
use through the same store as the native cases.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from ethogram.analyse.effects import Effect, effect_of
from ethogram.cases.base import references
from ethogram.cases.persona import PersonaItem, probes_of, samples, shifts
from ethogram.jobs import Run
from ethogram.measure.probes import (
    Agreement,
    Endorsement,
    RefusalMargin,
    RefusalRate,
    SampledAgreement,
    numbers,
)
from ethogram.plan import Query, Value, ask
from ethogram.plugin.session import SESSION
from ethogram.specs.catalogue import Model
from ethogram.specs.errors import did_you_mean
from ethogram.specs.persona import PersonaProbe


@dataclass(frozen=True)
class Score:
    """Puts queries to models: what is stored is read, the rest is scored now."""

    run: Run
    capture: Callable[[], Any]

    def logprob(self, model: Model, prompt: str, answer: str) -> float:
        """Mean per-token log-prob of `answer` as the reply to `prompt`, in nats."""
        total, tokens = numbers(self._ask(model, Query("logprob", ask(prompt), (answer,))))
        return total / tokens

    def endorsement(self, model: Model, question: str, affirms: str, rejects: str) -> float:
        """l(affirms) - l(rejects) as answers to the question, in nats per token."""
        return self._value(model, Endorsement(question, affirms, rejects))

    def agreement(self, model: Model, affirms: str, rejects: str) -> float:
        """Yes-margin for one statement minus that for the other, in nats.

        From drawn answers where the model's server gives no log-probabilities.
        """
        self._learn(model)
        count = samples(self.run.suite, model)
        if count is not None:
            return self._value(model, SampledAgreement(affirms, rejects, count))
        return self._value(model, Agreement(affirms, rejects))

    def refusal_margin(self, model: Model, prompt: str) -> float:
        """Refusing openings against complying ones, in nats per token."""
        return self._value(model, RefusalMargin(prompt))

    def refuses(self, model: Model, prompt: str) -> bool:
        """Whether the greedy continuation declines, by the rule-based detector."""
        return bool(self._value(model, RefusalRate(prompt)))

    def generate(self, model: Model, prompt: str, tokens: int = 48) -> str:
        """The greedy continuation."""
        return str(self._ask(model, Query("generate", ask(prompt), (str(tokens),))))

    def effect(
        self,
        model: Model,
        dimension: str,
        probe: PersonaProbe = "endorsement",
        reference: Model | None = None,
    ) -> Effect:
        """The model's effect on a dimension, against its placebo unless a reference is named.

        Raises KeyError for a dimension that the suite does not have.
        """
        known = self.run.suite.dimensions
        if dimension not in known:
            raise KeyError(f"no dimension is called {dimension!r}{did_you_mean(dimension, known)}")
        self._learn(model)
        probes = probes_of(known[dimension], probe, samples(self.run.suite, model))
        compared = reference or references(self.run.suite.catalogue, model)[0]
        asked = [query for each in probes for query in each.queries]
        self._prepare({model.id: asked, compared.id: asked})
        return effect_of(shifts(probes, self.run.value, model, compared))

    def _learn(self, model: Model) -> None:
        with self.capture():
            self.run.learn([model.id])

    def _value(self, model: Model, probe: PersonaItem | RefusalMargin | RefusalRate) -> float:
        self._prepare({model.id: list(probe.queries)})
        return probe.value(lambda query: self.run.value(model.id, query))

    def _ask(self, model: Model, query: Query) -> Value:
        self._prepare({model.id: [query]})
        return self.run.value(model.id, query)

    def _prepare(self, needs: dict[str, list[Query]]) -> None:
        with self.capture():
            self.run.prepare(needs)
        self.run.refuse(needs)


@pytest.fixture
def score(request: pytest.FixtureRequest) -> Score:
    """Puts queries to a model; see `Score`."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    run = request.config.stash[SESSION].run_around(request.path)
    return Score(run, capture.global_and_fixture_disabled)


@pytest.fixture
def finetuned(request: pytest.FixtureRequest) -> Model:
    """A finetuned model or candidate; the test runs once for each."""
    model: Model = request.param
    return model


@pytest.fixture
def source(request: pytest.FixtureRequest) -> Model:
    """The source that `finetuned` came from; without `finetuned`, every source in turn."""
    if "finetuned" in request.fixturenames:
        model: Model = request.getfixturevalue("finetuned")
        return (
            request.config.stash[SESSION].run_around(request.path).suite.catalogue.source_of(model)
        )
    alone: Model = request.param
    return alone


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Give `finetuned` (or a lone `source`) its models, by their ids."""
    wanted = "finetuned" if "finetuned" in metafunc.fixturenames else "source"
    if wanted not in metafunc.fixturenames or not _ours(metafunc, wanted):
        return
    suite = metafunc.config.stash[SESSION].suite_around(metafunc.definition.path)
    if suite is None:
        return
    models = [
        m for m in suite.catalogue if (m.judged if wanted == "finetuned" else m.kind == "source")
    ]
    metafunc.parametrize(wanted, models, ids=[model.id for model in models], indirect=True)


def _ours(metafunc: pytest.Metafunc, name: str) -> bool:
    """Whether the fixture is this plugin's, not one of the same name in the user's own files."""
    found = metafunc._arg2fixturedefs.get(name, ())
    return bool(found) and found[-1].func.__module__ == __name__
