"""Whether words alone tell the sides of a dimension apart, without any stance being understood.

Three questions: do words learned on all other dimensions sort this one's sides (a habit of the
author); do words learned on its other items (shown for information: a dimension has its subject);
and do the words in which the constitutions answer (a finetuned model may have learned those and
nothing else). A score is a sum or mean of log-odds of words, as in multinomial naive Bayes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ethogram.content.finding import Finding, own_dimensions
from ethogram.content.pairs import words
from ethogram.content.standard import Standard
from ethogram.content.texts import recorded_constitutions
from ethogram.specs.constitution import Direction
from ethogram.specs.persona import Dimension
from ethogram.specs.suite import Suite

Counts: TypeAlias = npt.NDArray[np.float64]
"""(texts, words of the vocabulary), or of all texts together: (words of the vocabulary)."""


@dataclass(frozen=True, slots=True)
class Cues:
    """What words alone say about one dimension; each share is 0.5 where they say nothing."""

    dimension: Dimension
    across: float | None
    """Share of sides that words of the other dimensions sort rightly; None without others."""
    within: float
    """The same, learned on the dimension's own other items."""
    vocabulary: float | None
    """Share of affirming sides that lie nearer to the words of the constitutions that expect
    `more` than the rejecting side does; None where none expects it, or none expects `less`."""


def cues(suite: Suite) -> list[Cues]:
    """The cues of every dimension that was written for the suite."""
    own = own_dimensions(suite)
    answers = {
        name: [line.answer for line in suite.transcripts(name)]
        for name in recorded_constitutions(suite)
    }
    found = []
    for dimension in own:
        across = _across(dimension, [other for other in own if other is not dimension])
        taught: dict[Direction, list[str]] = {"more": [], "less": [], "same": []}
        for name, said in answers.items():
            if expectation := suite.expectation(name, dimension):
                taught[expectation.expect] += said
        vocabulary = _vocabulary(dimension, taught["more"], taught["less"])
        found.append(Cues(dimension, across, _within(dimension), vocabulary))
    return found


def cue_findings(suite: Suite, standard: Standard) -> Iterator[Finding]:
    """Dimensions whose sides words alone tell apart."""
    for found in cues(suite):
        dimension = found.dimension
        if found.across is not None and found.across > 0.5 + standard.cue:
            message = f"words learned on the other dimensions sort {found.across:.0%} of its sides"
            yield Finding(dimension.place, "cues", message, (dimension,))
        share = found.vocabulary
        # A share of counts lies on the bound as often as not: 0.7 - 0.5 is not 0.2 in floats.
        if share is not None and abs(share - 0.5) > standard.balance + 1e-9:
            message = (
                f"{share:.0%} of its affirming sides lie nearer to the words of the constitutions "
                f"that expect 'more' (allowed: {0.5 - standard.balance:.0%} to "
                f"{0.5 + standard.balance:.0%})"
            )
            yield Finding(dimension.place, "vocabulary", message, (dimension,))


def _across(dimension: Dimension, others: Sequence[Dimension]) -> float | None:
    if not others:
        return None
    taught = _sides(others)
    vocabulary = _vocabulary_of([*taught[0], *taught[1]])
    odds = _log_odds(*(_totals(texts, vocabulary) for texts in taught))
    affirms, rejects = (_counts(texts, vocabulary) @ odds for texts in _sides([dimension]))
    return _sorted_rightly(affirms, rejects)


def _within(dimension: Dimension) -> float:
    """Each item's sides, sorted by the words of all other items (leave one out)."""
    texts = _sides([dimension])
    vocabulary = _vocabulary_of([*texts[0], *texts[1]])
    affirms, rejects = (_counts(side, vocabulary) for side in texts)
    totals = affirms.sum(axis=0), rejects.sum(axis=0)
    scores = np.empty((len(affirms), 2))
    for index in range(len(affirms)):
        odds = _log_odds(totals[0] - affirms[index], totals[1] - rejects[index])
        scores[index] = affirms[index] @ odds, rejects[index] @ odds
    return _sorted_rightly(scores[:, 0], scores[:, 1])


def _vocabulary(dimension: Dimension, more: Sequence[str], less: Sequence[str]) -> float | None:
    """See `Cues.vocabulary`. The mean over words, as log-probabilities are means over tokens."""
    if not more or not less:
        return None
    vocabulary = _vocabulary_of([*more, *less])
    odds = _log_odds(_totals(more, vocabulary), _totals(less, vocabulary))
    affirms, rejects = (
        _counts(texts, vocabulary) @ odds / np.array([max(1, len(words(t))) for t in texts])
        for texts in _sides([dimension])
    )
    return float(np.mean((affirms > rejects) + (affirms == rejects) / 2))


def _sides(dimensions: Sequence[Dimension]) -> tuple[list[str], list[str]]:
    """All affirming and all rejecting statements."""
    items = [item for dimension in dimensions for item in dimension.items]
    return [item.affirms for item in items], [item.rejects for item in items]


def _sorted_rightly(affirms: Any, rejects: Any) -> float:
    """Share of sides on their side of zero; a score of zero is half right."""
    right = np.concatenate([np.sign(affirms), -np.sign(rejects)])
    return float(np.mean((right + 1) / 2))


def _vocabulary_of(texts: Sequence[str]) -> dict[str, int]:
    return {word: n for n, word in enumerate(sorted({w for text in texts for w in words(text)}))}


def _counts(texts: Sequence[str], vocabulary: dict[str, int]) -> Counts:
    found = np.zeros((len(texts), len(vocabulary)))
    for row, text in enumerate(texts):
        for word in words(text):
            if word in vocabulary:
                found[row, vocabulary[word]] += 1
    return found


def _totals(texts: Sequence[str], vocabulary: dict[str, int]) -> Counts:
    """How often each word stands in all texts together: (words of the vocabulary)."""
    found: Counts = _counts([" ".join(texts)], vocabulary)[0]
    return found


def _log_odds(left: Counts, right: Counts) -> Counts:
    """log P(word | left) - log P(word | right), of total counts each raised by one (Laplace)."""
    a, b = left + 1, right + 1
    odds: Counts = np.log(a / a.sum()) - np.log(b / b.sum())
    return odds
