"""Bars for a person who waits, one line a phase for everybody, and a line a minute in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm

from ethogram.inert import inert

EVERY = 60.0
"""Seconds between two lines where no bar can be shown: a long silence looks like a hang."""


class Bar(tqdm):  # type: ignore[type-arg]  # subscripted for type checkers alone
    """A bar on a terminal; elsewhere a line now and then of how far it is, if `tell` is given."""

    def __init__(self, *, tell: Callable[[str], None] | None, **options: Any) -> None:
        self.tell, self.what = tell, options["desc"]
        self.begun = self.told = time.monotonic()
        super().__init__(**options)

    def update(self, n: float | None = 1) -> bool | None:
        """Count `n` more; a bar that is not shown counts too."""
        if not self.disable:
            return super().update(n)
        self.n += n or 0
        now, total = time.monotonic(), self.total or 0
        if self.tell is not None and 0 < self.n < total and now - self.told >= EVERY:
            self.told = now
            left = (now - self.begun) / self.n * (total - self.n) / 60
            self.tell(f"{self.what}: {self.n:,} of {total:,}, about {max(left, 1):.0f} min left")
        return None


def _to_stderr(line: str) -> None:
    tqdm.write(line, file=sys.stderr)
    sys.stderr.flush()


@dataclass
class Progress:
    """`bars=False` in workers, whose bars and lines nobody sees; in logs lines stand for bars."""

    bars: bool = True
    write: Callable[[str], None] = _to_stderr
    lines: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        line = inert(line)
        self.lines.append(line)
        self.write(f"ethogram: {line}")

    @contextmanager
    def bar(self, what: str, total: int, unit: str) -> Iterator[Bar]:
        """A bar on stderr: what is being done, how much remains."""
        with Bar(
            tell=(lambda line: self.write(f"ethogram: {inert(line)}")) if self.bars else None,
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
