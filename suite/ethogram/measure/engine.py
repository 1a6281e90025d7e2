"""Queries to a local model, in batches that share what their prompts have in common.

All prompts of a batch begin alike (the template's system turn) and many continuations follow one
prompt, so each shared part is computed once and its key-value cache handed on.
"""

from __future__ import annotations

import gc
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import torch

from ethogram.measure.errors import EngineError
from ethogram.measure.passes import Passes
from ethogram.measure.shared import ALIKE, PASS, Shared
from ethogram.plan import Query, Value
from ethogram.source.chat import common_length, continuation_tokens, encode, prompt_text, stop_token
from ethogram.source.load import Loaded
from ethogram.source.trunk import Trunked
from ethogram.specs.errors import count

TOKENS = 2048
"""Tokens in one forward pass: enough to keep two cores busy, small enough for a laptop."""
PROMPTS = 64
"""Prompts in one batch at most, so that progress is stored every few seconds."""
DECODED = 2
"""How many times as many prompts are answered at once as are scored at once."""
ROWS = 64
"""Samples drawn side by side at most: each holds a cache of its own."""


T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


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
        self.passes = Passes(loaded)
        self.tokens = TOKENS
        self.prompts = PROMPTS

    @property
    def nbytes(self) -> int:
        """Memory that the weights take, twice for those that are packed for the processor."""
        times = 2 if self.loaded.device.type == "cpu" else 1
        return sum(
            weight.nbytes * (times if weight.dtype == torch.float32 else 1)
            for weight in self.loaded.model.parameters()
        )

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
        if isinstance(self.loaded.model, Trunked):
            self.loaded.model.forget()
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
        # Answers stand side by side, and are summed up in that order: let it be the same each time.
        asked_of = [sorted(asked, key=lambda query: query.target) for asked in by_messages.values()]
        prompts = [self._prompt(asked) for asked in asked_of]
        for batch in self._batches(_ordered(prompts)):
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
        alike: list[int] = []
        size = 0
        for prompt in prompts:
            grown = [*batch, prompt]
            wide = max(sum(map(len, p.continuations)) for p in grown)
            uneven = batch and len(batch[0].continuations) != len(prompt.continuations)
            also = [*alike, common_length([batch[-1].tokens, prompt.tokens])] if batch else []
            more = Shared.of([len(p.tokens) for p in grown], also).computed
            full = max(len(grown) * wide, more) > self.tokens or len(grown) > self.prompts
            apart = more - size > len(prompt.tokens) + PASS
            if batch and (uneven or full or apart):
                yield batch
                batch, also, more = [], [], len(prompt.tokens)
            batch.append(prompt)
            alike, size = also, more
        if batch:
            yield batch

    def _logprob_batch(self, batch: list[Prompt]) -> dict[Query, Value]:
        with self.passes.alike([[prompt.tokens, prompt.continuations] for prompt in batch]):
            return self._logprobs(batch)

    def _logprobs(self, batch: list[Prompt]) -> dict[Query, Value]:
        lanes = [prompt.continuations for prompt in batch]
        more = max(len(tokens) for lane in lanes for tokens in lane)
        prefilled = self.passes.prefill([prompt.tokens for prompt in batch], more)
        sums = self.passes.answered(prefilled, lanes).tolist()
        lengths = [len(tokens) for lane in lanes for tokens in lane]
        values = [[total, float(length)] for total, length in zip(sums, lengths, strict=True)]
        asked = [query for prompt in batch for query in prompt.queries]
        return dict(zip(asked, values, strict=True))

    # -- the next word ------------------------------------------------------------------------

    def _answer(self, queries: list[Query]) -> Iterator[dict[Query, Value]]:
        for batch in self._by_length(queries):
            yield from self._halving(batch, self._answer_batch)

    def _answer_batch(self, batch: list[Query]) -> dict[Query, Value]:
        prompts = [self._tokens(query) for query in batch]
        with self.passes.alike(prompts):
            last, _, _ = self.passes.prefill(prompts)
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
            # A step computes one token a row, and reads every weight: many rows cost little more.
            for batch in self._by_length(asked, DECODED):
                yield from self._halving(batch, self._generate_batch)

    def _generate_batch(self, batch: list[Query]) -> dict[Query, Value]:
        limit = int(batch[0].target[0])
        prefilled = self.passes.prefill([self._tokens(query) for query in batch], limit)
        rows = self.passes.decoded(
            prefilled, limit, self.stops, lambda _step, logits: logits.argmax(dim=-1)
        )
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
        last, cache, mask = self.passes.prefill([self._tokens(query)], limit)
        cache.batch_repeat_interleave(rows)
        spread = last.repeat_interleave(rows, dim=0), cache, mask.repeat_interleave(rows, dim=0)

        def pick(_step: int, logits: torch.Tensor) -> torch.Tensor:
            chances = torch.softmax(logits.double(), dim=-1)
            return torch.multinomial(chances, 1, generator=chance).squeeze(1)

        # Drawn to the limit: where the others end must not move the generator.
        return [
            self._text(row)
            for row in self.passes.decoded(spread, limit, self.stops, pick, early=False)
        ]

    # -- shared -------------------------------------------------------------------------------

    def _text(self, row: list[int]) -> str:
        """What was said before the first token that ends the answer."""
        text = self.loaded.tokenizer.decode(_until(row, self.stops), skip_special_tokens=True)
        return str(text)

    def _tokens(self, query: Query) -> list[int]:
        return encode(self.loaded.tokenizer, prompt_text(self.loaded.tokenizer, query.messages))

    def _by_length(self, queries: Iterable[Query], times: int = 1) -> Iterator[list[Query]]:
        """Batches of like length, `times` as large as others."""
        sized = sorted(((self._tokens(query), query) for query in queries), key=lambda s: len(s[0]))
        batch: list[Query] = []
        start, last = 0, list[int]()
        for tokens, query in sized:
            start = min(start, common_length([last, tokens])) if batch else len(tokens) - 1
            size = start + (len(batch) + 1) * (len(tokens) - start)
            if batch and (len(batch) >= times * self.prompts or size > times * self.tokens):
                yield batch
                batch, start = [], len(tokens) - 1
            batch.append(query)
            last = tokens
        if batch:
            yield batch


