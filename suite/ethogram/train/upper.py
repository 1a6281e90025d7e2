"""A training of upper layers alone: what enters them is computed once.

Nothing below them learns, so that what the lower layers make of a sample is the same in every epoch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache

from ethogram.source.chat import common_length
from ethogram.source.load import Loaded, cached
from ethogram.source.trunk import BYTES, Memo, Trunked, trunked
from ethogram.specs.models import Recipe
from ethogram.train.examples import ROWS, Example, left_padded, parts, seen


@dataclass(frozen=True)
class Upper:
    """The upper layers of `whole`, called as it is, with what enters them in place of tokens."""

    whole: Any
    above: Any
    hidden: Mapping[Example, torch.Tensor]
    """What the lower layers make of an example; (tokens, hidden size)."""

    @property
    def config(self) -> Any:
        return self.whole.config

    @property
    def training(self) -> bool:
        return bool(self.whole.training)

    def train(self, mode: bool = True) -> None:
        self.whole.train(mode)

    def eval(self) -> None:
        self.whole.eval()

    def disable_adapter(self) -> contextlib.AbstractContextManager[None]:
        found: contextlib.AbstractContextManager[None] = self.whole.disable_adapter()
        return found

    def new_cache(self) -> DynamicCache:
        """Of as many layers as write to it."""
        return DynamicCache()

    def entering(self, rows: Sequence[Example], start: int, end: int | None) -> torch.Tensor:
        """What enters for the tokens from `start` to `end` of every row, padded on the left."""
        return left_padded([self.hidden[row][start:end] for row in rows])

    def __call__(self, **asked: Any) -> Any:
        """As the whole model is called."""
        return self.forward(**asked)

    def forward(self, *, use_cache: bool, past_key_values: Any = None, **asked: Any) -> Any:
        """The logits; `use_cache` says no more than whether there is a cache."""
        assert use_cache == (past_key_values is not None)
        return self.above(**asked, **cached(self.above, past_key_values))


def upper_of(base: Loaded, examples: Sequence[Example], recipe: Recipe) -> Upper | None:
    """The upper layers where the recipe adapts them alone; None where it trains more.

    None, too, where the model cannot be parted, drops out, or what enters would take too much memory.
    """
    config = base.model.config.get_text_config()
    layers, count = recipe.lora.layers, config.num_hidden_layers
    if recipe.full or recipe.quantize or layers == "all" or not 0 < layers < count:
        return None
    if _drops_out(base.model):
        return None
    rows = list(dict.fromkeys(row for e in examples for row in (e, *e.rejected)))
    size = config.hidden_size * base.model.dtype.itemsize
    if sum(len(row.tokens) for row in rows) * size > BYTES:
        return None
    trunk = trunked(base, count - layers, Memo()).model
    if not isinstance(trunk, Trunked):
        return None
    return Upper(base.model, trunk.upper, _made(trunk.lower, rows, base))


def _drops_out(model: Any) -> bool:
    """Whether lower layers would differ from one step of a training to the next."""
    if getattr(model.config.get_text_config(), "attention_dropout", 0):
        return True
    return any(isinstance(part, torch.nn.Dropout) and part.p for part in model.modules())


def _made(lower: Any, rows: Sequence[Example], base: Loaded) -> dict[Example, torch.Tensor]:
    """What the lower layers make of every row."""
    found: dict[Example, torch.Tensor] = {}
    with torch.no_grad():
        for part in parts(rows, ROWS):
            shared = common_length([list(row.tokens[:-1]) for row in part])
            cache, begun = DynamicCache(), None
            if shared:
                start = torch.tensor([part[0].tokens[:shared]], device=base.device)
                begun = lower(input_ids=start, **cached(lower, cache)).last_hidden_state[0]
                cache.batch_repeat_interleave(len(part))
            rests = [torch.tensor(row.tokens[shared:], device=base.device) for row in part]
            mask, positions = seen(part, shared)
            made = lower(
                input_ids=left_padded(rests),
                attention_mask=mask.to(base.device),
                position_ids=positions.to(base.device),
                **cached(lower, cache),
            ).last_hidden_state
            for row, hidden in zip(part, made, strict=True):
                rest = hidden[-(len(row.tokens) - shared) :]
                found[row] = rest if begun is None else torch.cat([begun, rest])
    return found
