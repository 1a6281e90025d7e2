"""Answers that a token limit cut off, ended where their last whole sentence ends."""

from __future__ import annotations

import re

_END = re.compile(r"(?<![\s\d])[.!?…]+[\"'”’)\]*_]*(?=\s|$)|(?<=\d)[.!?…]+[\"'”’)\]*_]*$")
"""Full stops behind a digit count at the end of the text only: `1.` opens a point of a list."""
_ABBREVIATED = re.compile(r"\b(?:e\.g|i\.e|etc|vs|Mr|Mrs|Ms|Dr|St|No|approx|[A-Z])\.$")


def whole_sentences(text: str) -> str:
    """The text up to the end of its last whole sentence; '' where no sentence ends."""
    plain = text.strip()
    for found in reversed(list(_END.finditer(plain))):
        cut = plain[: found.end()]
        if not _ABBREVIATED.search(cut):
            return cut
    return ""