def _ordered(prompts: Iterable[Prompt]) -> list[Prompt]:
    """As they are put into batches: those with equally many continuations after one another."""
    by_count = sorted(prompts, key=lambda prompt: (len(prompt.continuations), prompt.tokens))
    groups = itertools.groupby(by_count, key=lambda prompt: len(prompt.continuations))
    return [prompt for _, group in groups for prompt in _by_size(list(group))]


def _by_size(prompts: list[Prompt]) -> list[Prompt]:
    """Sorted prompts, the shorter ones first, but those that begin alike beyond the others together.

    So a scenario's text is computed once for all orders of its options, and what all are padded to
    is not much longer than they are.
    """
    if len(prompts) < 2:
        return prompts
    pairs = [common_length([a.tokens, b.tokens]) for a, b in itertools.pairwise(prompts)]
    start = min(pairs)
    alike = [[prompts[0]]]
    for common, prompt in zip(pairs, prompts[1:], strict=True):
        if common - start >= ALIKE:
            alike[-1].append(prompt)
        else:
            alike.append([prompt])
    alike.sort(key=lambda found: max(map(_size, found)))
    return [prompt for found in alike for prompt in _by_size(found)]


def _size(prompt: Prompt) -> int:
    return len(prompt.tokens) + sum(map(len, prompt.continuations))


def _until(tokens: list[int], stops: set[int]) -> list[int]:
    """The tokens before the first that ends the answer."""
    return next((tokens[:i] for i, token in enumerate(tokens) if token in stops), tokens)


def spellings(word: str) -> list[str]:
    """The word with and without a leading space, in any capital."""
    forms = {word, word.lower(), word.upper(), word.capitalize()}
    return sorted(f"{space}{form}" for space in ("", " ") for form in forms)


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        "can't allocate memory" in str(error) or "out of memory" in str(error)
    )
