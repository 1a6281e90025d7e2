"""Tokenised samples, and how they are put into batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

ROWS = 16
"""Rows in one forward pass that only reads."""


@dataclass(frozen=True, slots=True)
class Example:
    """A tokenised sample. Positions from `prompt` on carry the loss."""

    tokens: tuple[int, ...]
    prompt: int
    rejected: tuple[Example, ...] = ()
    weight: float = 1.0
    """Of the pair, where this is a rejected answer."""
    replay: bool = False
    """Harmless replay, on which the model may be held to its source."""


def supervised_tokens(batch: Sequence[Example]) -> int:
    """Tokens of the batch that carry the loss."""
    return sum(len(example.tokens) - example.prompt for example in batch)


def parts(rows: Sequence[Example], size: int) -> Iterator[list[Example]]:
    """The rows in batches of like length."""
    ordered = sorted(rows, key=lambda e: len(e.tokens))
    yield from (ordered[i : i + size] for i in range(0, len(ordered), size))


def left_padded(rows: Sequence[torch.Tensor], pad: float = 0) -> torch.Tensor:
    """The rows, of one device, as one tensor; padding stands before them."""
    return torch.nn.utils.rnn.pad_sequence(
        list(rows), batch_first=True, padding_value=pad, padding_side="left"
    )


def seen(rows: Sequence[Example], shared: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(attention mask of all tokens, positions of those after the `shared` first) of padded rows."""
    own = left_padded([torch.ones(len(e.tokens) - shared, dtype=torch.long) for e in rows])
    mask = torch.cat([own.new_ones((len(rows), shared)), own], dim=1)
    return mask, (mask.cumsum(dim=1) - 1).clamp(min=0)[:, shared:]
