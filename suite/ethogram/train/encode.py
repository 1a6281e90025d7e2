"""Samples to tokens. What cannot be learnt is refused here, before anything costs time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ethogram.plan import ask
from ethogram.source.chat import prompt_text, stop_token, supervised
from ethogram.train.errors import FinetuneError
from ethogram.train.examples import Example
from ethogram.train.samples import REPLAY, Sample


def encode_samples(tokenizer: Any, samples: Sequence[Sample], max_length: int) -> list[Example]:
    """Tokenise, with the stop token at the end of every answer."""
    if not samples:
        raise FinetuneError("there is nothing to train on: the set of samples is empty")
    return [
        replace(
            _encoded(tokenizer, sample, sample.answer, max_length),
            replay=sample.group == REPLAY,
            rejected=tuple(
                replace(_encoded(tokenizer, sample, answer, max_length), weight=weight)
                for answer, weight in sample.rejected
            ),
        )
        for sample in samples
    ]


def _encoded(tokenizer: Any, sample: Sample, answer: str, max_length: int) -> Example:
    if not answer.strip():
        raise FinetuneError(f"{sample.place}: no supervised token: the answer is empty")
    tokens, prompt = supervised(tokenizer, prompt_text(tokenizer, ask(sample.prompt)), answer)
    if len(tokens) > max_length:
        raise FinetuneError(
            f"{sample.place}: the sample has {len(tokens)} tokens, max_length is {max_length}"
        )
    if tokens[-1] != stop_token(tokenizer) or len(tokens) - prompt < 2:
        raise FinetuneError(f"{sample.place}: no supervised token before the stop token")
    return Example(tuple(tokens), prompt)
