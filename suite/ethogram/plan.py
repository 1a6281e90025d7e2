"""What a model is asked: queries, deduplicated, minus those whose scores are stored.

A query names no model. Its key together with a model's digest names one score for good.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

from ethogram.specs.models import Capability

Messages = tuple[tuple[str, str], ...]
"""(role, content) pairs, rendered under the model's own chat template."""

Value: TypeAlias = list[float] | list[str] | str
"""What a query's score holds: numbers, sampled texts, or the generated text."""


class NotMeasured(Exception):
    """A score is asked for that was never taken, or whose model could not be made ready."""


class Unanswered(NotMeasured):
    """One query that a server, or a judge, did not answer in spite of every retry."""


QueryKind = Literal["logprob", "answer", "generate", "sample", "judge"]
VERSION: dict[QueryKind, int] = {"logprob": 1, "answer": 1, "generate": 1, "sample": 1, "judge": 1}
"""Raised when an engine's way of computing a kind changes, so that stored scores are not mixed."""

ANSWERS: dict[Capability, frozenset[QueryKind]] = {
    "logprobs": frozenset({"logprob", "answer", "generate", "sample"}),
    "sampled": frozenset({"generate", "sample"}),
    "greedy": frozenset({"generate"}),
}
"""The kinds of query that a server can be asked, by what it gives."""


@dataclass(frozen=True)
class Query:
    """One question to a model.

    - `logprob`: target = (continuation,). Score: [sum of its log-probs in nats, its tokens].
    - `answer`: target = (word, ...). Score: [log P(word), ...], each over its token variants.
    - `generate`: target = (number of tokens,). Score: the greedy continuation as text.
    - `sample`: target = (number of tokens, count). Score: `count` continuations as texts, drawn at
      temperature 1.
    - `judge`: messages = a request and its answer, target = (). To a judge, not to a model. Score:
      the judge's reply as text, or the log-odds of its labels as numbers.
    """

    kind: QueryKind
    messages: Messages
    target: tuple[str, ...]

    @cached_property
    def key(self) -> str:
        """The query's digest; stable over processes and machines."""
        body = [self.kind, VERSION[self.kind], self.messages, self.target]
        text = json.dumps(body, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def ask(prompt: str) -> Messages:
    """A single user message."""
    return (("user", prompt),)


JUDGE = "judge:"
"""Begins what stands in the place of a model's id where a query goes to a judge."""


def judgement(request: str, answer: str) -> Query:
    """What a judge is asked about one answer; the same for every judge."""
    return Query("judge", (("user", request), ("assistant", answer)), ())


def missing(queries: Iterable[Query], stored: Mapping[str, object]) -> list[Query]:
    """The distinct queries that have no stored score, in the order in which they came."""
    return [q for q in dict.fromkeys(queries) if q.key not in stored]
