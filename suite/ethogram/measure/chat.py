"""Answers of a model behind an OpenAI-compatible chat endpoint, within a budget of tokens.

Retries are the SDK's own: it waits as Retry-After says, up to a minute or two, else longer
each time. What
still fails is a `Said` with an error; what the server said about it is not repeated, since an error
may quote headers.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from ethogram.asks import CHARACTERS, Ask, Said, Spent, TeachError
from ethogram.specs.teaching import Sampling, Teacher


class ChatEndpoint:
    """Answers asks over HTTP, several at once."""

    width = 1

    def __init__(self, teacher: Teacher) -> None:
        try:
            import openai
        except ModuleNotFoundError:
            raise TeachError(
                "an endpoint needs the openai package: pip install 'ethogram[endpoint]'"
            ) from None
        self.errors: tuple[type[Exception], ...] = (openai.OpenAIError,)
        self.teacher = teacher
        self.workers = teacher.concurrency
        self.spent = Spent()
        address = urlsplit(str(teacher.endpoint))
        # A password or a key in the address is not for messages.
        self.where = f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}"
        key = os.environ.get(teacher.api_key_env or "", "")
        if teacher.api_key_env and not key:
            raise TeachError(f"the environment variable {teacher.api_key_env} is not set")
        self.client = openai.OpenAI(
            base_url=teacher.endpoint,
            api_key=key or "none",
            max_retries=teacher.retries,
            timeout=teacher.timeout,
        )

    def answer(self, asks: Sequence[Ask], sampling: Sampling) -> list[Said]:
        """The answers in the order of the asks; a lost one is a `Said` with an error."""
        if len(asks) == 1:
            return [self._one(asks[0], sampling)]
        with ThreadPoolExecutor(self.workers) as pool:
            return list(pool.map(lambda ask: self._one(ask, sampling), asks))

    def _one(self, ask: Ask, sampling: Sampling) -> Said:
        likely = ask.tokens + sampling.max_tokens
        with self.spent.lock:
            budget = self.teacher.budget
            if budget and self.spent.tokens + self.spent.reserved + likely > budget:
                return Said("", error=f"the budget of {budget:,} tokens is used up")
            self.spent.reserved += likely
        try:
            said, usage = self._request(ask, sampling)
        finally:
            with self.spent.lock:
                self.spent.reserved -= likely
        self._count(ask, said, usage)
        return said

    def _request(self, ask: Ask, sampling: Sampling) -> tuple[Said, Any]:
        turns: Any = [{"role": role, "content": content} for role, content in ask.messages]
        try:
            reply: Any = self.client.chat.completions.create(
                model=str(self.teacher.model),
                messages=turns,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                max_tokens=sampling.max_tokens,
                seed=ask.seed,
            )
        except self.errors as error:
            status = getattr(error, "status_code", None)
            named = f"{type(error).__name__}{f' (HTTP {status})' if status else ''}"
            return Said("", error=named), None
        except ValueError:
            return Said("", error="the reply is not JSON"), None
        choices = getattr(reply, "choices", None)
        choice = choices[0] if isinstance(choices, list) and choices else None
        text = getattr(getattr(choice, "message", None), "content", None)
        usage = getattr(reply, "usage", None)
        if choice is None:
            return Said("", error="the reply holds no choice"), usage
        if not isinstance(text, str):
            return Said("", error="the reply's choice holds no text"), usage
        finished = getattr(choice, "finish_reason", None) != "length"
        return Said(text.strip(), finished), usage

    def _count(self, ask: Ask, said: Said, usage: Any) -> None:
        asked, given = (
            getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens")
        )
        with self.spent.lock:
            self.spent.requests += 1
            if isinstance(asked, int) and isinstance(given, int):
                self.spent.prompt += asked
                self.spent.completion += given
            elif not said.error:
                self.spent.estimated += 1
                self.spent.prompt += ask.tokens
                self.spent.completion += len(said.text) // CHARACTERS + 1
