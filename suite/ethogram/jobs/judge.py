"""The job *judge*: answers that are stored already go to a judge; its judgements are stored apart.

A judgement is kept under the judge (its model, its rubric) and the digest of request and answer, so
that a new judge or rubric judges anew without any answer being generated again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ethogram.jobs.identity import Identities
from ethogram.jobs.progress import Progress
from ethogram.jobs.score import Scorer
from ethogram.measure.judging import Grader
from ethogram.plan import NotMeasured, Query, Unanswered, Value, missing
from ethogram.specs.errors import count
from ethogram.store import ScoreLog, digest_of


class Judging(Protocol):
    """Answers judgements batch by batch."""

    def score(self, queries: Sequence[Query]) -> Iterable[dict[Query, Value | Unanswered]]: ...


@dataclass
class Judges:
    """The judges of models.yaml that are models, by their ids."""

    identities: Identities
    progress: Progress
    scorer: Scorer
    unanswered: dict[tuple[str, str], Unanswered] = field(default_factory=dict)

    def digest(self, judge: str) -> str:
        """Digest of what a verdict depends on beside the request and the answer."""
        spec = self.identities.suite.models.judges[judge]
        model: object = [spec.endpoint, spec.model, spec.tokens]
        if spec.local is not None:
            model = self.identities.source(self.identities.suite.catalogue[spec.local])
        return digest_of({"model": model, "rubric": self.grader(judge).digest})

    def grader(self, judge: str) -> Grader:
        return Grader(self.identities.suite.rubric_of(judge))

    def judge_missing(self, judge: str, queries: Sequence[Query]) -> None:
        """Ask for what the store lacks. Raises EngineError where too much goes wrong."""
        log, digest = self._log(judge), self.digest(judge)
        if not missing(queries, log.refresh()):
            return
        with self.identities.store.jobs.locked(digest):
            wanted = missing(queries, log.refresh())
            if not wanted:
                return
            with self.progress.phase(f"judged by {judge}") as details:
                for batch in self._engine(judge).score(wanted):
                    self._keep(judge, log, batch)
                details.append(count(len(wanted), "answer"))

    def value(self, judge: str, query: Query) -> Value:
        """The stored judgement. Raises Unanswered where the judge gave none, else NotMeasured."""
        log = self._log(judge)
        found = log.values.get(query.key) or log.refresh().get(query.key)
        if found is None:
            if error := self.unanswered.get((judge, query.key)):
                raise error
            raise NotMeasured(f"the judge {judge} was not asked about this answer")
        value: Value = found
        return value

    def _keep(self, judge: str, log: ScoreLog, batch: dict[Query, Value | Unanswered]) -> None:
        log.add({q.key: v for q, v in batch.items() if not isinstance(v, Unanswered)})
        for query, value in batch.items():
            if isinstance(value, Unanswered):
                self.unanswered[judge, query.key] = value

    def _log(self, judge: str) -> ScoreLog:
        return self.identities.store.judgements(self.digest(judge))

    def _engine(self, judge: str) -> Judging:
        from ethogram.measure.judges import EndpointJudge, LocalJudge

        spec, grader = self.identities.suite.models.judges[judge], self.grader(judge)
        if spec.local is None:
            return EndpointJudge(spec, grader)
        source = self.identities.suite.catalogue[spec.local]
        digest = self.identities.digest(source)
        assert digest is not None
        return LocalJudge(self.scorer.engine(source, digest), grader)
