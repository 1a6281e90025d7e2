"""The last layer of a model, asked about chosen tokens alone.

A model computes its logits for whole rows, padding included, and keeps them: a vocabulary of numbers
for every token. Here what enters the last layer is caught, and log-probabilities are made of it a
few tokens at a time, while their logits are in the processor's cache; so is their gradient.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from transformers import DynamicCache

from ethogram.source.load import Loaded, cached
from ethogram.source.packed import product
from ethogram.source.trunk import Trunked

CHUNK, ELSEWHERE = 64, 1024
"""Tokens whose logits are there at once: on a CPU, in whose cache more do not stay, and elsewhere."""
CLOSE = 1e-4
"""Largest difference, as a share of the largest logit, between the model and its last layer alone."""


class Head:
    """The last layer of a model that makes its logits of nothing else."""

    def __init__(self, layer: torch.nn.Linear) -> None:
        self.layer = layer
        self._product = product(layer)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Of hidden states in float32."""
        with torch.autocast(hidden.device.type, enabled=False):
            return self._product(hidden)

    def mean(self, chances: torch.Tensor) -> torch.Tensor:
        """The mean of all tokens' weights in the layer, by their chances; (rows, hidden size)."""
        with torch.autocast(chances.device.type, enabled=False):
            return self._turned(chances)

    @functools.cached_property
    def _turned(self) -> Callable[[torch.Tensor], torch.Tensor]:
        outs, ins = self.layer.weight.shape
        turned = torch.nn.Linear(outs, ins, bias=False, device="meta")
        turned.weight = torch.nn.Parameter(self.layer.weight.detach().t(), requires_grad=False)
        return product(turned)

    @contextlib.contextmanager
    def caught(self) -> Iterator[list[torch.Tensor]]:
        """Within, the model's logits mean nothing; what enters the layer is kept, pass by pass.

        Each of shape (rows, tokens, hidden size).
        """
        found: list[torch.Tensor] = []
        own = self.layer.__dict__.get("forward")  # of packed weights, say

        def catch(hidden: torch.Tensor) -> torch.Tensor:
            found.append(hidden)
            return hidden.new_zeros((*hidden.shape[:-1], 1))

        self.layer.forward = catch
        try:
            yield found
        finally:
            del self.layer.forward
            if own is not None:
                self.layer.forward = own

    def logprobs(self, hidden: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Log-prob of each of the tokens, in nats, after its hidden state; float32, shape (tokens,).

        `hidden` (tokens, hidden size). The gradient flows to it, and not to the layer.
        """
        found: torch.Tensor = _Logprobs.apply(hidden.float(), tokens, self)
        return found


class _Logprobs(torch.autograd.Function):  # type: ignore[misc]
    """The gradient of a token's log-prob is its own weights less the mean weights of all tokens.

    It needs nothing that comes later, so that it is made while the logits are there, which are
    neither kept nor computed a second time.
    """

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, tokens: torch.Tensor, head: Head) -> torch.Tensor:
        found, slopes = [], []
        size = CHUNK if hidden.device.type == "cpu" else ELSEWHERE
        for part, wanted in zip(hidden.split(size), tokens.split(size), strict=True):
            logits = head.logits(part)
            own = logits.gather(1, wanted.unsqueeze(1))
            total = logits.logsumexp(dim=1, keepdim=True)
            found.append((own - total).squeeze(1))
            if ctx.needs_input_grad[0]:
                chances = logits.sub_(total).exp_()
                slopes.append(head.layer.weight[wanted] - head.mean(chances))
        if slopes:
            ctx.save_for_backward(torch.cat(slopes))
        return torch.cat(found)

    @staticmethod
    def backward(ctx: Any, *above: torch.Tensor) -> tuple[torch.Tensor | None, None, None]:
        (slopes,) = ctx.saved_tensors
        return slopes * above[0].unsqueeze(1), None, None


def head_of(loaded: Loaded) -> Head | None:
    """The model's last layer; None where it is not in float32, or logits are more than it makes.

    Some models bend or scale what comes out of it. It is tried.
    """
    model = loaded.model.upper if isinstance(loaded.model, Trunked) else loaded.model
    layer = model.get_output_embeddings()
    if type(layer) is not torch.nn.Linear or layer.weight.dtype != torch.float32:
        return None
    head = Head(layer)
    return head if _tried(loaded, head) else None


def _tried(loaded: Loaded, head: Head) -> bool:
    """Whether the head makes the model's own logits of what is caught of a few tokens."""
    tokens = torch.tensor([[3, 4, 5, 6, 7, 8, 9, 10]], device=loaded.device)
    try:
        with torch.no_grad():
            whole = _asked(loaded.model, tokens).logits[0].float()
            with head.caught() as entered:
                _asked(loaded.model, tokens)
            made = head.logits(entered[-1][0].float())
    except torch.OutOfMemoryError:
        raise
    except Exception:  # whatever an architecture trips over, its logits are its own affair
        return False
    if made.shape != whole.shape:
        return False
    return bool((made - whole).abs().max() <= CLOSE * made.abs().max())


def _asked(model: Any, tokens: torch.Tensor) -> Any:
    places = torch.arange(tokens.shape[1], device=tokens.device).unsqueeze(0)
    cache = model.new_cache() if isinstance(model, Trunked) else DynamicCache(config=model.config)
    return model(
        input_ids=tokens,
        attention_mask=torch.ones_like(tokens),
        position_ids=places,
        **cached(model, cache),
    )
