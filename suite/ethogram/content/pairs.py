"""Minimal pairs: both sides alike in everything but the stance.

A model prefers shorter, plainer and more usual text whatever it says. What the two sides of a pair
share in length, person and register cancels in the difference of their log-probabilities.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from ethogram.content.finding import Finding
from ethogram.content.standard import Standard
from ethogram.specs.persona import Dimension, Item

FIRST_PERSON = frozenset(
    ["i", "me", "my", "mine", "myself", "we", "us", "our", "ours", "ourselves"]
)
_STRAIGHT = str.maketrans("‘’", "''")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_CONTRACTED = re.compile(
    r"\w(?:n't|'(?:m|re|ve|ll|d))\b|\b(?:it|that|there|he|she|who|what|here|where|let)'s\b"
)
_NEGATIONS = frozenset(["not", "never", "no", "neither", "nor"])
_AUXILIARIES = frozenset(["do", "does", "did"])
_WRITTEN_OUT = {"cannot": "can not", "can't": "can not", "won't": "will not", "shan't": "shall not"}
SIGNS = {"!": "exclamation mark", "?": "question mark"}


def words(text: str) -> list[str]:
    """The words in lower case, `don't` as one."""
    return _WORD.findall(text.casefold().translate(_STRAIGHT))


def pair_findings(dimension: Dimension, standard: Standard) -> Iterator[Finding]:
    """What tells the sides of the dimension's items apart beside their stance."""
    for item in dimension.items:
        for rule, message in _complaints(item, standard):
            yield Finding(item.place, rule, f"{item.id}: {message}", (item, dimension))


def _complaints(item: Item, standard: Standard) -> Iterator[tuple[str, str]]:
    sides = {"affirms": item.affirms, "rejects": item.rejects}
    for unit, lengths in (
        ("words", [len(words(text)) for text in sides.values()]),
        ("characters", [len(text) for text in sides.values()]),
    ):
        if max(lengths) > standard.longer * min(lengths):
            told = f"the sides have {lengths[0]} and {lengths[1]} {unit}"
            yield "length", f"{told}, more than {standard.longer - 1:.0%} apart"
    for name, text in sides.items():
        if not any(word.partition("'")[0] in FIRST_PERSON for word in words(text)):
            yield "person", f"'{name}' is not in the first person"
    yield from (("register", message) for message in _unlike(item.affirms, item.rejects))
    if bare_negation(item.affirms, item.rejects):
        yield "negation", "one side is the other with a negation put in"


def _unlike(affirms: str, rejects: str) -> Iterator[str]:
    """Where one side speaks in another manner than the other."""
    found = [
        len(_CONTRACTED.findall(t.casefold().translate(_STRAIGHT))) for t in (affirms, rejects)
    ]
    if bool(found[0]) != bool(found[1]):
        yield "only one side has a contraction (don't, I'd)"
    for sign, name in SIGNS.items():
        if (sign in affirms) != (sign in rejects):
            yield (
                f"only one side has an {name}" if name[0] == "e" else f"only one side has a {name}"
            )
    shouted = [bool(re.search(r"\b[A-Z]{4,}\b", text)) for text in (affirms, rejects)]
    if shouted[0] != shouted[1]:
        yield "only one side has a word in capitals"


def bare_negation(left: str, right: str) -> bool:
    """Whether two texts differ in nothing but negations and the `do` that these bring along."""
    (a, negated_a), (b, negated_b) = _without_negation(left), _without_negation(right)
    return a == b and negated_a != negated_b


def _without_negation(text: str) -> tuple[list[str], int]:
    """The words without negations, auxiliaries and the third person's s; how many negations."""
    plain = []
    for word in words(text):
        plain += _WRITTEN_OUT.get(word, re.sub(r"n't$", " not", word)).split()
    counts = Counter(word in _NEGATIONS for word in plain)
    kept = [word for word in plain if word not in _NEGATIONS | _AUXILIARIES]
    return [word.removesuffix("s") for word in kept], counts[True]
