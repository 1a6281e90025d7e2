"""Forward passes through one model: prompts, what follows them, and what all of it shares.

No queries here: token ids in, log-probabilities and tokens out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from functools import cached_property
from typing import Any

import torch
from transformers import DynamicCache

from ethogram.measure.shared import Shared
from ethogram.source.head import Head, head_of
from ethogram.source.load import Loaded, cached, sees_all
from ethogram.source.trunk import Trunked, closeness

CHUNK = 64
"""Rows of logits that are read at once."""
LEAST = 2
"""Tokens in a pass at least: one alone is multiplied by other routines than in a batch (seen: other bits)."""

Prefilled = tuple[torch.Tensor, Any, torch.Tensor]
"""Logits after each prompt, the prompts' key-value cache, their attention mask."""


class Passes:
    """What is computed of one model in memory."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded

    def prefill(self, prompts: list[list[int]], more: int = 0) -> Prefilled:
        """(logits after each prompt, their cache, attention mask); what is shared computed once.

        `more` tokens will follow every prompt.
        """
        window = getattr(self.loaded.model.config.get_text_config(), "sliding_window", None)
        shared = Shared.by(prompts)
        if window and shared.slots + more > window:
            # A window is counted in slots, padding included: none may lie between real tokens.
            shared = Shared(0, (), 0, 0)
        cache = self._cache()
        mask = torch.ones((1, 0), dtype=torch.long, device=self.loaded.device)
        begins = [shared.start] * len(prompts)
        if shared.start:
            _, mask = self._extend([prompts[0][: shared.start]], cache, mask)
        rows = [0] * len(prompts)
        if shared.groups:
            numbers = [n for n, (size, _) in enumerate(shared.groups) for _ in range(size)]
            begins = [shared.groups[n][1] for n in numbers]
            firsts = [numbers.index(n) for n in range(len(shared.groups))]
            mask = self._spread(cache, mask, [0] * len(firsts))
            starts = [prompts[row][shared.start : begins[row]] for row in firsts]
            _, mask = self._extend(starts, cache, mask)
            rows = numbers
        mask = self._spread(cache, mask, rows)
        rests = [tokens[begin:] for tokens, begin in zip(prompts, begins, strict=True)]
        logits, mask = self._extend(rests, cache, mask)
        return logits, cache, mask

    def _cache(self) -> Any:
        model = self.loaded.model
        if isinstance(model, Trunked):
            return model.new_cache()
        return DynamicCache(config=model.config)

    def alike(self, asked: Any) -> contextlib.AbstractContextManager[None]:
        """Around the passes of a batch that other models of the source may be asked too."""
        model = self.loaded.model
        if not isinstance(model, Trunked):
            return contextlib.nullcontext()
        # Both are tried before the batch begins, in which passes are kept; they depend on the first.
        blocks, _ = self.blocks, self.head
        return model.batch([blocks, asked])

    def _spread(self, cache: Any, mask: torch.Tensor, rows: list[int]) -> torch.Tensor:
        """Let the cache hold these rows of what it held; the mask of the same rows."""
        chosen = torch.tensor(rows, device=self.loaded.device)
        if mask.shape[1]:
            cache.batch_select_indices(chosen)
        return mask[chosen]

    def _extend(
        self, rows: list[list[int]], cache: Any, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(logits after each row, mask) where the rows follow what the cache holds, one for one."""
        tokens, real = self._left_padded(rows)
        before = mask.shape[1]
        mask = torch.cat([mask, real], dim=1)
        logits = self.loaded.model(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0)[:, before:],
            **cached(self.loaded.model, cache),
            logits_to_keep=1,
        ).logits[:, -1]
        return logits, mask

    def _left_padded(self, rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        width = max(len(tokens) for tokens in rows)
        pad = self.loaded.tokenizer.pad_token_id or 0
        tokens = torch.full((len(rows), width), pad)
        real = torch.zeros((len(rows), width), dtype=torch.long)
        for row, found in enumerate(rows):
            tokens[row, width - len(found) :] = torch.tensor(found)
            real[row, width - len(found) :] = 1
        return tokens.to(self.loaded.device), real.to(self.loaded.device)

    def answered(self, prefilled: Prefilled, lanes: list[list[list[int]]]) -> torch.Tensor:
        """Log-prob of every answer after its prompt, in nats; shape (answers,).

        `lanes`: the answers that follow each prompt, equally many after all.
        """
        last, cache, mask = prefilled
        each = len(lanes[0])
        answers = [tokens for lane in lanes for tokens in lane]
        device = self.loaded.device
        begun = torch.arange(len(lanes), device=device).repeat_interleave(each)
        sums = _picked(last, begun, torch.tensor([tokens[0] for tokens in answers], device=device))
        if all(len(tokens) == 1 for tokens in answers):
            return sums
        if not self.blocks:
            cache.batch_repeat_interleave(each)
            mask = mask.repeat_interleave(each, dim=0)
            lanes = [[tokens] for tokens in answers]
        return sums + self._continued(lanes, cache, mask)

    def _continued(
        self, lanes: list[list[list[int]]], cache: Any, mask: torch.Tensor
    ) -> torch.Tensor:
        """Log-probs of every answer's tokens after its first, summed; shape (answers,).

        A lane is a row of the cache and the answers that follow it side by side: each sees the row
        and itself alone.
        """
        device, width = self.loaded.device, max(sum(len(t) - 1 for t in lane) for lane in lanes)
        if len(lanes) == 1:
            width = max(width, LEAST)
        tokens = torch.zeros((len(lanes), width), dtype=torch.long)
        targets, places = tokens.clone(), tokens.clone()
        number = torch.full_like(tokens, -1)
        answer = 0
        for row, lane in enumerate(lanes):
            at = 0
            for said in lane:
                end = at + len(said) - 1
                tokens[row, at:end] = torch.tensor(said[:-1])
                targets[row, at:end] = torch.tensor(said[1:])
                places[row, at:end] = torch.arange(len(said) - 1)
                number[row, at:end] = answer
                at, answer = end, answer + 1
        real = number >= 0
        seen = torch.cat([mask, real.long().to(device)], dim=1)
        if self.blocks:
            seen = _blocks(mask, number.to(device), self.loaded.model.dtype)
        rows = real.flatten().nonzero().squeeze(1).to(device)
        wanted = targets[real].to(device)
        asked = {
            "input_ids": tokens.to(device),
            "attention_mask": seen,
            "position_ids": mask.sum(dim=1, keepdim=True) + places.to(device),
            **cached(self.loaded.model, cache),
        }
        if self.head is None:
            found = _picked(self.loaded.model(**asked).logits.flatten(0, 1), rows, wanted)
        else:
            with self.head.caught() as entered:
                self.loaded.model(**asked)
            found = self.head.logprobs(entered[-1].flatten(0, 1)[rows], wanted).double()
        sums = torch.zeros(answer, dtype=torch.float64, device=device)
        return sums.index_add(0, number[real].to(device), found)

    @cached_property
    def head(self) -> Head | None:
        """The model's last layer, where log-probs can be made by it alone."""
        return head_of(self.loaded)

    @cached_property
    def blocks(self) -> bool:
        """Whether answers may share a row: known by trying, where the kind of attention allows it."""
        if not sees_all(self.loaded.model):
            return False
        lane = [[5, 6, 7], [8, 9, 10, 11]]
        try:
            together = self._tried(True, [lane])
            apart = self._tried(False, [[said] for said in lane])
        except torch.OutOfMemoryError:
            raise
        except Exception:  # whatever a model trips over, its answers get rows of their own
            return False
        finally:
            self.__dict__.pop("blocks", None)
        atol = closeness(self.loaded.model)
        return bool(torch.allclose(together, apart, rtol=0, atol=atol))

    def _tried(self, blocks: bool, lanes: list[list[list[int]]]) -> torch.Tensor:
        """What a few tokens score with answers side by side, or each in a row of its own."""
        self.__dict__["blocks"] = blocks
        with torch.inference_mode():
            _, cache, mask = self.prefill([[3, 4, 5, 6, 7, 8]] * len(lanes))
            return self._continued(lanes, cache, mask)

    def decoded(
        self,
        prefilled: Prefilled,
        limit: int,
        stops: Collection[int],
        pick: Callable[[int, torch.Tensor], torch.Tensor],
        *,
        early: bool = True,
    ) -> list[list[int]]:
        """Tokens after each prompt, one step for all rows at a time: `pick(step, logits)`.

        Ends with the last row when `early`. A plain loop: `generate` would compute the shared start
        once for every row.
        """
        last, cache, mask = prefilled
        rows = len(mask)
        if rows < LEAST:
            cache.batch_repeat_interleave(LEAST)
            mask = mask.repeat_interleave(LEAST, dim=0)
        ends = torch.tensor(sorted(stops), device=self.loaded.device)
        made: list[torch.Tensor] = []
        ended = torch.zeros(rows, dtype=torch.bool, device=self.loaded.device)
        for step in range(limit):
            made.append(pick(step, last[:rows]))
            ended |= torch.isin(made[-1], ends)
            if step + 1 == limit or (early and bool(ended.all())):
                break
            mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
            last = self.loaded.model(
                input_ids=made[-1].unsqueeze(1).expand(len(mask), 1),
                attention_mask=mask,
                position_ids=mask.sum(dim=1, keepdim=True) - 1,
                **cached(self.loaded.model, cache),
            ).logits[:, -1]
        found: list[list[int]] = torch.stack(made, dim=1).tolist()
        return found


def _picked(logits: torch.Tensor, rows: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Log-probs of `tokens` after `rows` of the logits; float64, shape (rows,).

    A few rows at a time: a vocabulary of logits in float32 would not stay in the processor's cache.
    """
    found = []
    for chosen, wanted in zip(rows.split(CHUNK), tokens.split(CHUNK), strict=True):
        part = logits[chosen].float()
        found.append(part.gather(1, wanted.unsqueeze(1)).squeeze(1) - part.logsumexp(dim=1))
    return torch.cat(found).double()


def _blocks(mask: torch.Tensor, number: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """What every token may see, as numbers to add to the attention's scores.

    `mask` (rows, cached): real tokens of the cache. `number` (rows, new): which answer a new token
    belongs to, -1 for padding. Shape (rows, 1, new, cached + new).
    """
    width = number.shape[1]
    own = number.unsqueeze(2) == number.unsqueeze(1)
    own &= torch.ones((width, width), dtype=torch.bool, device=number.device).tril()
    before = mask.bool().unsqueeze(1).expand(-1, width, -1)
    seen = torch.cat([before, own], dim=2).unsqueeze(1)
    hidden = torch.zeros(seen.shape, dtype=dtype, device=number.device)
    return hidden.masked_fill(~seen, torch.finfo(dtype).min)
