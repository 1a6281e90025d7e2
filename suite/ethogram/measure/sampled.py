"""Sampled answers of a local model, in batches; the same seed gives the same answer.

Every ask has random numbers of its own, so that what it is batched with changes no draw (logits do
change in their last digits, which once in a great many tokens tips a draw over).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ethogram.asks import Ask, Said
from ethogram.measure.engine import LocalEngine
from ethogram.source.chat import encode, prompt_text
from ethogram.source.load import Loaded
from ethogram.specs.teaching import Sampling

LIKELY = 512
"""Tokens looked at first for the nucleus; all are sorted only where these are not enough."""

Numbered = tuple[int, list[int], Ask]


class LocalAnswerer(LocalEngine):
    """A local model that answers in words."""

    workers = 1
    spent = None

    def __init__(
        self, loaded: Loaded, width: int, say: Callable[[str], None] = lambda line: None
    ) -> None:
        super().__init__(loaded, say)
        self.width = width

    def answer(self, asks: Sequence[Ask], sampling: Sampling) -> list[Said]:
        """The answers in the order of the asks, sampled `width` at a time."""
        tokenizer = self.loaded.tokenizer
        numbered = [
            (number, encode(tokenizer, prompt_text(tokenizer, ask.messages)), ask)
            for number, ask in enumerate(asks)
        ]
        # Alike in length, so that little is computed on padding.
        numbered.sort(key=lambda asked: len(asked[1]))
        found: dict[int, Said] = {}
        for start in range(0, len(numbered), self.width):
            batch = numbered[start : start + self.width]
            for some in self._halving(batch, lambda rows: self._said(rows, sampling)):
                found |= some
        return [found[number] for number in range(len(asks))]

    def _said(self, batch: list[Numbered], sampling: Sampling) -> dict[int, Said]:
        limit = sampling.max_tokens
        chances = torch.stack([_numbers(ask.seed, limit) for _, _, ask in batch])
        chances = chances.to(self.loaded.device)

        def pick(step: int, logits: torch.Tensor) -> torch.Tensor:
            return draw(logits, chances[:, step], sampling.temperature, sampling.top_p)

        prefilled = self.passes.prefill([tokens for _, tokens, _ in batch], limit)
        rows = self.passes.decoded(prefilled, limit, self.stops, pick)
        return {
            number: Said(self._text(row).strip(), finished=not self.stops.isdisjoint(row))
            for (number, _, _), row in zip(batch, rows, strict=True)
        }


def draw(
    logits: torch.Tensor, chances: torch.Tensor, temperature: float, top_p: float
) -> torch.Tensor:
    """One token a row out of the smallest set of tokens that holds `top_p` of the probability.

    `chances` are uniform numbers in [0, 1), one a row: equal logits and numbers give equal tokens.
    """
    if temperature == 0:
        return logits.argmax(dim=-1)
    probabilities = torch.softmax(logits.double() / temperature, dim=-1)
    likely, tokens = probabilities.topk(min(LIKELY, probabilities.shape[-1]), dim=-1)
    if bool((likely.sum(dim=-1) < top_p).any()):
        likely, tokens = probabilities.sort(dim=-1, descending=True)
    before = likely.cumsum(dim=-1) - likely
    likely = likely.masked_fill(before >= top_p, 0.0)
    reached = likely.cumsum(dim=-1)
    wanted = (chances.double() * reached[:, -1]).unsqueeze(1)
    picked = torch.searchsorted(reached, wanted, right=True).clamp(max=tokens.shape[-1] - 1)
    return tokens.gather(1, picked).squeeze(1)


def _numbers(seed: int, count: int) -> torch.Tensor:
    """Drawn on the CPU, whatever the device: they are the same everywhere."""
    return torch.rand(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
