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
from urllib.parse import urlsplit

from ethogram.measure.engine import EngineError, spellings
from ethogram.plan import Query, Value
from ethogram.source.chat import prompt_text
from ethogram.source.load import DEFAULT_TEMPLATE
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
        address = urlsplit(str(candidate.endpoint))
        # A password or a key in the address is not for messages.
        self.where = f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}"
        self.tokenizer = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=source.trust_remote_code
        )
        if source.template:
            self.tokenizer.chat_template = source.template
        elif not self.tokenizer.chat_template:
            self.tokenizer.chat_template = DEFAULT_TEMPLATE
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
        given = self._complete(prompt + answer, 1, echo=True).logprobs
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
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(getattr(choice, "text", None), str):
            raise EngineError(f"{self.model}: the server's reply holds no choice")
        return choice

    def _find_model(self) -> None:
        """Refuse at the start a server that does not serve the model."""
        try:
            listed: Any = self.client.models.list()
        except self.errors as error:
            raise EngineError(f"{self.where} does not answer: {type(error).__name__}") from None
        except (ValueError, AttributeError):  # not JSON, or no object: the SDK trips over it
            listed = None
        models = getattr(listed, "data", None)
        if not isinstance(models, list):
            raise EngineError(f"{self.where} does not list its models")
        served = [str(getattr(model, "id", None)) for model in models]
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
