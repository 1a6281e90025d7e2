"""What asking a server will cost at most, and what it has cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ethogram.asks import CHARACTERS, Answerer, Ask
from ethogram.specs.teaching import Price, Teacher
from ethogram.train.critique import Assignment, Lesson
from ethogram.train.prompts import critique_of, draft_of, revision_of


def forecast(
    lesson: Lesson, wanted: Sequence[Assignment], teachers: Mapping[str, Teacher]
) -> list[str]:
    """A line for each server that will be asked: requests, tokens and price at most."""
    asked: dict[str, list[Ask]] = {}
    spec = lesson.teaching
    longest = "x" * (spec.max_tokens * CHARACTERS)
    for one in wanted:
        asked.setdefault(spec.draft, []).append(Ask(draft_of(one.prompt), 0))
        for principle in one.principles:
            critique = critique_of(one.prompt, longest, principle, lesson.shown)
            revision = revision_of(one.prompt, longest, longest, principle, lesson.shown)
            asked.setdefault(spec.revise, []).extend((Ask(critique, 0), Ask(revision, 0)))
    lines = []
    for name, asks in asked.items():
        teacher = teachers[name]
        if teacher.endpoint is None:
            continue
        given, taken = sum(ask.tokens for ask in asks), len(asks) * spec.max_tokens
        line = f"{name} will be asked {len(asks):,} times, for {given + taken:,} tokens at most"
        line += _cost(given, taken, teacher.price)
        if teacher.budget and given + taken > teacher.budget:
            line += f"; it stops at its budget of {teacher.budget:,}"
        lines.append(line)
    return lines


def account(answerers: Mapping[str, Answerer], teachers: Mapping[str, Teacher]) -> list[str]:
    """A line for each server that was asked: what it has used in this run."""
    lines = []
    for name, answerer in answerers.items():
        spent = answerer.spent
        if spent is None:
            continue
        line = f"{name} answered {spent.requests:,} requests with {spent.tokens:,} tokens"
        line += _cost(spent.prompt, spent.completion, teachers[name].price)
        if spent.estimated:
            line += f"; {spent.estimated:,} of them estimated: the server did not count"
        lines.append(line)
    return lines


def _cost(given: int, taken: int, price: Price | None) -> str:
    if price is None:
        return ""
    return (
        f", about {(given * price.input + taken * price.output) / 1e6:.2f} in the price's currency"
    )
