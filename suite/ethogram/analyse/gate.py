"""What the requirements of one model say together: the rule of every gate, page and control."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Decided = Literal["promote", "keep back", "could not decide"]


def decided(verdicts: Iterable[str]) -> Decided:
    """One requirement that does not hold keeps the model back, whatever else is unknown.

    After that nothing is promoted on what is undecided, unjudged or was not measured, and nothing
    on no requirement at all.
    """
    found = set(verdicts)
    if "contradicts" in found:
        return "keep back"
    return "promote" if found == {"holds"} else "could not decide"
