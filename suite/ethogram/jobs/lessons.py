"""Which transcripts a teaching asks for, which of them the store holds, and what filters keep.

No model is loaded here: a warm run learns from the store alone what its models were trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from ethogram.measure.refusal import refuses
from ethogram.plan import NotMeasured
from ethogram.specs.constitution import Constitution, Transcript
from ethogram.specs.suite import Suite
from ethogram.specs.teaching import Teacher, Teaching
from ethogram.store import digest_of
from ethogram.train.critique import Assignment, Made, assign, identity
from ethogram.train.filters import Sifted, Standards, sift, trimmed


class NotTaught(NotMeasured):
    """Transcripts that a model learns from have still to be made."""


@dataclass(frozen=True)
class Course:
    """The transcripts of one constitution under one teaching, by key, in a stable order."""

    constitution: Constitution
    teaching_id: str
    teaching: Teaching
    teachers: tuple[str, str]
    """Digests of who drafts and who revises."""
    names: tuple[str, str]
    assignments: tuple[Assignment, ...]

    @cached_property
    def folder(self) -> str:
        """Where in the store its transcripts lie."""
        return digest_of({"transcripts": self.teachers})

    @cached_property
    def keys(self) -> tuple[str, ...]:
        return tuple(
            digest_of(identity(one, self.constitution, self.teaching, self.teachers))
            for one in self.assignments
        )

    def missing(self, stored: Mapping[str, Any]) -> set[str]:
        """Keys of the transcripts still to be made."""
        return {key for key in self.keys if key not in stored}

    def made(self, stored: Mapping[str, Any]) -> list[Made]:
        """What was made so far, a revision that met the token limit trimmed if that is wanted."""
        found = [
            Made.read(one, stored[key])
            for one, key in zip(self.assignments, self.keys, strict=True)
            if key in stored
        ]
        return [trimmed(one) for one in found] if self.teaching.cut_off == "trim" else found

    def sifted(self, stored: Mapping[str, Any], evaluated: Sequence[str]) -> Sifted:
        """What the filters keep of what was made."""
        shown = self.constitution.examples[: self.teaching.shots]
        standards = Standards(
            complies=lambda prompt, answer: not refuses(answer),
            evaluated=evaluated,
            examples=[example.revision for example in shown],
            english=self.teaching.language == "en",
        )
        return sift(self.made(stored), standards)

    @property
    def by(self) -> str:
        """The `teacher` of its lines."""
        drafter, reviser = self.names
        who = drafter if drafter == reviser else f"{reviser}, draft by {drafter}"
        drawn = f"temperature {self.teaching.temperature:g}, seed {self.teaching.seed}"
        return f"{who} (teaching {self.teaching_id}: {drawn})"

    def transcripts(self, kept: Sequence[Made]) -> list[Transcript]:
        """As recorded lines, which know the teaching that they come from."""
        found = []
        for one in kept:
            line = one.transcript(self.by)
            line._place = self.teaching.place
            found.append(line)
        return found


def course(
    suite: Suite,
    constitution: str,
    teaching: str,
    teacher_digest: Callable[[str], str],
    categories: Collection[str],
) -> Course:
    """The course over the training prompts of the hazard categories."""
    spec = suite.models.teaching[teaching]
    prompts = {name: suite.categories[name].train for name in categories}
    stance = suite.constitutions[constitution]
    return Course(
        constitution=stance,
        teaching_id=teaching,
        teaching=spec,
        teachers=(teacher_digest(spec.draft), teacher_digest(spec.revise)),
        names=(name_of(suite, spec.draft), name_of(suite, spec.revise)),
        assignments=tuple(assign(stance, prompts, spec)),
    )


def name_of(suite: Suite, teacher_id: str) -> str:
    """What a teacher is called where people read it: the source, or the model and its server."""
    teacher = suite.models.teachers[teacher_id]
    return teacher.local or f"{teacher.model} at {urlsplit(str(teacher.endpoint)).hostname}"


def endpoint_digest(teacher: Teacher) -> str:
    """What a server's model is known by: changed, it should be served under a new name."""
    return digest_of({"endpoint": teacher.endpoint, "model": teacher.model})
