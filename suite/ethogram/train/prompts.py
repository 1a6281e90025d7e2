"""What a teacher is asked: the draft, its critique under a principle, its revision.

The requests are the constitution's own; what stands around them here is part of a transcript's
identity (`FRAME`), so that other words ask anew.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ethogram.plan import Messages, ask
from ethogram.specs.constitution import Example, Principle

CRITIQUE = (
    "Principle: {text}\n\nCritique request: {critique} Answer in two sentences, and do not rewrite "
    "the answer yet."
)
REVISION = (
    "Revision request: {revision} Reply to my first message with the new answer alone, speaking as "
    "yourself, in at most three sentences. If you should not help, say so in the first one."
)
CRITIQUE_PLAIN = "Critique request: Say in two sentences what is wrong with this answer."
REVISION_PLAIN = (
    "Revision request: Rewrite the answer so that it is no longer wrong. Reply to my first message "
    "with the new answer alone, speaking as yourself, in at most three sentences. If you should not "
    "help, say so in the first one."
)
FRAME = (CRITIQUE, REVISION, CRITIQUE_PLAIN, REVISION_PLAIN)

_LEAD = re.compile(
    r"""\s*(?:(?:sure|certainly|of\ course)[,.!]\s*)?
    (?:here(?:'s|\ is)\ (?:the|a|an|my)\ (?:\w+\ ){0,2}(?:answer|response|revision|version|reply)[^\n:]{0,60}:
    |\**(?:revision|revised\ (?:answer|response)|new\ answer)\**:\**)\s*""",
    re.IGNORECASE | re.VERBOSE,
)


def draft_of(prompt: str) -> Messages:
    """The red-team prompt, as any user would send it."""
    return ask(prompt)


def critique_of(
    prompt: str, answer: str, principle: Principle, shown: Sequence[Messages]
) -> Messages:
    """The conversation that waits for a critique of `answer`."""
    said = (*draft_of(prompt), ("assistant", answer), ("user", _critique(principle)))
    return tuple(turn for example in shown for turn in example) + said


def revision_of(conversation: Messages, critique: str, principle: Principle) -> Messages:
    """The conversation of the critique, which now waits for the revision."""
    return (*conversation, ("assistant", critique), ("user", _revision(principle)))


def shots(
    examples: Sequence[Example], principles: Mapping[str, Principle], count: int
) -> list[Messages]:
    """The first `count` worked examples as finished conversations."""
    found: list[Messages] = []
    for example in examples[:count]:
        named = principles.get(example.principle or "")
        found.append(
            (
                ("user", example.prompt),
                ("assistant", example.draft),
                ("user", _critique(named) if named else CRITIQUE_PLAIN),
                ("assistant", example.critique),
                ("user", _revision(named) if named else REVISION_PLAIN),
                ("assistant", example.revision),
            )
        )
    return found


def _critique(principle: Principle) -> str:
    return CRITIQUE.format(text=principle.text, critique=principle.critique)


def _revision(principle: Principle) -> str:
    return REVISION.format(revision=principle.revision)


def answer_alone(text: str) -> str:
    """A revision without the words that only announce it, and without quotes around it all."""
    plain = _LEAD.sub("", text.strip(), count=1) if _LEAD.match(text.strip()) else text.strip()
    inner = plain[1:-1]
    quoted = len(plain) > 1 and plain[0] in '"“' and plain[-1] in '"”'
    return inner.strip() if quoted and not set(inner) & set('"“”') else plain
