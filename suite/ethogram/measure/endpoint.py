"""Queries to a model behind an OpenAI-compatible server.

The prompt is rendered here, under the template of the source that models.yaml names, and sent as
text to `/v1/completions`: a chat route would hide the log-probabilities of a given answer. What a
server lacks is found out at the start (some accept `echo` and silently return nothing).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from ethogram.measure.engine import spellings
from ethogram.measure.errors import EngineError
from ethogram.measure.server import Server, ServerError, each
from ethogram.plan import Query, Unanswered, Value, ask
from ethogram.source.chat import prompt_text
from ethogram.source.load import DEFAULT_TEMPLATE
from ethogram.specs.models import Candidate, Capability, Source

REJECTED = (None, 400, 404, 405, 415, 422, 501)
"""Status of a server that does not know what is asked; None where it answered without a choice."""
DRAWS = 8
"""Texts drawn at the start, to see whether the server samples at all."""


class EndpointEngine:
    """Scores queries over HTTP."""

    nbytes = 0  # the model is elsewhere

    def __init__(self, candidate: Candidate, folder: Path, source: Source) -> None:
        from transformers import AutoTokenizer

        self.model = str(candidate.model)
        self.budget = candidate.error_budget
        self.server = Server(str(candidate.endpoint), self.model, candidate.api_key_env)
        self.tokenizer = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=source.trust_remote_code
        )
        if source.template:
            self.tokenizer.chat_template = source.template
        elif not self.tokenizer.chat_template:
            self.tokenizer.chat_template = DEFAULT_TEMPLATE
        self.server.find_model()

    def capability(self) -> Capability:
        """What the server gives. Raises EngineError where it gives no text at all."""
        try:
            self._after("One two three", " four")
        except EngineError as error:
            if isinstance(error, ServerError) and error.status not in REJECTED:
                raise  # a server that is down or busy says nothing of what it can do
            query = Query("sample", ask("Say any word."), ("4", str(DRAWS)))
            prompt = prompt_text(self.tokenizer, query.messages)
            return "sampled" if len(set(self._drawn(prompt, 4, DRAWS))) > 1 else "greedy"
        return "logprobs"

    def score(self, queries: Sequence[Query]) -> Iterator[dict[Query, Value | Unanswered]]:
        """Yield scores in batches; what got no usable answer comes as Unanswered. See `each`."""
        return each(queries, self._one, self.budget)

    def _one(self, query: Query) -> Value:
        prompt = prompt_text(self.tokenizer, query.messages)
        if query.kind == "generate":
            return str(self.server.complete(prompt, int(query.target[0])).text)
        if query.kind == "sample":
            return self._drawn(prompt, *map(int, query.target))
        if query.kind == "logprob":
            found = self._after(prompt, query.target[0])
            return [math.fsum(found), float(len(found))]
        return [self._word(prompt, word) for word in query.target]

    def _drawn(self, prompt: str, tokens: int, count: int) -> list[str]:
        """One request a text: servers that know no `n` ignore it silently."""
        return [
            str(self.server.complete(prompt, tokens, temperature=1.0, seed=seed).text)
            for seed in range(count)
        ]

    def _word(self, prompt: str, word: str) -> float:
        """log P(word), summed over its single-token variants."""
        chances = [self._after(prompt, text) for text in spellings(word)]
        single = [found[0] for found in chances if len(found) == 1]
        if not single:
            raise EngineError(f"no variant of {word!r} is a single token of {self.model}")
        top = max(single)
        return top + math.log(math.fsum(math.exp(chance - top) for chance in single))

    def _after(self, prompt: str, answer: str) -> list[float]:
        """Log-probs of the answer's tokens, which start behind the prompt's characters.

        Raises EngineError where they do not cover the answer: a sum without its first token, which
        the tokenizer joined to the prompt or which the server left out, would be another number.
        """
        given = self.server.complete(prompt + answer, 1, echo=True, logprobs=1).logprobs
        chances = getattr(given, "token_logprobs", None)
        offsets = getattr(given, "text_offset", None)
        if not chances or not offsets or len(chances) != len(offsets):
            raise EngineError(f"{self.model}: the server gave no log-probabilities of given text")
        begin, end = len(prompt), len(prompt) + len(answer)
        found = [
            (at, chance) for at, chance in zip(offsets, chances, strict=True) if begin <= at < end
        ]
        if not found or found[0][0] != begin:
            raise EngineError(
                f"{self.model}: by the server's offsets no token begins where {answer!r} begins"
            )
        if any(chance is None or not math.isfinite(chance) for _, chance in found):
            raise EngineError(
                f"{self.model}: the server gave no log-probabilities of some tokens of {answer!r}"
            )
        return [float(chance) for _, chance in found]
