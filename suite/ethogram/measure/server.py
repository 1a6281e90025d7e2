"""One model behind an OpenAI-compatible server: what is sent, and what counts as an answer.

Retries and Retry-After (as told, up to a minute) are the SDK's own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from ethogram.measure.errors import EngineError
from ethogram.plan import Query, Unanswered, Value

RETRIES = 5
SECONDS = 120.0
WORKERS = 8
BATCH = 64
NO_ANSWER = 0
"""In place of the status where the connection broke or took too long."""


class ServerError(EngineError):
    """A request that got no usable answer in spite of every retry; the HTTP status of an error."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Server:
    """Requests to one model. Every failure is a ServerError that quotes nothing of the reply."""

    def __init__(self, endpoint: str, model: str, api_key_env: str | None) -> None:
        """Raises EngineError without the SDK or the key."""
        try:
            import openai
        except ModuleNotFoundError:
            raise EngineError(
                "an endpoint needs the openai package: pip install 'ethogram[endpoint]'"
            ) from None
        self.errors: tuple[type[Exception], ...] = (openai.OpenAIError,)
        self.model = model
        address = urlsplit(endpoint)
        # A password or a key in the address is not for messages.
        self.where = f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}"
        key = os.environ.get(api_key_env or "", "")
        if api_key_env and not key:
            raise EngineError(f"the environment variable {api_key_env} is not set")
        self.client = openai.OpenAI(
            base_url=endpoint, api_key=key or "none", max_retries=RETRIES, timeout=SECONDS
        )

    def complete(self, prompt: str, tokens: int, **more: Any) -> Any:
        """The first choice of a text completion, greedy unless `more` says otherwise."""
        asked = {"prompt": prompt, "max_tokens": tokens, "temperature": 0.0, **more}
        choice = self._choice(lambda: self.client.completions.create(model=self.model, **asked))
        if not isinstance(getattr(choice, "text", None), str):
            raise ServerError(f"{self.model}: the server's reply holds no choice with text")
        return choice

    def chat(self, messages: Sequence[tuple[str, str]], tokens: int) -> str:
        """The greedy reply to a conversation."""
        turns: Any = [{"role": role, "content": content} for role, content in messages]
        choice = self._choice(
            lambda: self.client.chat.completions.create(
                model=self.model, messages=turns, max_tokens=tokens, temperature=0.0
            )
        )
        text = getattr(getattr(choice, "message", None), "content", None)
        if not isinstance(text, str):
            raise ServerError(f"{self.model}: the server's reply holds no choice with content")
        return text

    def find_model(self) -> None:
        """Refuse at the start a server that does not serve the model. Raises EngineError."""
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

    def _choice(self, send: Callable[[], Any]) -> Any:
        try:
            reply = send()
        except self.errors as error:
            # The SDK's own words may quote headers; the class and status say enough.
            status = getattr(error, "status_code", None)
            told = f" (HTTP {status})" if status else ""
            said = f"{self.model}: {type(error).__name__}{told}"
            raise ServerError(said, status or NO_ANSWER) from None
        except ValueError as error:
            raise ServerError(f"{self.model}: the server's reply is not JSON: {error}") from None
        choices = getattr(reply, "choices", None)
        choice = choices[0] if isinstance(choices, list) and choices else None
        if choice is None:
            raise ServerError(f"{self.model}: the server's reply holds no choice")
        return choice


def each(
    queries: Sequence[Query], ask: Callable[[Query], Value], budget: float
) -> Iterator[dict[Query, Value | Unanswered]]:
    """Answers in batches; a query that got no usable one comes as Unanswered, with the reason.

    Raises EngineError as soon as more than `budget` of all queries got none: a server that is down
    is not asked a thousand times. What it answered until then has been yielded.
    """

    def tried(query: Query) -> Value | Unanswered:
        try:
            return ask(query)
        except ServerError as error:
            return Unanswered(str(error))

    failed = 0
    with ThreadPoolExecutor(WORKERS) as pool:
        for start in range(0, len(queries), BATCH):
            batch = queries[start : start + BATCH]
            found = dict(zip(batch, pool.map(tried, batch), strict=True))
            yield found
            reasons = [str(value) for value in found.values() if isinstance(value, Unanswered)]
            failed += len(reasons)
            if failed > budget * len(queries):
                raise EngineError(
                    f"{reasons[0]}\n  {failed} of {len(queries)} queries got no usable answer, more "
                    f"than the error budget of {budget:.0%}"
                )
