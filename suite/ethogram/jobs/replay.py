"""The job *replay*: harmless prompts answered by the source itself, so that training keeps it so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ethogram.jobs.identity import Identities
from ethogram.jobs.progress import Progress
from ethogram.jobs.score import Scorer
from ethogram.plan import Query, ask
from ethogram.specs.catalogue import Model
from ethogram.specs.constitution import Replay, ReplayPrompt
from ethogram.train.leakage import near_duplicates
from ethogram.train.sentences import whole_sentences


@dataclass(frozen=True, slots=True)
class Answered:
    """Replay lines in the prompts' order, and the prompts left out, each with the reason."""

    lines: tuple[Replay, ...]
    left_out: tuple[tuple[str, str], ...]


def answer_replay(
    source: Model,
    prompts: Sequence[ReplayPrompt],
    tokens: int,
    identities: Identities,
    progress: Progress,
) -> Answered:
    """The source's greedy answers of at most `tokens` tokens, cut at the end of a sentence.

    They are scores of the source as any other: stored batch by batch, and asked for once.
    """
    distinct = {prompt.prompt: prompt for prompt in prompts}
    queries = [Query("generate", ask(prompt), (str(tokens),)) for prompt in distinct]
    digest = identities.digest(source)
    assert digest is not None
    Scorer(identities, progress).score_missing(source, digest, queries)
    said = identities.store.scores(digest).values
    lines, left_out = [], []
    for query, asked in zip(queries, distinct.values(), strict=True):
        answer = whole_sentences(str(said[query.key]))
        if not answer:
            left_out.append((asked.prompt, f"no sentence ends within {tokens} tokens"))
            continue
        teacher = f"{source.id} (greedy, {tokens} tokens at most, cut at the end of a sentence)"
        lines.append(
            Replay(prompt=asked.prompt, answer=answer, look_alike=asked.look_alike, teacher=teacher)
        )
    return _unleaked(lines, left_out, identities)


def _unleaked(
    lines: Sequence[Replay], left_out: list[tuple[str, str]], identities: Identities
) -> Answered:
    evaluated = identities.evaluated
    texts = [text for line in lines for text in (line.prompt, line.answer)]
    leaked = {
        row // 2: evaluated[column][0]
        for row, column, _ in near_duplicates(texts, [text for _, text in evaluated])
    }
    left_out += [(lines[at].prompt, f"an evaluation text, {place}") for at, place in leaked.items()]
    kept = tuple(line for at, line in enumerate(lines) if at not in leaked)
    return Answered(kept, tuple(left_out))
