"""Whole numbers on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def at_least(least: int, what: str) -> Callable[[str], int]:
    """A parser of whole numbers from `least` on; `what` the number is, for the message."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(
                f"{text!r} is no {what}, which must be {least} or more"
            )
        return int(text)

    return number
