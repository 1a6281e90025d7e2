"""Queries to a model behind an OpenAI-compatible server whose completions echo log-probabilities.

The prompt is rendered here, under the template of the source that models.yaml names, and sent as
text to `/v1/completions`: a chat route would hide the log-probabilities of a given answer. What a
server lacks is found out at the start (some accept `echo` and silently return nothing).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ethogram.measure.engine import EngineError
from ethogram.plan import Query, Value
from ethogram.source.chat import prompt_text
from ethogram.specs.models import Candidate, Source

WORKERS = 8
BATCH = 64
RETRIES = 5
SECONDS = 120.0


class EndpointEngine:
    """Scores queries over HTTP; retries and Retry-After are the SDK's own."""

    def __init__(self, candidate: Candidate, folder: Path, source: Source) -> None:
        try:
            import openai
        except ModuleNotFoundError:
            raise EngineError(
                "an endpoint needs the openai package: pip install 'ethogram[endpoint]'"
            ) from None
        from transformers import AutoTokenizer

        self.errors: tuple[type[Exception], ...] = (openai.OpenAIError,)
        self.model = str(candidate.model)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        if source.template:
            self.tokenizer.chat_template = source.template
        key = os.environ.get(candidate.api_key_env or "", "")
        if candidate.api_key_env and not key:
            raise EngineError(f"the environment variable {candidate.api_key_env} is not set")
        self.client = openai.OpenAI(
            base_url=candidate.endpoint,
            api_key=key or "none",
            max_retries=RETRIES,
            timeout=SECONDS,
        )
        self._find_model()

    def score(self, queries: Sequence[Query]) -> Iterator[dict[Query, Value]]:
        """Yield scores in batches. Raises EngineError on an answer that cannot be used."""
        if any(query.kind != "generate" for query in queries):
            self._need_logprobs()
        with ThreadPoolExecutor(WORKERS) as pool:
            for start in range(0, len(queries), BATCH):
                batch = queries[start : start + BATCH]
                yield dict(zip(batch, pool.map(self._one, batch), strict=True))

    def _one(self, query: Query) -> Value:
        prompt = prompt_text(self.tokenizer, query.messages)
        if query.kind == "generate":
            return str(self._complete(prompt, int(query.target[0]), echo=False).text)
        if query.kind == "logprob":
            found = self._after(prompt, query.target[0])
            return [math.fsum(found), float(len(found))]
        return [self._word(prompt, word) for word in query.target]

    def _word(self, prompt: str, word: str) -> float:
        """log P(word), summed over its single-token variants."""
        forms = {word, word.lower(), word.upper(), word.capitalize()}
        spelled = sorted(f"{space}{form}" for space in ("", " ") for form in forms)
        chances = [self._after(prompt, text) for text in spelled]
        single = [found[0] for found in chances if len(found) == 1]
        if not single:
            raise EngineError(f"no variant of {word!r} is a single token of {self.model}")
        top = max(single)
        return top + math.log(math.fsum(math.exp(chance - top) for chance in single))

    def _after(self, prompt: str, answer: str) -> list[float]:
        """Log-probs of the answer's tokens, which start behind the prompt's characters."""
        given = self._complete(prompt + answer, 1, echo=True).logprobs
        if given is None or not given.token_logprobs or not given.text_offset:
            raise EngineError(f"{self.model}: the server gave no log-probabilities of given text")
        begin, end = len(prompt), len(prompt) + len(answer)
        found = [
            chance
            for chance, offset in zip(given.token_logprobs, given.text_offset, strict=True)
            if begin <= offset < end and chance is not None
        ]
        if not found:
            raise EngineError(f"{self.model}: the server's offsets show no token of {answer!r}")
        return found

    def _complete(self, prompt: str, tokens: int, *, echo: bool) -> Any:
        try:
            reply = self.client.completions.create(
                model=self.model,
                prompt=prompt,
                max_tokens=tokens,
                temperature=0.0,
                echo=echo,
                logprobs=1 if echo else None,
            )
        except self.errors as error:
            # The SDK's own words may quote headers; the class and status say enough.
            status = getattr(error, "status_code", None)
            raise EngineError(
                f"{self.model}: {type(error).__name__}{f' (HTTP {status})' if status else ''}"
            ) from None
        except ValueError as error:
            raise EngineError(f"{self.model}: the server's reply is not JSON: {error}") from None
        choices = getattr(reply, "choices", None)
        if not choices or choices[0].text is None:
            raise EngineError(f"{self.model}: the server's reply holds no choice")
        return choices[0]

    def _find_model(self) -> None:
        """Refuse at the start a server that does not serve the model."""
        try:
            served = [model.id for model in self.client.models.list()]
        except self.errors as error:
            raise EngineError(
                f"{self.client.base_url} does not answer: {type(error).__name__}"
            ) from None
        if self.model not in served:
            raise EngineError(f"the server has no model {self.model!r}; it serves {served[:8]}")

    def _need_logprobs(self) -> None:
        """Refuse before the first query a server that hides the log-probs of given text."""
        try:
            self._after("One two three", " four")
        except EngineError as error:
            raise EngineError(
                f"{error}\n  without them only the refusal-rate probe works on this endpoint: "
                "select it with -k refusal-rate"
            ) from None
