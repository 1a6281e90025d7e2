"""Texts that stand twice: among the cases, among the training prompts, and between the two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ethogram.content.finding import Finding
from ethogram.content.texts import Shown, evaluated, trained, trained_prompts
from ethogram.specs.suite import Suite
from ethogram.train.leakage import near_duplicates


def repeat_findings(suite: Suite) -> Iterator[Finding]:
    """Cases that ask the same thing twice, and prompts that are trained on twice."""
    yield from _repeats([shown for shown in evaluated(suite) if not shown.imported])
    yield from _repeats(list(trained_prompts(suite)))


def _repeats(shown: Sequence[Shown]) -> Iterator[Finding]:
    texts = [one.text for one in shown]
    told: set[tuple[str, str]] = set()
    for row, column, share in near_duplicates(texts, texts):
        first, second = sorted((row, column))
        left, right = shown[first], shown[second]
        if left.unit == right.unit or (left.unit, right.unit) in told:
            continue
        told.add((left.unit, right.unit))
        message = f"{right.text[:60]!r} is {share:.0%} like {left.place}: {left.text[:60]!r}"
        yield Finding(right.place, "repeat", message, (*right.owners, *left.owners))


def leakage_findings(suite: Suite) -> Iterator[Finding]:
    """Training texts that repeat or quote an evaluation text. Nothing excuses these."""
    left, right = list(trained(suite)), list(evaluated(suite))
    for row, column, share in near_duplicates([s.text for s in left], [s.text for s in right]):
        what = f"trained on, and {share:.0%} like the evaluation text at {right[column].place}"
        yield Finding(left[row].place, "leakage", f"{left[row].text[:60]!r} is {what}")
