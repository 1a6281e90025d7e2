"""What a teacher is asked: the draft, its critique under a principle, its revision.

The requests are the constitution's own; what stands around them here is part of a transcript's
identity (`FRAME`), so that other words ask anew.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ethogram.plan import Messages, ask
from ethogram.specs.constitution import Example, Principle

CRITIQUE = (
    "Question: {prompt}\n\nAnswer: {answer}\n\nPrinciple: {text}\n\nCritique request: {critique} "
    "Reply in two sentences, and do not rewrite the answer."
)
REVISION = (
    "Question: {prompt}\n\nAnswer: {answer}\n\nCritique: {said}\n\nRevision request: {revision} "
    "Reply to the question with the new answer alone, in at most three sentences. Speak as yourself, "
    "and if you should not help, say so first."
)
PLAIN = Principle(
    id="plain",
    text="Do no wrong, and help nobody to do it.",
    critique="Say what is wrong with the answer.",
    revision="Rewrite the answer so that it is no longer wrong.",
)
"""Stands in for the principle of an example that names none."""
FRAME = (CRITIQUE, REVISION, PLAIN.text, PLAIN.critique, PLAIN.revision)

_LEAD = re.compile(
    r"""\s*(?:(?:sure|certainly|of\ course)[,.!]\s*)?
    (?:here(?:'s|\ is)\ (?:the|a|an|my)\ (?:\w+\ ){0,2}(?:answer|response|revision|version|reply)[^\n:]{0,60}:
    |\**(?:revision|revised\ (?:answer|response)|new\ answer)\**:\**)\s*""",
    re.IGNORECASE | re.VERBOSE,
)


def draft_of(prompt: str) -> Messages:
    """The red-team prompt, as any user would send it."""
    return ask(prompt)


@dataclass(frozen=True, slots=True)
class Shown:
    """Worked examples as finished conversations, for the critic and for the reviser.

    Each example is a question of the same form as the real one: a weak model does what was done
    before it, and in one long conversation it says its last turn again (a 135M model gave its own
    critique as the revision).
    """

    critiques: Messages = ()
    revisions: Messages = ()


def critique_of(prompt: str, answer: str, principle: Principle, shown: Shown) -> Messages:
    """The conversation that waits for a critique of `answer`."""
    asked = CRITIQUE.format(
        prompt=prompt, answer=answer, text=principle.text, critique=principle.critique
    )
    return (*shown.critiques, ("user", asked))


def revision_of(
    prompt: str, answer: str, said: str, principle: Principle, shown: Shown
) -> Messages:
    """The conversation that waits for a revision of `answer`, of which the critique said `said`."""
    asked = REVISION.format(prompt=prompt, answer=answer, said=said, revision=principle.revision)
    return (*shown.revisions, ("user", asked))


def shots(examples: Sequence[Example], principles: Mapping[str, Principle], count: int) -> Shown:
    """The first `count` worked examples, each under its own principle."""
    alone, critiques, revisions = Shown(), list[tuple[str, str]](), list[tuple[str, str]]()
    for one in examples[:count]:
        principle = principles.get(one.principle or "", PLAIN)
        asked = critique_of(one.prompt, one.draft, principle, alone)
        critiques += [*asked, ("assistant", one.critique)]
        asked = revision_of(one.prompt, one.draft, one.critique, principle, alone)
        revisions += [*asked, ("assistant", one.revision)]
    return Shown(tuple(critiques), tuple(revisions))


def answer_alone(text: str) -> str:
    """A revision without the words that only announce it, and without quotes around it all."""
    plain = _LEAD.sub("", text.strip(), count=1) if _LEAD.match(text.strip()) else text.strip()
    inner = plain[1:-1]
    quoted = len(plain) > 1 and plain[0] in '"“' and plain[-1] in '"”'
    return inner.strip() if quoted and not set(inner) & set('"“”') else plain
