"""Attention in bfloat16 whose result for a token does not depend on what it is batched with.

Linear layers, norms and activations give a row the same bits in every batch; torch's attention on a CPU
does not. Sums run over keys in the order of their slots, so that padding before them changes the
rounding, and it multiplies by other routines for other numbers of keys, of queries and of threads.
A last digit of bfloat16 that falls otherwise is a hundredth of a nat some layers later, and a sign of a
shift now and then. Here every row's keys are moved together to the first slots, and both sides are
padded to sizes that multiply alike.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

from ethogram.source.load import ALIGNED, Loaded, sees_all

CLOSE = 0.03
"""Largest difference, as a share of the largest number, between two ways to attend in bfloat16."""
SLOTS, BLOCK = 64, 512
"""The keys come in multiples of the one; the sums are made over blocks of the other."""
QUERIES, A_THREAD = 8, 4
"""The queries come in multiples of the one (one that is left over would be multiplied otherwise), and
are so many for every thread (with fewer the keys are not repacked)."""


def aligned(loaded: Loaded) -> Loaded:
    """The model, only to be read from then on, with such attention where it multiplies in bfloat16.

    As it was on other devices, where its attention is not torch's own over all that came before, and
    where both do not come to the same in every layer. It is tried.
    """
    model = loaded.model
    halves = any(weight.dtype == torch.bfloat16 for weight in model.parameters())
    own = getattr(model.config, "_attn_implementation", None)
    if not halves or own != "sdpa" or loaded.device.type != "cpu" or not sees_all(model):
        return loaded
    AttentionMaskInterface.register(ALIGNED, ALL_MASK_ATTENTION_FUNCTIONS[own])
    same = False
    try:
        same = _tried(model)
    except (torch.OutOfMemoryError, MemoryError):
        raise
    except Exception:  # whatever an architecture trips over, it keeps its own
        same = False
    finally:
        AttentionInterface.register(ALIGNED, attention)
        _layouts.clear()
        if not same:
            model.set_attn_implementation(own)
    return loaded


def _tried(model: Any) -> bool:
    """Whether each layer's attention can be aligned and makes the same of a few tokens, two of them
    padding, as its own does."""
    agree: list[bool] = []

    def both(
        module: Any, query: Any, key: Any, value: Any, mask: Any, *rest: Any, **more: Any
    ) -> tuple[torch.Tensor, None]:
        made, _ = attention(module, query, key, value, mask, *rest, **more)
        own, _ = sdpa_attention_forward(module, query, key, value, mask, *rest, **more)
        apart = (made[:, 2:].float() - own[:, 2:].float()).abs().max()
        close = bool(apart <= CLOSE * own[:, 2:].abs().max())
        causal = getattr(module, "is_causal", True)  # a pass without a mask is read as one
        plain = _plain(query, key, value, mask, more.get("position_bias"))
        agree.append(close and causal and plain)
        return own, None

    AttentionInterface.register(ALIGNED, both)
    model.set_attn_implementation(ALIGNED)
    tokens = torch.tensor([[0, 0, 3, 4, 5], [6, 7, 8, 9, 10]])
    real = torch.ones_like(tokens)
    real[0, :2] = 0
    with torch.inference_mode():
        model(input_ids=tokens, attention_mask=real, use_cache=False)
    return bool(agree) and all(agree)


def attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """As transformers calls it: `query` (rows, heads, tokens, size), `key` and `value` by cached tokens.

    Shape (rows, tokens, heads, size). Whatever is not a plain pass in bfloat16 goes to transformers' own.
    Raises ValueError on a mask that holds more than what is seen.
    """
    plain = _plain(query, key, value, attention_mask, more.get("position_bias"))
    if not plain or torch.is_grad_enabled():
        found: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module,
            query,
            key,
            value,
            attention_mask,
            dropout=dropout,
            scaling=scaling,
            is_causal=is_causal,
            **more,
        )
        return found
    rows, heads, tokens, size = query.shape
    query, key, value = query.bfloat16(), key.bfloat16(), value.bfloat16()
    if tokens == 1:
        # Heads that share their keys ask them as one, so that fewer keys have to be moved.
        query = query.reshape(rows, key.shape[1], -1, size)
    layout = _layouts.of(attention_mask, tokens, query, key)
    asked = query.shape[2]
    query = torch.nn.functional.pad(query, (0, 0, 0, layout.mask.shape[2] - asked))
    made = torch.nn.functional.scaled_dot_product_attention(
        query, layout.moved(key), layout.moved(value), attn_mask=layout.mask, scale=scaling
    )
    made = made[:, :, :asked].reshape(rows, heads, tokens, size)
    return made.transpose(1, 2).contiguous(), None


def _plain(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    position_bias: torch.Tensor | None,
) -> bool:
    """Whether the pass is in bfloat16, with heads of one size and one mask for all of them."""
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else query.dtype
    alike = query.shape[-1] == key.shape[-1] == value.shape[-1] and position_bias is None
    return dtype == torch.bfloat16 and alike and (mask is None or mask.shape[1] == 1)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where one forward pass has its keys; every layer has them there."""

    places: torch.Tensor
    """For each slot of each head of the queries, its row of all keys; (rows, heads, slots)."""
    mask: torch.Tensor
    """To be added to the scores; (rows, 1, queries, slots), both padded."""

    @classmethod
    def by(cls, seen: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> Layout:
        """`seen` (rows, 1, tokens, cached): which keys a token sees."""
        rows, heads, tokens, size = query.shape
        kept, cached = key.shape[1:3]
        real = seen[:, 0].any(dim=1)
        order = real.long().argsort(dim=1, descending=True, stable=True)
        slots = _slots(int(real.sum(dim=1).max()), size)
        order = torch.nn.functional.pad(order[:, :slots], (0, max(0, slots - cached)))
        there = torch.arange(slots) < real.sum(dim=1, keepdim=True)
        least = max(A_THREAD * torch.get_num_threads(), tokens)
        queries = least + -least % QUERIES
        moved = seen.gather(3, order[:, None, None, :].expand(-1, 1, tokens, -1))
        moved &= there[:, None, None, :]
        mask = torch.zeros((rows, 1, queries, slots), dtype=query.dtype)
        mask[:, :, :tokens].masked_fill_(~moved, torch.finfo(query.dtype).min)
        heads_kept = torch.arange(kept).repeat_interleave(heads // kept)
        first = (torch.arange(rows)[:, None] * kept + heads_kept) * cached
        return cls(first[:, :, None] + order[:, None, :], mask)

    def moved(self, kept: torch.Tensor) -> torch.Tensor:
        """Keys or values as they are read: (rows, heads, slots, size)."""
        return torch.nn.functional.embedding(self.places, kept.reshape(-1, kept.shape[-1]))


class _Layouts:
    """The layout of the pass that is going on: made by its first layer, read by the others."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Let go of the last one."""
        self._of: tuple[Any, ...] = ()
        self._mask: torch.Tensor | None = None
        self._last: Layout | None = None

    def of(
        self, mask: torch.Tensor | None, tokens: int, query: torch.Tensor, key: torch.Tensor
    ) -> Layout:
        asked = (tokens, query.shape, key.shape, torch.get_num_threads())
        if self._last is None or mask is not self._mask or asked != self._of:
            seen = _seen(mask, tokens, key).expand(-1, 1, query.shape[2], -1)
            self._of, self._mask, self._last = asked, mask, Layout.by(seen, query, key)
        return self._last


_layouts = _Layouts()


def _seen(mask: torch.Tensor | None, tokens: int, key: torch.Tensor) -> torch.Tensor:
    """(rows, 1, tokens, cached): which keys each token sees; without a mask, all up to itself."""
    rows, _, cached, _ = key.shape
    if mask is None:
        mask = torch.ones((tokens, cached), dtype=torch.bool).tril(cached - tokens)[None, None]
    elif mask.dtype != torch.bool:
        hidden = mask <= torch.finfo(mask.dtype).min / 2
        if not bool((hidden | (mask == 0)).all()):
            raise ValueError("a mask that holds more than what is seen has no layout")
        mask = ~hidden
    return mask[..., :cached].expand(rows, 1, tokens, cached)


def _slots(keys: int, size: int) -> int:
    """So many slots are given to so many keys: the fewest that multiply as all other numbers do."""
    whole, rest = divmod(max(keys, 1) - 1, BLOCK)
    return whole * BLOCK + min(slots for slots in sizes(size) if slots > rest)


@functools.cache
def sizes(size: int) -> tuple[int, ...]:
    """The numbers of slots, up to a block, that give the same bits as a block; known by trying.

    `size`: of a head. Of multiples of 64 all but 256 and 320 were seen to do so.
    """
    chance = torch.Generator().manual_seed(0)
    found = []
    for slots in range(SLOTS, BLOCK, SLOTS):
        query, key, value = (
            torch.randn((16, 8, count, size), generator=chance).bfloat16()
            for count in (32, slots, slots)
        )
        if torch.equal(_padded(query, key, value, slots), _padded(query, key, value, BLOCK)):
            found.append(slots)
    return (*found, BLOCK)


def _padded(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, slots: int
) -> torch.Tensor:
    more = slots - key.shape[2]
    mask = torch.zeros((query.shape[0], 1, query.shape[2], slots), dtype=query.dtype)
    mask[..., key.shape[2] :] = torch.finfo(query.dtype).min
    key, value = (torch.nn.functional.pad(kept, (0, 0, 0, more)) for kept in (key, value))
    return torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
