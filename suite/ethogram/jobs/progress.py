"""Bars for a person who waits, one line a phase for everybody."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm

from ethogram.inert import inert


def _to_stderr(line: str) -> None:
    tqdm.write(line, file=sys.stderr)
    sys.stderr.flush()


@dataclass
class Progress:
    """`bars=False` in workers and logs; without a terminal tqdm stays silent by itself."""

    bars: bool = True
    write: Callable[[str], None] = _to_stderr
    lines: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        line = inert(line)
        self.lines.append(line)
        self.write(f"ethogram: {line}")

    @contextmanager
    def bar(self, what: str, total: int, unit: str) -> Iterator[tqdm[Any]]:
        """A bar on stderr: what is being done, how much remains."""
        bar: tqdm[Any]
        with tqdm(
            total=total,
            desc=what,
            unit=unit,
            file=sys.stderr,
            leave=False,
            disable=None if self.bars else True,
            dynamic_ncols=True,
        ) as bar:
            yield bar

    @contextmanager
    def phase(self, what: str) -> Iterator[list[str]]:
        """Say `what` with its time when it ends well; appended parts follow in brackets."""
        details: list[str] = []
        begun = time.monotonic()
        yield details
        note = f" ({', '.join(details)})" if details else ""
        self.say(f"{what} in {time.monotonic() - begun:.0f} s{note}")
