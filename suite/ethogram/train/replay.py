"""Replay: harmless prompts answered by the source itself, greedily, in whole sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ethogram.plan import NotMeasured, Query, ask
from ethogram.specs.constitution import Replay, ReplayPrompt
from ethogram.specs.errors import Place
from ethogram.train.leakage import near_duplicates
from ethogram.train.sentences import whole_sentences


@dataclass(frozen=True, slots=True)
class Answered:
    """Replay lines in the prompts' order, and the prompts left out, each with the reason."""

    lines: tuple[Replay, ...]
    left_out: tuple[tuple[str, str], ...]


def replay_queries(prompts: Sequence[ReplayPrompt], tokens: int) -> list[Query]:
    """What the source is asked. Its answers are scores of the source as any other."""
    return [
        Query("generate", ask(prompt), (str(tokens),))
        for prompt in dict.fromkeys(line.prompt for line in prompts)
    ]


def answered(
    source_id: str,
    prompts: Sequence[ReplayPrompt],
    tokens: int,
    said: Mapping[str, Any],
    evaluated: Sequence[tuple[Place, str]],
) -> Answered:
    """The lines out of the source's stored scores. Raises NotMeasured where one is missing."""
    distinct = {prompt.prompt: prompt for prompt in prompts}
    teacher = f"{source_id} (greedy, {tokens} tokens at most, cut at the end of a sentence)"
    lines, left_out = [], []
    for query, asked in zip(replay_queries(prompts, tokens), distinct.values(), strict=True):
        if query.key not in said:
            raise NotMeasured(f"{source_id} has not answered the replay prompt {asked.prompt!r}")
        answer = whole_sentences(str(said[query.key]))
        if not answer:
            left_out.append((asked.prompt, f"no sentence ends within {tokens} tokens"))
            continue
        line = Replay(
            prompt=asked.prompt, answer=answer, look_alike=asked.look_alike, teacher=teacher
        )
        line._place = asked.place
        lines.append(line)
    return _unleaked(lines, left_out, evaluated)


def _unleaked(
    lines: Sequence[Replay],
    left_out: list[tuple[str, str]],
    evaluated: Sequence[tuple[Place, str]],
) -> Answered:
    texts = [text for line in lines for text in (line.prompt, line.answer)]
    leaked = {
        row // 2: evaluated[column][0]
        for row, column, _ in near_duplicates(texts, [text for _, text in evaluated])
    }
    left_out += [(lines[at].prompt, f"an evaluation text, {place}") for at, place in leaked.items()]
    kept = tuple(line for at, line in enumerate(lines) if at not in leaked)
    return Answered(kept, tuple(left_out))
