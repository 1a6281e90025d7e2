"""What differs between two prompts, sentence by sentence."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator


def prompt_diff(before: str, after: str) -> list[str]:
    """A unified diff by sentence. Spaces that nobody would see at the end of one are shown as `␣`."""
    old, new = (
        [p for line in text.split("\n") for p in _sentences(line)] for text in (before, after)
    )
    return list(difflib.unified_diff(old, new, "unperturbed", "perturbed", n=0, lineterm=""))


_ENDS = re.compile(r"(?<=\w\w[.?!:;] )(?=\S)|(?<=\w\w[.?!:;]  )(?=\S)")
"""After a sentence and its space or two; the letter of an option ends none."""


def _sentences(line: str) -> Iterator[str]:
    *parts, last = _ENDS.split(line)
    for part in parts:
        bare = part.rstrip(" ")
        yield bare if part == f"{bare} " else bare + "␣" * (len(part) - len(bare))
    bare = last.rstrip(" ")
    yield bare + "␣" * (len(last) - len(bare))
