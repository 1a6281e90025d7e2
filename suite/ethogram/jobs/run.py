"""One run: which models are needed, made ready in order, their scores read back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ethogram.jobs.capability import REFUSED, capability_of
from ethogram.jobs.finetune import adapter_of
from ethogram.jobs.identity import Identities
from ethogram.jobs.judge import Judges
from ethogram.jobs.preflight import preflight
from ethogram.jobs.progress import Progress
from ethogram.jobs.score import Scorer
from ethogram.plan import ANSWERS, JUDGE, NotMeasured, Query, Value
from ethogram.specs.suite import Suite
from ethogram.store import Store


@dataclass
class Run:
    """The scores of one suite over one store.

    A model that cannot be finetuned or scored is noted in `failures` and does not stop the
    others: its cases become errors, never failures of its persona.
    """

    suite: Suite
    store: Store
    progress: Progress
    failures: dict[str, Exception] = field(default_factory=dict)
    _refreshed: set[str] = field(default_factory=set)
    _checked: set[str] = field(default_factory=set)

    @cached_property
    def identities(self) -> Identities:
        return Identities(self.suite, self.store)

    @cached_property
    def scorer(self) -> Scorer:
        return Scorer(self.identities, self.progress)

    @cached_property
    def judges(self) -> Judges:
        return Judges(self.identities, self.progress, self.scorer)

    def learn(self, model_ids: Iterable[str], *, ask: bool = True) -> None:
        """Find out which of the models' servers give no log-probabilities, before any case asks.

        With `ask=False` only what an earlier run, or another process, found out.
        """
        for model_id in model_ids:
            # What stands for all seeds of a model is in no catalogue, and behind no server.
            known = model_id in self.suite.catalogue
            if not known or model_id in self.suite.limited or model_id in self.failures:
                continue
            model = self.suite.catalogue[model_id]
            try:
                found = capability_of(model, self.identities, self.scorer if ask else None)
            except Exception as error:
                self._failed(model_id, error)
                continue
            if found != "logprobs":
                self.suite.limited[model_id] = found
                self.progress.say(f"{model_id}: {REFUSED[found]}")

    def refuse(self, needs: Mapping[str, Sequence[Query]]) -> None:
        """Raise NotMeasured for what could not be made ready, or what a server cannot be asked."""
        for name, queries in needs.items():
            if name in self.failures:
                raise NotMeasured(f"{name}: {self.failures[name]}")
            given = self.suite.limited.get(name)
            if given is not None and any(q.kind not in ANSWERS[given] for q in queries):
                raise NotMeasured(f"{name}: {REFUSED[given]}")

    def prepare(self, needs: Mapping[str, Sequence[Query]]) -> None:
        """Name all that is wrong, then finetune and score what is missing, model by model.

        A name that begins with `judge:` is a judge's; its answers must be stored before.
        """
        self.preflight(needs)
        known = (self.suite.catalogue[n] for n in needs if not n.startswith(JUDGE))
        self.scorer.expect(known)
        for model_id, queries in needs.items():
            if model_id in self.failures:
                continue
            try:
                self._prepare(model_id, queries)
            except Exception as error:
                self._failed(model_id, error)
        self.scorer.expect(())

    def preflight(self, model_ids: Iterable[str]) -> None:
        """Note every model that cannot be made ready, once, before anything costs time."""
        named = [n for n in model_ids if n not in self._checked and not n.startswith(JUDGE)]
        self._checked.update(named)
        wanted = [self.suite.catalogue[name] for name in named if name not in self.failures]
        for model_id, error in preflight(wanted, self.identities).items():
            self._failed(model_id, error)

    def _failed(self, model_id: str, error: Exception) -> None:
        """Note it: whatever it is, it belongs to this model's cases and to no other's."""
        why = first_line(error)
        alike = next((name for name, e in self.failures.items() if first_line(e) == why), None)
        self.failures[model_id] = error
        told = f", for the same reason as {alike}" if alike else f": {why}"
        self.progress.say(f"{model_id} could not be measured{told}")

    def _prepare(self, model_id: str, queries: Sequence[Query]) -> None:
        if model_id.startswith(JUDGE):
            self.judges.judge_missing(model_id.removeprefix(JUDGE), queries)
            return
        if (given := self.suite.limited.get(model_id)) is not None:
            queries = [query for query in queries if query.kind in ANSWERS[given]]
        model = self.suite.catalogue[model_id]
        digest = self.identities.digest(model)
        if digest is None:
            adapter_of(model, self.identities, self.progress)
            digest = self.identities.digest(model)
        if digest is None:
            raise NotMeasured(f"{model_id} has no adapter after training")
        self.scorer.score_missing(model, digest, queries)

    def value(self, model_id: str, query: Query) -> Value:
        """The stored score. Raises NotMeasured where there is none."""
        if model_id in self.failures:
            raise NotMeasured(f"{model_id}: {self.failures[model_id]}")
        if model_id.startswith(JUDGE):
            return self.judges.value(model_id.removeprefix(JUDGE), query)
        found = self._scores(model_id).get(query.key)
        if found is None:
            digest = self.identities.digest(self.suite.catalogue[model_id])
            if error := self.scorer.unanswered.get((str(digest), query.key)):
                raise error
            raise NotMeasured(f"{model_id} was not asked {query.kind} {query.target!r}")
        value: Value = found
        return value

    def _scores(self, model_id: str) -> Mapping[str, Any]:
        digest = self.identities.digest(self.suite.catalogue[model_id])
        if digest is None:
            raise NotMeasured(f"{model_id} is not finetuned")
        log = self.store.scores(digest)
        if model_id not in self._refreshed:
            self._refreshed.add(model_id)
            log.refresh()
        return log.values


def first_line(error: Exception) -> str:
    """The kind of the error and the first line of its message."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
