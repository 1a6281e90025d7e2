"""The layers that no adapter touches, computed once for all models of a source.

Where a recipe adapts the upper layers alone, the lower ones are the source's in every model: what they
make of a batch is kept from the model that is scored first, and handed to the others. A training of
the upper layers reads what enters them (`train/upper.py`).
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DynamicCache

from ethogram.source.load import Loaded, cached, in_bfloat16, sees_all

BYTES = 2**30
"""Held of one source's batches at most; the others are computed for every model."""
CLOSE = 1e-3
"""Largest difference of a logit between a whole model and its two parts in float32."""

Passes = list[torch.Tensor]
"""What enters the first upper layer in each forward pass of a batch; (rows, tokens, hidden size)."""


@dataclass
class Memo:
    """What the lower layers made of each batch."""

    held: dict[Hashable, Passes] = field(default_factory=dict)
    free: int = BYTES

    def keep(self, key: Hashable, passes: Passes) -> None:
        size = sum(hidden.numel() * hidden.element_size() for hidden in passes)
        if size <= self.free:
            self.free -= size
            self.held[key] = passes

    def forget(self) -> None:
        """Let go of all of it, and keep nothing more."""
        self.held.clear()
        self.free = 0


class Halves:
    """The caches of both parts of a model, as one."""

    def __init__(self) -> None:
        self.lower, self.upper = DynamicCache(), DynamicCache()

    def batch_select_indices(self, rows: torch.Tensor) -> None:
        for cache in (self.lower, self.upper):
            cache.batch_select_indices(rows)

    def batch_repeat_interleave(self, times: int) -> None:
        for cache in (self.lower, self.upper):
            cache.batch_repeat_interleave(times)


class Trunked:
    """A causal model in two parts, called as the whole is; the lower part is asked once a batch."""

    def __init__(self, model: Any, depth: int, memo: Memo) -> None:
        self.config, self.dtype = model.config, model.dtype
        self._weights = list(model.parameters())
        self._memo = memo
        self._past: Passes | None = None
        self._made: Passes | None = None
        self.lower, self.upper = _parted(model, depth)

    def parameters(self) -> Iterator[torch.Tensor]:
        return iter(self._weights)

    def new_cache(self) -> Halves:
        """An empty key-value cache."""
        return Halves()

    @contextlib.contextmanager
    def batch(self, asked: Any) -> Iterator[None]:
        """Within, the passes are those of a batch that `asked`, as JSON, tells from all others."""
        key = hashlib.sha256(json.dumps(asked).encode()).digest()
        found = self._memo.held.get(key)
        self._past, self._made = (None, []) if found is None else (list(found), None)
        try:
            yield
            if self._made is not None:
                self._memo.keep(key, self._made)
            assert not self._past, "a batch takes the same passes in every model"
        finally:
            self._past = self._made = None

    def forget(self) -> None:
        """Let go of what was made for other models: memory is short."""
        self._memo.forget()

    def __call__(self, **asked: Any) -> Any:
        """As the whole model is called."""
        return self.forward(**asked)

    def forward(
        self,
        *,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        position_ids: torch.Tensor,
        past_key_values: Halves,
        use_cache: bool,
        **more: Any,
    ) -> Any:
        """The logits, with what the lower layers make of it taken from another model if it is there."""
        assert use_cache, "both parts know what came before by their caches alone"
        shared = {"attention_mask": attention_mask, "position_ids": position_ids}
        if self._past is not None:
            hidden = self._past.pop(0)
            assert hidden.shape[:2] == input_ids.shape, "of another batch"
        else:
            lower = cached(self.lower, past_key_values.lower)
            hidden = self.lower(input_ids=input_ids, **shared, **lower).last_hidden_state
            if self._made is not None:
                self._made.append(hidden)
        upper = cached(self.upper, past_key_values.upper)
        return self.upper(inputs_embeds=hidden, **shared, **upper, **more)


def trunked(loaded: Loaded, depth: int, memo: Memo) -> Loaded:
    """The model in two parts, the lower one `depth` layers; as it was where that changes a logit.

    Not every model can be parted: some do more between embeddings and layers. It is tried.
    """
    model = loaded.model
    decoder: Any = getattr(model, "model", None)
    known = isinstance(getattr(decoder, "layers", None), torch.nn.ModuleList)
    known = known and isinstance(getattr(decoder, "norm", None), torch.nn.Module)
    known = known and sees_all(model)
    if not known or not 0 < depth < len(decoder.layers) or loaded.shared < depth:
        return loaded
    numbers = [_number(layer) for layer in decoder.layers]
    if any(number is None for number in numbers):
        return loaded
    try:
        whole = _tried(model, DynamicCache(), loaded.device)
        parts = Trunked(model, depth, memo)
        found = _tried(parts, parts.new_cache(), loaded.device)
        same = bool(torch.allclose(found, whole, rtol=0, atol=closeness(model)))
    except torch.OutOfMemoryError:
        raise
    except Exception:  # whatever an architecture trips over, it is not parted
        same = False
    if same:
        return Loaded(parts, loaded.tokenizer, loaded.device, loaded.shared)
    for layer, number in zip(decoder.layers, numbers, strict=True):
        layer.self_attn.layer_idx = number
    return loaded


def _number(layer: Any) -> int | None:
    """Which part of a cache the layer writes to."""
    found = getattr(getattr(layer, "self_attn", None), "layer_idx", None)
    return found if isinstance(found, int) else None


def closeness(model: Any) -> float:
    """How far apart two ways of computing may lie, in nats: 0.5 where some weights are rounded."""
    rounded = {weight.dtype for weight in model.parameters()} != {torch.float32}
    return 0.5 if rounded else CLOSE


def _tried(model: Any, cache: Any, device: torch.device) -> torch.Tensor:
    """Logits of a few tokens in two passes, so that the cache is tried too."""
    tokens = torch.tensor([[3, 4, 5, 6], [7, 8, 9, 10]], device=device)
    found = []
    with torch.inference_mode():
        for start, end in ((0, 3), (3, 4)):
            found.append(
                model(
                    input_ids=tokens[:, start:end],
                    attention_mask=torch.ones_like(tokens[:, :end]),
                    position_ids=torch.arange(start, end, device=device).expand(2, -1),
                    **cached(model, cache),
                ).logits.float()
            )
    return torch.cat(found, dim=1)


def _parted(model: Any, depth: int) -> tuple[Any, Any]:
    """(decoder of the lower layers without its last norm, causal model of the upper ones).

    Both hold the model's own modules. The upper layers count from 0 from then on, since a cache tells
    the length of what it holds by its first layer.
    """
    decoder = model.model
    lower, upper, causal = _shallow(decoder), _shallow(decoder), _shallow(model)
    lower.layers, lower.norm = decoder.layers[:depth], torch.nn.Identity()
    upper.layers = decoder.layers[depth:]
    for number, layer in enumerate(upper.layers):
        layer.self_attn.layer_idx = number
    causal.model = upper
    # What `ready` put around the model's forward pass goes around both parts.
    if model.__dict__.get("forward") is not None:
        for part in (lower, causal):
            part.__dict__.pop("forward", None)
            in_bfloat16(part, next(model.parameters()).device)
    return lower, causal


def _shallow(module: Any) -> Any:
    """Another module around the same parts, of which some may be exchanged."""
    found = copy.copy(module)
    found._modules = dict(module._modules)
    return found
