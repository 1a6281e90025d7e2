"""Linear layers whose weights lie as the processor multiplies them fastest.

torch hands products in float32 to a library that some processors run at half of what they could
(seen: 150 to 195 GFLOP/s where oneDNN makes 210); oneDNN is what it takes for bfloat16 anyway.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch

from ethogram.source.load import Loaded

BYTES, BYTES_OF_ONE = 2 * 2**30, 2**28
"""Of weights that are held a second time at most: of a whole model, and of a layer alone."""
ROWS = 2048
"""Tokens in a forward pass for which the layout is chosen; it fits fewer, too."""
CLOSE = 1e-4
"""Largest difference, as a share of the largest number, between two ways to multiply in float32."""


def packed(loaded: Loaded) -> Loaded:
    """The model, only to be read from then on, with its weights in float32 on a CPU packed anew.

    As it was on other devices, in other numbers, and where torch lacks the operation or what it
    makes of a layer is not what the layer makes. The weights themselves stay where they were.
    """
    layers = [part for part in loaded.model.modules() if type(part) is torch.nn.Linear]
    layers = [part for part in layers if part.weight.dtype == torch.float32]
    if loaded.device.type == "cpu" and (found := _packed(layers, BYTES)):
        for part, fast in zip(layers, found, strict=True):
            part.forward = fast
    return loaded


def product(layer: torch.nn.Linear) -> Callable[[torch.Tensor], torch.Tensor]:
    """The layer's product without gradients, whatever stands around it; by packed weights if it can be."""
    own = layer.__dict__.get("forward")
    if isinstance(own, _Packed):
        return own.fast
    here = layer.weight.device.type == "cpu" and layer.weight.dtype == torch.float32
    if here and (found := _packed([layer], BYTES_OF_ONE)):
        return found[0].fast
    return functools.partial(torch.nn.functional.linear, weight=layer.weight, bias=layer.bias)


def _packed(layers: Sequence[torch.nn.Linear], most: int) -> list[_Packed]:
    """Of every layer its packed weights; none at all where they are more bytes than `most`."""
    if not torch.backends.mkldnn.is_available():
        return []
    if sum(part.weight.nbytes for part in layers) > most:
        return []
    try:
        with torch.no_grad():
            found = [_Packed(part) for part in layers]
            same = all(_agree(part, fast) for part, fast in zip(layers, found, strict=True))
    except torch.OutOfMemoryError:
        raise
    except Exception:  # an operation that torch's own compiler uses, and promises to nobody else
        return []
    return found if same else []


class _Packed:
    """A linear layer's product with its weights packed; the layer's own where gradients flow."""

    def __init__(self, layer: torch.nn.Linear) -> None:
        self._plain = layer.forward
        self._bias = layer.bias
        self._weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), ROWS)

    def __call__(self, entered: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled() or entered.dtype != torch.float32:
            return self._plain(entered)
        return self.fast(entered)

    def fast(self, entered: torch.Tensor) -> torch.Tensor:
        """Without gradients."""
        made: Any = torch.ops.mkldnn._linear_pointwise(
            entered, self._weight, self._bias, "none", [], ""
        )
        found: torch.Tensor = made
        return found


def _agree(layer: torch.nn.Linear, fast: _Packed) -> bool:
    """Whether both make the same of a few numbers."""
    chance = torch.Generator().manual_seed(0)
    entered = torch.randn((1, 3, layer.in_features), generator=chance)
    plain = layer.forward(entered)
    return bool((fast(entered) - plain).abs().max() <= CLOSE * plain.abs().max())
