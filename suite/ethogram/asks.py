"""Asking a model for words: what is asked, what was said, and what answers. Pure.

A teacher is asked so, and whatever else speaks and is not scored. An answer that never came is
a `Said` with an error, so that one lost request stops nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ethogram.plan import Messages
from ethogram.specs.teaching import Sampling


class TeachError(Exception):
    """A teacher cannot be asked or does not answer; says nothing about any persona."""


CHARACTERS = 4
"""Characters of English text to a token, for estimates; models count in their own way."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One conversation that waits for an answer; `seed` decides the draw."""

    messages: Messages
    seed: int

    @property
    def tokens(self) -> int:
        """An estimate of its length."""
        return sum(len(content) // CHARACTERS + 4 for _, content in self.messages)


@dataclass(frozen=True, slots=True)
class Said:
    """An answer; `finished` is False where it ran into the token limit."""

    text: str
    finished: bool = True
    error: str = ""


@dataclass
class Spent:
    """Tokens that a server has used so far. What it does not report is estimated, and counted."""

    prompt: int = 0
    completion: int = 0
    requests: int = 0
    estimated: int = 0
    """Requests whose tokens the server did not report."""
    reserved: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def tokens(self) -> int:
        return self.prompt + self.completion


class Answerer(Protocol):
    """Answers asks, each on its own: which of them come together changes no answer."""

    @property
    def width(self) -> int:
        """Asks that are best put together."""
        ...

    @property
    def workers(self) -> int:
        """Calls of `answer` that may run at once."""
        ...

    @property
    def spent(self) -> Spent | None:
        """What it has cost; None where nothing is counted."""
        ...

    def answer(self, asks: Sequence[Ask], sampling: Sampling) -> list[Said]:
        """The answers in the order of the asks."""
        ...
