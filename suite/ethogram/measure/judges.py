"""Judges that are models: behind a server, or in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from ethogram.measure.judging import NOTHING, Grader
from ethogram.measure.probes import numbers
from ethogram.measure.server import Server, each
from ethogram.plan import Query, Unanswered, Value
from ethogram.specs.judging import Judge

BATCH = 16
"""Answers that a local judge reads before they are stored."""


class Scores(Protocol):
    """A local model's engine."""

    def score(self, queries: Sequence[Query]) -> Iterator[dict[Query, Value]]: ...


class EndpointJudge:
    """Replies in words over chat completions, greedily."""

    def __init__(self, judge: Judge, grader: Grader) -> None:
        self.grader, self.tokens, self.budget = grader, judge.tokens, judge.error_budget
        self.server = Server(str(judge.endpoint), str(judge.model), judge.api_key_env)
        self.server.find_model()

    def score(self, queries: Sequence[Query]) -> Iterator[dict[Query, Value | Unanswered]]:
        """Replies in batches; a request that got none comes as Unanswered. See `each`."""
        return each(queries, self._one, self.budget)

    def _one(self, query: Query) -> Value:
        return self.server.chat(self.grader.asked(query), self.tokens)


class LocalJudge:
    """Log P(letter | request, answer) - log P(letter | nothing), label by label.

    The difference takes out the letter that the model would say anyway (contextual calibration,
    Zhao et al. 2021, arXiv 2102.09690).
    """

    def __init__(self, engine: Scores, grader: Grader) -> None:
        self.engine, self.grader = engine, grader

    def score(self, queries: Sequence[Query]) -> Iterator[dict[Query, Value | Unanswered]]:
        leaning = self._chances([NOTHING])[NOTHING]
        for start in range(0, len(queries), BATCH):
            found = self._chances(queries[start : start + BATCH])
            yield {
                query: [chance - lean for chance, lean in zip(chances, leaning, strict=True)]
                for query, chances in found.items()
            }

    def _chances(self, queries: Sequence[Query]) -> dict[Query, list[float]]:
        asked = {query: self.grader.choices(query) for query in queries}
        flat = [choice for choices in asked.values() for choice in choices]
        said = {q: numbers(v)[0] for batch in self.engine.score(flat) for q, v in batch.items()}
        return {query: [said[choice] for choice in choices] for query, choices in asked.items()}
