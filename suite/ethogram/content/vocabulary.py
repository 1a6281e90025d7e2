"""Log-odds of words, as in multinomial naive Bayes: what words alone say about a text.

Whoever scores with them understands no stance. `leaning` says which side of a minimal pair stands
nearer to one body of text than to another; `own_leaning` takes what a constitution's transcripts
say for the one and what all other recorded answers say for the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ethogram.content.pairs import words
from ethogram.content.texts import recorded_constitutions, recorded_refusals
from ethogram.specs.persona import Dimension
from ethogram.specs.suite import Suite

Counts: TypeAlias = npt.NDArray[np.float64]
"""(texts, words of the vocabulary), or of all texts together: (words of the vocabulary)."""


def leaning(dimension: Dimension, one: Sequence[str], other: Sequence[str]) -> Counts:
    """By item: the affirming side's score minus the rejecting side's; shape (items,).

    A side's score is the mean over its words of log P(word | one) - log P(word | other): a mean,
    as the log-probabilities of statements are means over tokens.
    """
    vocabulary = vocabulary_of([*one, *other])
    odds = log_odds(totals(one, vocabulary), totals(other, vocabulary))
    affirms, rejects = (
        counts(texts, vocabulary) @ odds / np.array([max(1, len(words(t))) for t in texts])
        for texts in sides([dimension])
    )
    found: Counts = affirms - rejects
    return found


def own_leaning(suite: Suite, constitution: str, dimension: Dimension) -> Counts | None:
    """By item: how much more of the constitution's own vocabulary the affirming side has.

    Own is what its transcripts say more often than all other recorded answers do, those of the
    other constitutions and of the plain-refusal placebo. None where either is not recorded.
    """
    recorded = recorded_constitutions(suite)
    others = [line.answer for line in recorded_refusals(suite)]
    for name in recorded:
        if name != constitution:
            others += [line.answer for line in suite.transcripts(name)]
    if constitution not in recorded or not others:
        return None
    return leaning(dimension, [t.answer for t in suite.transcripts(constitution)], others)


def sides(dimensions: Sequence[Dimension]) -> tuple[list[str], list[str]]:
    """All affirming and all rejecting statements."""
    items = [item for dimension in dimensions for item in dimension.items]
    return [item.affirms for item in items], [item.rejects for item in items]


def vocabulary_of(texts: Sequence[str]) -> dict[str, int]:
    """Every word of the texts with its column, in alphabetical order."""
    return {word: n for n, word in enumerate(sorted({w for text in texts for w in words(text)}))}


def counts(texts: Sequence[str], vocabulary: dict[str, int]) -> Counts:
    """How often each word stands in each text: (texts, words of the vocabulary)."""
    found = np.zeros((len(texts), len(vocabulary)))
    for row, text in enumerate(texts):
        for word in words(text):
            if word in vocabulary:
                found[row, vocabulary[word]] += 1
    return found


def totals(texts: Sequence[str], vocabulary: dict[str, int]) -> Counts:
    """How often each word stands in all texts together: (words of the vocabulary)."""
    found: Counts = counts([" ".join(texts)], vocabulary)[0]
    return found


def log_odds(left: Counts, right: Counts) -> Counts:
    """log P(word | left) - log P(word | right), of total counts each raised by one (Laplace)."""
    a, b = left + 1, right + 1
    odds: Counts = np.log(a / a.sum()) - np.log(b / b.sum())
    return odds
