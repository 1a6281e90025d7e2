"""Queries to a local model, in batches that share what their prompts have in common.

All prompts of a batch begin alike (the template's system turn) and many continuations follow one
prompt, so each shared part is computed once and its key-value cache handed on.
"""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import torch
from transformers import DynamicCache

from ethogram.measure.errors import EngineError
from ethogram.plan import Query, Value
from ethogram.source.chat import common_length, continuation_tokens, encode, prompt_text, stop_token
from ethogram.source.load import Loaded, cached
from ethogram.specs.errors import count

TOKENS = 2048
"""Tokens in one forward pass: enough to keep two cores busy, small enough for a laptop."""
PASS = 128
"""Tokens that could be computed in the time that one more forward pass costs beside its tokens."""
PROMPTS = 64
"""Prompts in one batch at most, so that progress is stored every few seconds."""
ROWS = 64
"""Samples drawn side by side at most: each holds a cache of its own."""


T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


Prefilled = tuple[torch.Tensor, Any, torch.Tensor]
"""Logits after each prompt, the prompts' key-value cache, their attention mask."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A tokenised prompt, the continuations to score after it, and who asked."""

    tokens: list[int]
    continuations: list[list[int]]
    queries: list[Query]


class LocalEngine:
    """Scores queries on a model in memory."""

    def __init__(self, loaded: Loaded, say: Callable[[str], None] = lambda line: None) -> None:
        self.loaded = loaded
        self.say = say
        self.tokens = TOKENS
        self.prompts = PROMPTS

    @cached_property
    def stops(self) -> set[int]:
        """Tokens that end an answer."""
        return {stop_token(self.loaded.tokenizer), self.loaded.tokenizer.eos_token_id} - {None}

    def score(self, queries: Sequence[Query]) -> Iterator[dict[Query, Value]]:
        """Yield scores batch by batch; every query comes once. Raises EngineError.

        When memory runs out the batch is halved, with a notice, down to a single prompt.
        """
        by_kind: dict[str, list[Query]] = defaultdict(list)
        for query in queries:
            by_kind[query.kind].append(query)
        for kind, asked in by_kind.items():
            yield from getattr(self, f"_{kind}")(asked)

    def _halving(
        self, batch: list[T], run: Callable[[list[T]], dict[K, V]]
    ) -> Iterator[dict[K, V]]:
        try:
            with torch.inference_mode():
                found = run(batch)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not _out_of_memory(error) or len(batch) == 1:
                raise
            found = None
        if found is not None:
            yield found
            return
        gc.collect()
        self.tokens = max(128, self.tokens // 2)
        self.prompts = max(1, len(batch) // 2)
        self.say(f"out of memory: batches halved to {count(self.prompts, 'prompt')}")
        half = len(batch) // 2
        yield from self._halving(batch[:half], run)
        yield from self._halving(batch[half:], run)

    # -- log-probabilities of continuations ---------------------------------------------------

    def _logprob(self, queries: list[Query]) -> Iterator[dict[Query, Value]]:
        by_messages: dict[Any, list[Query]] = defaultdict(list)
        for query in queries:
            by_messages[query.messages].append(query)
        prompts = [self._prompt(asked) for asked in by_messages.values()]
        # A batch holds prompts with equally many continuations; those that begin alike stand
        # together, so that a scenario's text is computed once for all orders of its options.
        prompts.sort(key=lambda p: (len(p.continuations), p.tokens))
        for batch in self._batches(prompts):
            yield from self._halving(batch, self._logprob_batch)

    def _prompt(self, queries: list[Query]) -> Prompt:
        tokenizer = self.loaded.tokenizer
        text = prompt_text(tokenizer, queries[0].messages)
        tokens = encode(tokenizer, text)
        continuations = []
        for query in queries:
            (answer,) = query.target
            found = continuation_tokens(tokenizer, text, tokens, answer)
            if not found:
                raise EngineError(f"the continuation {answer!r} has no tokens")
            continuations.append(found)
        return Prompt(tokens, continuations, queries)

    def _batches(self, prompts: Sequence[Prompt]) -> Iterator[list[Prompt]]:
        batch: list[Prompt] = []
        for prompt in prompts:
            grown = [*batch, prompt]
            rows = sum(len(p.continuations) for p in grown)
            width = max((len(c) for p in grown for c in p.continuations), default=1)
            uneven = batch and len(batch[0].continuations) != len(prompt.continuations)
            size = _computed([p.tokens for p in grown])
            full = max(rows * width, size) > self.tokens or len(grown) > self.prompts
            apart = size - _computed([p.tokens for p in batch]) > len(prompt.tokens) + PASS
            if batch and (uneven or full or apart):
                yield batch
                batch = []
            batch.append(prompt)
        if batch:
            yield batch

    def _logprob_batch(self, batch: list[Prompt]) -> dict[Query, Value]:
        each = len(batch[0].continuations)
        rows = [tokens for prompt in batch for tokens in prompt.continuations]
        width = max(len(tokens) for tokens in rows)
        last, cache, mask = self._prefill([prompt.tokens for prompt in batch], width)
        device = self.loaded.device
        targets = torch.zeros((len(rows), width), dtype=torch.long)
        real = torch.zeros((len(rows), width), dtype=torch.bool)
        for row, tokens in enumerate(rows):
            targets[row, : len(tokens)] = torch.tensor(tokens)
            real[row, : len(tokens)] = True
        targets, real = targets.to(device), real.to(device)
        found = torch.zeros((len(rows), width), dtype=torch.float64, device=device)
        first = torch.log_softmax(last.float(), dim=-1).repeat_interleave(each, dim=0)
        found[:, 0] = first.gather(1, targets[:, :1]).squeeze(1)
        if width > 1:
            cache.batch_repeat_interleave(each)
            mask = mask.repeat_interleave(each, dim=0)
            begin = mask.sum(dim=1, keepdim=True)
            seen = torch.cat([mask, real[:, :-1].long()], dim=1)
            logits = self.loaded.model(
                input_ids=targets[:, :-1],
                attention_mask=seen,
                position_ids=begin + torch.arange(width - 1, device=device),
                **cached(self.loaded.model, cache),
            ).logits.float()
            picked = logits.gather(2, targets[:, 1:].unsqueeze(2)).squeeze(2)
            found[:, 1:] = picked - torch.logsumexp(logits, dim=-1)
        sums = (found * real).sum(dim=1).tolist()
        values = [[float(s), float(len(tokens))] for s, tokens in zip(sums, rows, strict=True)]
        asked = [query for prompt in batch for query in prompt.queries]
        return dict(zip(asked, values, strict=True))

    def _prefill(self, prompts: list[list[int]], more: int = 0) -> Prefilled:
        """(logits after each prompt, their cache, attention mask); the common start computed once.

        `more` tokens will follow every prompt.
        """
        device, model = self.loaded.device, self.loaded.model
        shared = common_length(prompts)
        window = getattr(model.config.get_text_config(), "sliding_window", None)
        if window and max(len(tokens) for tokens in prompts) + more > window:
            # A window is counted in slots, padding included: none may lie between real tokens.
            shared = 0
        cache = DynamicCache(config=model.config)
        mask = torch.ones((len(prompts), shared), dtype=torch.long, device=device)
        if shared:
            start = torch.tensor([prompts[0][:shared]], device=device)
            model(input_ids=start, **cached(model, cache), logits_to_keep=1)
            cache.batch_repeat_interleave(len(prompts))
        rest, real = self._left_padded([tokens[shared:] for tokens in prompts])
        mask = torch.cat([mask, real], dim=1)
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, shared:]
        logits = model(
            input_ids=rest,
            attention_mask=mask,
            position_ids=positions,
            **cached(model, cache),
            logits_to_keep=1,
        ).logits[:, -1]
        return logits, cache, mask

    def _left_padded(self, rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        width = max(len(tokens) for tokens in rows)
        pad = self.loaded.tokenizer.pad_token_id or 0
        tokens = torch.full((len(rows), width), pad)
        real = torch.zeros((len(rows), width), dtype=torch.long)
        for row, found in enumerate(rows):
            tokens[row, width - len(found) :] = torch.tensor(found)
            real[row, width - len(found) :] = 1
        return tokens.to(self.loaded.device), real.to(self.loaded.device)

    # -- the next word ------------------------------------------------------------------------

    def _answer(self, queries: list[Query]) -> Iterator[dict[Query, Value]]:
        for batch in self._by_length(queries):
            yield from self._halving(batch, self._answer_batch)

    def _answer_batch(self, batch: list[Query]) -> dict[Query, Value]:
        last, _, _ = self._prefill([self._tokens(query) for query in batch])
        chances = torch.log_softmax(last.double(), dim=-1)
        values: dict[Query, Value] = {}
        for row, query in enumerate(batch):
            values[query] = [
                float(torch.logsumexp(chances[row, self._variants(word)], dim=0))
                for word in query.target
            ]
        return values

    def _variants(self, word: str) -> list[int]:
        """Token ids of the word with and without a leading space, in any capital."""
        coded = [encode(self.loaded.tokenizer, text) for text in spellings(word)]
        single = sorted({tokens[0] for tokens in coded if len(tokens) == 1})
        if not single:
            raise EngineError(f"no variant of {word!r} is a single token of this model")
        return single

    # -- greedy continuations -----------------------------------------------------------------

    def _generate(self, queries: list[Query]) -> Iterator[dict[Query, Value]]:
        by_limit: dict[str, list[Query]] = defaultdict(list)
        for query in queries:
            by_limit[query.target[0]].append(query)
        for asked in by_limit.values():
            for batch in self._by_length(asked):
                yield from self._halving(batch, self._generate_batch)

    def _generate_batch(self, batch: list[Query]) -> dict[Query, Value]:
        limit = int(batch[0].target[0])
        prefilled = self._prefill([self._tokens(query) for query in batch], limit)
        rows = self._decoded(prefilled, limit, lambda _step, logits: logits.argmax(dim=-1))
        return {query: self._text(row) for query, row in zip(batch, rows, strict=True)}

    # -- sampled continuations ----------------------------------------------------------------

    def _sample(self, queries: list[Query]) -> Iterator[dict[Query, Value]]:
        for query in queries:
            tokens, count = map(int, query.target)
            drawn: list[str] = []
            # Every query has a generator of its own: what is drawn beside it changes nothing.
            seed = int(query.key[:12], 16)
            chance = torch.Generator(device=self.loaded.device).manual_seed(seed)
            with torch.inference_mode():
                while len(drawn) < count:
                    drawn += self._draw(query, tokens, min(ROWS, count - len(drawn)), chance)
            yield {query: drawn}

    def _draw(self, query: Query, limit: int, rows: int, chance: torch.Generator) -> list[str]:
        """`rows` continuations of at most `limit` tokens, drawn at temperature 1."""
        last, cache, mask = self._prefill([self._tokens(query)], limit)
        cache.batch_repeat_interleave(rows)
        spread = last.repeat_interleave(rows, dim=0), cache, mask.repeat_interleave(rows, dim=0)

        def pick(_step: int, logits: torch.Tensor) -> torch.Tensor:
            chances = torch.softmax(logits.double(), dim=-1)
            return torch.multinomial(chances, 1, generator=chance).squeeze(1)

        # Drawn to the limit: where the others end must not move the generator.
        return [self._text(row) for row in self._decoded(spread, limit, pick, early=False)]

    # -- shared -------------------------------------------------------------------------------

    def _decoded(
        self,
        prefilled: Prefilled,
        limit: int,
        pick: Callable[[int, torch.Tensor], torch.Tensor],
        *,
        early: bool = True,
    ) -> list[list[int]]:
        """Tokens after each prompt, one step for all rows at a time: `pick(step, logits)`.

        Ends with the last row when `early`. A plain loop: `generate` would compute the shared start
        once for every row.
        """
        last, cache, mask = prefilled
        ends = torch.tensor(sorted(self.stops), device=self.loaded.device)
        made: list[torch.Tensor] = []
        ended = torch.zeros(len(mask), dtype=torch.bool, device=self.loaded.device)
        for step in range(limit):
            made.append(pick(step, last))
            ended |= torch.isin(made[-1], ends)
            if step + 1 == limit or (early and bool(ended.all())):
                break
            mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
            last = self.loaded.model(
                input_ids=made[-1].unsqueeze(1),
                attention_mask=mask,
                position_ids=mask.sum(dim=1, keepdim=True) - 1,
                **cached(self.loaded.model, cache),
            ).logits[:, -1]
        rows: list[list[int]] = torch.stack(made, dim=1).tolist()
        return rows

    def _text(self, row: list[int]) -> str:
        """What was said before the first token that ends the answer."""
        text = self.loaded.tokenizer.decode(_until(row, self.stops), skip_special_tokens=True)
        return str(text)

    def _tokens(self, query: Query) -> list[int]:
        return encode(self.loaded.tokenizer, prompt_text(self.loaded.tokenizer, query.messages))

    def _by_length(self, queries: Iterable[Query]) -> Iterator[list[Query]]:
        sized = sorted(((len(self._tokens(query)), query) for query in queries), key=lambda s: s[0])
        batch: list[Query] = []
        for length, query in sized:
            if batch and (len(batch) >= self.prompts or (len(batch) + 1) * length > self.tokens):
                yield batch
                batch = []
            batch.append(query)
        if batch:
            yield batch


def _until(tokens: list[int], stops: set[int]) -> list[int]:
    """The tokens before the first that ends the answer."""
    return next((tokens[:i] for i, token in enumerate(tokens) if token in stops), tokens)


def spellings(word: str) -> list[str]:
    """The word with and without a leading space, in any capital."""
    forms = {word, word.lower(), word.upper(), word.capitalize()}
    return sorted(f"{space}{form}" for space in ("", " ") for form in forms)


def _computed(prompts: list[list[int]]) -> int:
    """Tokens computed for a batch of prompts: what they share once, the rest padded to one length."""
    if not prompts:
        return 0
    shared = common_length(prompts)
    return shared + len(prompts) * (max(map(len, prompts)) - shared)


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        "can't allocate memory" in str(error) or "out of memory" in str(error)
    )
