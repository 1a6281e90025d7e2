"""The job *replay*: harmless prompts answered by the source itself, so that training keeps it so."""

from __future__ import annotations

from collections.abc import Sequence

from ethogram.jobs.identity import Identities
from ethogram.jobs.progress import Progress
from ethogram.jobs.score import Scorer
from ethogram.specs.catalogue import Model
from ethogram.specs.constitution import ReplayPrompt
from ethogram.train.replay import Answered, answered, replay_queries


def answer_replay(
    source: Model,
    prompts: Sequence[ReplayPrompt],
    tokens: int,
    identities: Identities,
    progress: Progress,
) -> Answered:
    """The source's greedy answers of at most `tokens` tokens, cut at the end of a sentence.

    They are stored batch by batch, and asked for once.
    """
    digest = identities.digest(source)
    assert digest is not None
    Scorer(identities, progress).score_missing(source, digest, replay_queries(prompts, tokens))
    said = identities.store.scores(digest).values
    return answered(source.id, prompts, tokens, said, identities.evaluated)
