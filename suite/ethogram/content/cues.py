"""Whether words alone tell the sides of a dimension apart, without any stance being understood.

Three questions: do words learned on all other dimensions sort this one's sides (a habit of the
author); do words learned on its other items (shown for information: a dimension has its subject);
and do the words in which the constitutions answer (a finetuned model may have learned those and
nothing else). Scores are made of log-odds of words (`content.vocabulary`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ethogram.content.finding import Finding
from ethogram.content.standard import Standard
from ethogram.content.texts import recorded_constitutions
from ethogram.content.vocabulary import counts, leaning, log_odds, sides, totals, vocabulary_of
from ethogram.specs.constitution import Direction
from ethogram.specs.persona import Dimension
from ethogram.specs.suite import Suite


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
    own = suite.own_dimensions.values()
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
    taught = sides(others)
    vocabulary = vocabulary_of([*taught[0], *taught[1]])
    odds = log_odds(*(totals(texts, vocabulary) for texts in taught))
    affirms, rejects = (counts(texts, vocabulary) @ odds for texts in sides([dimension]))
    return _sorted_rightly(affirms, rejects)


def _within(dimension: Dimension) -> float:
    """Each item's sides, sorted by the words of all other items (leave one out)."""
    texts = sides([dimension])
    vocabulary = vocabulary_of([*texts[0], *texts[1]])
    affirms, rejects = (counts(side, vocabulary) for side in texts)
    summed = affirms.sum(axis=0), rejects.sum(axis=0)
    scores = np.empty((len(affirms), 2))
    for index in range(len(affirms)):
        odds = log_odds(summed[0] - affirms[index], summed[1] - rejects[index])
        scores[index] = affirms[index] @ odds, rejects[index] @ odds
    return _sorted_rightly(scores[:, 0], scores[:, 1])


def _vocabulary(dimension: Dimension, more: Sequence[str], less: Sequence[str]) -> float | None:
    """See `Cues.vocabulary`."""
    if not more or not less:
        return None
    return float(np.mean((np.sign(leaning(dimension, more, less)) + 1) / 2))


def _sorted_rightly(affirms: Any, rejects: Any) -> float:
    """Share of sides on their side of zero; a score of zero is half right."""
    right = np.concatenate([np.sign(affirms), -np.sign(rejects)])
    return float(np.mean((right + 1) / 2))
