"""Scores taken a second time, under other conditions, and stored nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ethogram.jobs.identity import Identities
from ethogram.jobs.progress import Progress
from ethogram.jobs.score import engine_for
from ethogram.plan import NotMeasured, Query, Unanswered, Value
from ethogram.specs.catalogue import Model


@dataclass(frozen=True, slots=True)
class Conditions:
    """How a model in memory is asked again: in other batches, on other threads, last items first."""

    tokens: int
    prompts: int
    threads: int


def asked_again(
    identities: Identities,
    progress: Progress,
    model: Model,
    queries: Sequence[Query],
    conditions: Conditions,
) -> dict[Query, Value]:
    """The scores under these conditions; an endpoint sets its own. Raises NotMeasured where one is lost."""
    from ethogram.measure.engine import LocalEngine
    from ethogram.source.load import pin_threads

    engine = engine_for(model, identities, progress)
    found: dict[Query, Value] = {}
    try:
        if isinstance(engine, LocalEngine):
            engine.tokens, engine.prompts = conditions.tokens, conditions.prompts
            pin_threads(conditions.threads)
        with progress.bar(f"ask {model.id} again", len(queries), "query") as bar:
            for batch in engine.score(queries[::-1]):
                lost = [value for value in batch.values() if isinstance(value, Unanswered)]
                if lost:
                    raise NotMeasured(f"{model.id} did not answer again: {lost[0]}")
                found |= batch
                bar.update(len(batch))
    finally:
        pin_threads()
    return found
