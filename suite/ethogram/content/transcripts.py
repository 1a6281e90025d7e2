"""Recorded answers: every category answered, each answer its own, no harm written out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ethogram.content.finding import Finding
from ethogram.content.pairs import words
from ethogram.content.standard import Standard
from ethogram.content.texts import recorded_constitutions, recorded_refusals
from ethogram.specs.constitution import Refusal, Transcript
from ethogram.specs.errors import Place, count
from ethogram.specs.suite import Suite
from ethogram.train.leakage import near_duplicates


def transcript_findings(suite: Suite, standard: Standard) -> Iterator[Finding]:
    """What the recorded answers of constitutions, placebo and replay lack."""
    recorded = {name: suite.transcripts(name) for name in recorded_constitutions(suite)}
    answers: dict[str, Sequence[Transcript | Refusal]] = {
        name: recorded.get(name, ()) for name in suite.constitutions
    }
    answers["plain-refusal"] = recorded_refusals(suite)
    for name, lines in answers.items():
        yield from _answered(suite, name, lines, standard)
        yield from _alike(lines)
    for name, transcripts in recorded.items():
        principles = {principle.id for principle in suite.constitutions[name].principles}
        for transcript in transcripts:
            for rule, message in _complaints(transcript, principles, standard):
                yield Finding(transcript.place, rule, message)
    yield from _unshared(answers)
    yield from _replay(suite, standard)


def _answered(
    suite: Suite, name: str, lines: Sequence[Transcript | Refusal], standard: Standard
) -> Iterator[Finding]:
    """Categories of which too few prompts are answered often enough."""
    times = Counter((line.category, line.prompt) for line in lines)
    enough = Counter(category for (category, _), n in times.items() if n >= standard.revisions)
    for category in suite.own_categories:
        if enough[category] < standard.answered:
            message = (
                f"{count(enough[category], 'prompt')} of {category} with {standard.revisions} answers; "
                f"{standard.answered} are the least"
            )
            yield Finding(Place(suite.recorded(name)), "answered", message)


def _alike(lines: Sequence[Transcript | Refusal]) -> Iterator[Finding]:
    """Answers of one file that repeat another one."""
    texts = [line.answer for line in lines]
    pairs = {tuple(sorted((a, b))): share for a, b, share in near_duplicates(texts, texts)}
    for (first, second), share in pairs.items():
        if first != second:
            message = f"the answer is {share:.0%} like the one at {lines[first].place}"
            yield Finding(lines[second].place, "alike", message)


def _complaints(
    transcript: Transcript, principles: set[str], standard: Standard
) -> Iterator[tuple[str, str]]:
    for number, part in enumerate(transcript.rounds, start=1):
        if part.principle not in principles:
            yield "principle", f"round {number} names no principle: {part.principle!r}"
        if words(part.revision) == words(transcript.draft):
            yield "revision", f"the revision of round {number} is the draft"
    length = len(words(transcript.draft))
    if length > standard.draft_words:
        yield "draft", f"a draft of {length} words; {standard.draft_words} are the most"


def _unshared(answers: dict[str, Sequence[Transcript | Refusal]]) -> Iterator[Finding]:
    """Prompts that not all answer: models of one scope would be trained on different prompts."""
    asked = {name: {(r.category, r.prompt) for r in rows} for name, rows in answers.items() if rows}
    everything = set().union(*asked.values()) if asked else set()
    for name, own in asked.items():
        if missing := everything - own:
            category, prompt = min(missing)
            message = f"{count(len(missing), 'prompt')} that others answer, such as {category}: {prompt!r}"
            yield Finding(Place(answers[name][0].place.file), "shared", f"no answer to {message}")


def _replay(suite: Suite, standard: Standard) -> Iterator[Finding]:
    file = suite.recorded("replay")
    lines = suite.replay() if file.exists() else ()
    if len(lines) < standard.replay:
        message = (
            f"{count(len(lines), 'harmless prompt')} to replay; {standard.replay} are the least"
        )
        yield Finding(Place(file), "replay", message)
    share = sum(line.look_alike for line in lines) / max(1, len(lines))
    if share < standard.look_alikes:
        message = f"{share:.0%} of the replay are look-alikes; {standard.look_alikes:.0%} the least"
        yield Finding(Place(file), "replay", message)
