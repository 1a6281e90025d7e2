"""Queries to a local model, in batches that share what their prompts have in common.

All prompts of a batch begin alike (the template's system turn) and many continuations follow one
prompt, so each shared part is computed once and its key-value cache handed on.
"""

from __future__ import annotations

import contextlib
import gc
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import torch
from transformers import DynamicCache

from ethogram.measure.errors import EngineError
from ethogram.measure.shared import PASS, Shared, common
from ethogram.measure.trunk import Trunked
from ethogram.plan import Query, Value
from ethogram.source.chat import continuation_tokens, encode, prompt_text, stop_token
from ethogram.source.load import Loaded, cached, sees_all
from ethogram.specs.errors import count

TOKENS = 2048
"""Tokens in one forward pass: enough to keep two cores busy, small enough for a laptop."""
PROMPTS = 64
"""Prompts in one batch at most, so that progress is stored every few seconds."""
CHUNK = 64
"""Rows of logits that are read at once."""
DECODED = 2
"""How many times as many prompts are answered at once as are scored at once."""
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
        alike: list[int] = []
        size = 0
        for prompt in prompts:
            grown = [*batch, prompt]
            wide = max(sum(map(len, p.continuations)) for p in grown)
            uneven = batch and len(batch[0].continuations) != len(prompt.continuations)
            also = [*alike, common(batch[-1].tokens, prompt.tokens)] if batch else []
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
        with self._alike([[prompt.tokens, prompt.continuations] for prompt in batch]):
            return self._logprobs(batch)

    def _logprobs(self, batch: list[Prompt]) -> dict[Query, Value]:
        more = max(len(tokens) for prompt in batch for tokens in prompt.continuations)
        last, cache, mask = self._prefill([prompt.tokens for prompt in batch], more)
        each = len(batch[0].continuations)
        answers = [tokens for prompt in batch for tokens in prompt.continuations]
        device = self.loaded.device
        begun = torch.arange(len(batch), device=device).repeat_interleave(each)
        first = torch.tensor([tokens[0] for tokens in answers], device=device)
        sums = _picked(last, begun, first)
        if any(len(tokens) > 1 for tokens in answers):
            lanes = [prompt.continuations for prompt in batch]
            if not self.blocks:
                cache.batch_repeat_interleave(each)
                mask = mask.repeat_interleave(each, dim=0)
                lanes = [[tokens] for tokens in answers]
            sums += self._continued(lanes, cache, mask)
        values = [[s, float(len(t))] for s, t in zip(sums.tolist(), answers, strict=True)]
        asked = [query for prompt in batch for query in prompt.queries]
        return dict(zip(asked, values, strict=True))

    def _continued(
        self, lanes: list[list[list[int]]], cache: Any, mask: torch.Tensor
    ) -> torch.Tensor:
        """Log-probs of every answer's tokens after its first, summed; shape (answers,).

        A lane is a row of the cache and the answers that follow it side by side: each sees the row
        and itself alone.
        """
        device, width = self.loaded.device, max(sum(len(t) - 1 for t in lane) for lane in lanes)
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
        logits = self.loaded.model(
            input_ids=tokens.to(device),
            attention_mask=seen,
            position_ids=mask.sum(dim=1, keepdim=True) + places.to(device),
            **cached(self.loaded.model, cache),
        ).logits
        rows = real.flatten().nonzero().squeeze(1).to(device)
        found = _picked(logits.flatten(0, 1), rows, targets[real].to(device))
        sums = torch.zeros(answer, dtype=torch.float64, device=device)
        return sums.index_add(0, number[real].to(device), found)

    @cached_property
    def blocks(self) -> bool:
        """Whether answers may share a row: known by trying, where the kind of attention allows it."""
        if not sees_all(self.loaded.model):
            return False
        lane = [[5, 6, 7], [8, 9, 10, 11]]
        try:
            together = self._tried(True, [lane])
            apart = self._tried(False, [[said] for said in lane])
        except (RuntimeError, ValueError, TypeError, IndexError):
            return False
        finally:
            self.__dict__.pop("blocks", None)
        whole = {weight.dtype for weight in self.loaded.model.parameters()} == {torch.float32}
        return bool(torch.allclose(together, apart, rtol=0, atol=1e-3 if whole else 0.5))

    def _tried(self, blocks: bool, lanes: list[list[list[int]]]) -> torch.Tensor:
        """What a few tokens score with answers side by side, or each in a row of its own."""
        self.__dict__["blocks"] = blocks
        with torch.inference_mode():
            _, cache, mask = self._prefill([[3, 4, 5, 6, 7, 8]] * len(lanes))
            return self._continued(lanes, cache, mask)

    def _prefill(self, prompts: list[list[int]], more: int = 0) -> Prefilled:
        """(logits after each prompt, their cache, attention mask); what is shared computed once.

        `more` tokens will follow every prompt.
        """
        window = getattr(self.loaded.model.config.get_text_config(), "sliding_window", None)
        shared = Shared.by(prompts)
        if window and max(len(tokens) for tokens in prompts) + more > window:
            # A window is counted in slots, padding included: none may lie between real tokens.
            shared = Shared(0, (), 0)
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

    def _alike(self, asked: Any) -> contextlib.AbstractContextManager[None]:
        """Around the passes of a batch that other models of the source may be asked too."""
        model = self.loaded.model
        return model.batch(asked) if isinstance(model, Trunked) else contextlib.nullcontext()

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

    # -- the next word ------------------------------------------------------------------------

    def _answer(self, queries: list[Query]) -> Iterator[dict[Query, Value]]:
        for batch in self._by_length(queries):
            yield from self._halving(batch, self._answer_batch)

    def _answer_batch(self, batch: list[Query]) -> dict[Query, Value]:
        prompts = [self._tokens(query) for query in batch]
        with self._alike(prompts):
            last, _, _ = self._prefill(prompts)
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

    def _by_length(self, queries: Iterable[Query], times: int = 1) -> Iterator[list[Query]]:
        """Batches of like length, `times` as large as others."""
        sized = sorted(((self._tokens(query), query) for query in queries), key=lambda s: len(s[0]))
        batch: list[Query] = []
        start, last = 0, list[int]()
        for tokens, query in sized:
            start = min(start, common(last, tokens)) if batch else len(tokens) - 1
            size = start + (len(batch) + 1) * (len(tokens) - start)
            if batch and (len(batch) >= times * self.prompts or size > times * self.tokens):
                yield batch
                batch, start = [], len(tokens) - 1
            batch.append(query)
            last = tokens
        if batch:
            yield batch


def _until(tokens: list[int], stops: set[int]) -> list[int]:
    """The tokens before the first that ends the answer."""
    return next((tokens[:i] for i, token in enumerate(tokens) if token in stops), tokens)


def spellings(word: str) -> list[str]:
    """The word with and without a leading space, in any capital."""
    forms = {word, word.lower(), word.upper(), word.capitalize()}
    return sorted(f"{space}{form}" for space in ("", " ") for form in forms)


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


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        "can't allocate memory" in str(error) or "out of memory" in str(error)
    )
