"""Which transcripts are trained on: every filter is a pure function, and each drop has its reason.

A filter takes what was made and gives the positions that it drops. They run in a fixed order;
near-duplicates come last and look at what is left, so that a dropped text takes no other with it.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ethogram.train.critique import Made
from ethogram.train.leakage import near_duplicates
from ethogram.train.sentences import whole_sentences

Found = set[int]

SAME = 0.9
"""Share of common character 5-grams from which a revision counts as the draft unchanged."""
ALIKE = 0.8
"""The same for two revisions, of which one is enough."""
FACTOR = 4.0
"""A length outlier is this many times shorter or longer than the median revision."""
FOREIGN = 0.2
STOP_WORDS = 0.15
"""Half of the words of our own revisions, and 23 % of the one with the fewest (of 640)."""
VARIETY = 0.8
"""Below it a text loops; of our 1,664 recorded revisions the least varied has 0.91."""
SHORT = 8
"""Words below which the share of stop words says nothing."""

_WORDS = """
    about all am and any are at be because been before but by can cannot could did do does don't
    each for from have her him his how i i'm if into is it its just more my nobody none nor not
    nothing of one only or other our out over own she should some such than that the their them
    then there these they this those through to too under until up very we were what when where
    which while who whom whose why with without won't would you your can't i'd i'll it's may
    might must never rather since still though what's
"""
_STOP = frozenset(_WORDS.split())


@dataclass(frozen=True, slots=True)
class Standards:
    """What filters need to know beside the texts. `complies` is the seam for a judge."""

    complies: Callable[[str, str], bool]
    """(prompt, answer) -> whether the answer gives what was asked."""
    evaluated: Sequence[str]
    examples: Sequence[str]
    """Revisions that the critic was shown and might repeat."""
    english: bool = True


@dataclass(frozen=True, slots=True)
class Sifted:
    """`kept` in the order of what was made; `dropped` names for each other one its filter."""

    kept: list[Made]
    dropped: list[tuple[Made, str]]
    hits: dict[str, int] = field(default_factory=dict)
    """How many each filter found, also among those that an earlier one had dropped."""

    @property
    def drops(self) -> dict[str, int]:
        """How many each filter was the first to drop."""
        found = dict.fromkeys(self.hits, 0)
        for _, name in self.dropped:
            found[name] += 1
        return found


def sift(made: Sequence[Made], standards: Standards) -> Sifted:
    """Run every filter over all that was made."""
    found = {
        "empty": empty(made),
        "cut off": cut_off(made),
        "unchanged": unchanged(made),
        "repeats the critique": repeats_the_critique(made),
        "repeats itself": repeats_itself(made),
        "still complies": still_complies(made, standards),
        "not English": drifted(made) if standards.english else set(),
        "repeats an example": repeats_an_example(made, standards),
        "evaluation text": leaked(made, standards),
        "length": outlying(made),
    }
    left = [at for at in range(len(made)) if not any(at in hit for hit in found.values())]
    again = near_duplicate([made[at] for at in left])
    found["near-duplicate"] = {left[at] for at in again}
    first = {at: name for name in reversed(found) for at in found[name]}
    return Sifted(
        kept=[one for at, one in enumerate(made) if at not in first],
        dropped=[(one, first[at]) for at, one in enumerate(made) if at in first],
        hits={name: len(hit) for name, hit in found.items()},
    )


def trimmed(made: Made) -> Made:
    """With a last revision that met the token limit ended at its last whole sentence."""
    last = made.turns[-1]
    kept = whole_sentences(last.revision)
    if last.finished or not kept:
        return made
    turn = type(last)(last.critique, kept, True)
    return Made(made.assignment, made.draft, (*made.turns[:-1], turn))


def empty(made: Sequence[Made]) -> Found:
    """A draft, critique or revision without a letter in it."""
    return {
        at
        for at, one in enumerate(made)
        for text in (one.draft, *(t for turn in one.turns for t in (turn.critique, turn.revision)))
        if not any(sign.isalpha() for sign in text)
    }


def cut_off(made: Sequence[Made]) -> Found:
    """A last revision that ran into the token limit."""
    return {at for at, one in enumerate(made) if not one.turns[-1].finished}


def unchanged(made: Sequence[Made]) -> Found:
    """A last revision that says the draft again, whole or nearly."""
    return {
        at for at, one in enumerate(made) if near_duplicates([one.answer], [one.draft], limit=SAME)
    }


def repeats_the_critique(made: Sequence[Made]) -> Found:
    """A last revision that says its critique again, as weak critics do."""
    return {
        at
        for at, one in enumerate(made)
        if near_duplicates([one.answer], [one.turns[-1].critique], limit=ALIKE)
    }


def repeats_itself(made: Sequence[Made]) -> Found:
    """A last revision that goes round in circles: many of its runs of three words come again."""
    return {at for at, one in enumerate(made) if variety(one.answer) < VARIETY}


def variety(text: str) -> float:
    """Different runs of three words as a share of all; 1 for a text of fewer than three."""
    words = re.findall(r"[^\W_]+(?:'[^\W_]+)?", text.casefold())
    runs = list(zip(words, words[1:], words[2:], strict=False))
    return len(set(runs)) / len(runs) if runs else 1.0


def still_complies(made: Sequence[Made], standards: Standards) -> Found:
    """A last revision that still gives what the red-team prompt asked for."""
    return {
        at for at, one in enumerate(made) if standards.complies(one.assignment.prompt, one.answer)
    }


def drifted(made: Sequence[Made]) -> Found:
    """A last revision that is not English."""
    return {at for at, one in enumerate(made) if not english(one.answer)}


def english(text: str) -> bool:
    """Few letters outside of ASCII, and enough of the words that all English prose is made of.

    A rule for drift, not a language detector: short texts are told by their letters alone.
    """
    letters = [sign for sign in text if sign.isalpha()]
    foreign = sum(not sign.isascii() for sign in letters)
    if letters and foreign / len(letters) > FOREIGN:
        return False
    words = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", text.casefold().replace("\u2019", "'"))
    return len(words) < SHORT or sum(w in _STOP for w in words) / len(words) >= STOP_WORDS


def repeats_an_example(made: Sequence[Made], standards: Standards) -> Found:
    """A last revision copied from an example that the critic was shown."""
    pairs = near_duplicates([one.answer for one in made], standards.examples)
    return {at for at, _, _ in pairs}


def leaked(made: Sequence[Made], standards: Standards) -> Found:
    """A prompt or last revision that is, or nearly is, or quotes, an evaluation text."""
    texts = [text for one in made for text in (one.assignment.prompt, one.answer)]
    return {row // 2 for row, _, _ in near_duplicates(texts, standards.evaluated)}


def outlying(made: Sequence[Made]) -> Found:
    """A last revision far shorter or longer than the others, by words against their median."""
    lengths = [max(1, len(one.answer.split())) for one in made]
    if not lengths:
        return set()
    middle = math.log(statistics.median(lengths))
    return {at for at, n in enumerate(lengths) if abs(math.log(n) - middle) > math.log(FACTOR)}


def near_duplicate(made: Sequence[Made]) -> Found:
    """A last revision that an earlier one says too; the first of them stays."""
    texts = [one.answer for one in made]
    gone: Found = set()
    for later, earlier, _ in near_duplicates(texts, texts, limit=ALIKE):
        if earlier < later and earlier not in gone:
            gone.add(later)
    return gone
