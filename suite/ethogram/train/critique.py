"""Stage 1 of Constitutional AI (Bai et al. 2022, arXiv 2212.08073): draft, critique, revision.

Pure orchestration: who answers is handed in. A chunk of conversations goes step by step, so that
a local model answers them as one batch.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ethogram.asks import Answerer, Ask, Said
from ethogram.plan import Messages
from ethogram.specs.constitution import Constitution, Principle, Round, Transcript
from ethogram.specs.teaching import Sampling, Teaching
from ethogram.train.prompts import (
    FRAME,
    Shown,
    answer_alone,
    critique_of,
    draft_of,
    revision_of,
    shots,
)

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Assignment:
    """A transcript to make: the prompt, which draw of it, and the principle of every round."""

    category: str
    prompt: str
    draw: int
    principles: tuple[Principle, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """One critique and revision; `finished` is False where the revision met the token limit."""

    critique: str
    revision: str
    finished: bool


@dataclass(frozen=True, slots=True)
class Made:
    """What was said on an assignment."""

    assignment: Assignment
    draft: str
    turns: tuple[Turn, ...]

    @property
    def answer(self) -> str:
        return self.turns[-1].revision

    def transcript(self, teacher: str) -> Transcript:
        """As a recorded line. Raises ValueError where a part is empty."""
        drawn = zip(self.assignment.principles, self.turns, strict=True)
        return Transcript(
            category=self.assignment.category,
            prompt=self.assignment.prompt,
            draft=self.draft,
            rounds=tuple(
                Round(principle=principle.id, critique=turn.critique, revision=turn.revision)
                for principle, turn in drawn
            ),
            teacher=teacher,
        )

    def as_json(self) -> dict[str, Any]:
        """Plain data for the store. The names of principles and categories are not in it."""
        turns = [[turn.critique, turn.revision, turn.finished] for turn in self.turns]
        return {"draft": self.draft, "turns": turns}

    @classmethod
    def read(cls, assignment: Assignment, stored: Mapping[str, Any]) -> Made:
        turns = tuple(Turn(str(c), str(r), bool(f)) for c, r, f in stored["turns"])
        return cls(assignment, str(stored["draft"]), turns)


def assign(
    constitution: Constitution, prompts: Mapping[str, Sequence[str]], teaching: Teaching
) -> list[Assignment]:
    """Every transcript that the teaching asks for, of prompts by category, in a stable order.

    Draws rest on the seed and the text alone: a new principle or prompt moves few of them, and
    every constitution is given the same prompts.
    """
    found = []
    for category in sorted(prompts):
        drawn = ranked(prompts[category], teaching.seed, lambda text: text)
        for draw in range(teaching.draws):
            for prompt in drawn[: teaching.prompts]:
                rank = f"{teaching.seed}:{draw}:{prompt}"
                principles = ranked(constitution.principles, rank, lambda p: p.id)
                # More rounds than principles: start over.
                rounds = [principles[n % len(principles)] for n in range(teaching.rounds)]
                found.append(Assignment(category, prompt, draw, tuple(rounds)))
    return found


def ranked(items: Iterable[Any], seed: object, name: Any) -> list[Any]:
    """Items in an order that rests on the seed and each item's name."""
    return sorted(items, key=lambda item: hashlib.sha256(f"{seed}:{name(item)}".encode()).digest())


@dataclass
class Lesson:
    """A teaching with its teachers, ready to be carried out."""

    constitution: Constitution
    teaching: Teaching
    drafter: Answerer
    reviser: Answerer
    shown: Shown = field(init=False)

    def __post_init__(self) -> None:
        self.shown = shown_to_critics(self.constitution, self.teaching)

    def carry_out(self, chunk: Sequence[Assignment]) -> list[Made | str]:
        """What was said on each assignment, or why nothing was."""
        drafts = self._say(self.drafter, chunk, "draft", [draft_of(a.prompt) for a in chunk])
        errors = {at: said.error for at, said in enumerate(drafts) if said.error}
        answers = [said.text for said in drafts]
        turns: list[list[Turn]] = [[] for _ in chunk]
        for number in range(self.teaching.rounds):
            alive = [at for at in range(len(chunk)) if at not in errors]
            self._round(number, chunk, alive, answers, turns, errors)
        return [
            errors[at] if at in errors else Made(assignment, drafts[at].text, tuple(turns[at]))
            for at, assignment in enumerate(chunk)
        ]

    def _round(
        self,
        number: int,
        chunk: Sequence[Assignment],
        alive: list[int],
        answers: list[str],
        turns: list[list[Turn]],
        errors: dict[int, str],
    ) -> None:
        those = [chunk[at] for at in alive]
        critiques = self._say(
            self.reviser,
            those,
            f"critique {number}",
            [
                critique_of(one.prompt, answers[at], one.principles[number], self.shown)
                for at, one in zip(alive, those, strict=True)
            ],
        )
        wanted = [n for n, said in enumerate(critiques) if not said.error]
        revised = self._say(
            self.reviser,
            [those[n] for n in wanted],
            f"revision {number}",
            [
                revision_of(
                    those[n].prompt,
                    answers[alive[n]],
                    critiques[n].text,
                    those[n].principles[number],
                    self.shown,
                )
                for n in wanted
            ],
        )
        errors |= {alive[n]: said.error for n, said in enumerate(critiques) if said.error}
        for n, said in zip(wanted, revised, strict=True):
            at = alive[n]
            if said.error:
                errors[at] = said.error
            answers[at] = answer_alone(said.text)
            turns[at].append(Turn(critiques[n].text, answers[at], said.finished))

    def _say(
        self, who: Answerer, those: Sequence[Assignment], step: str, asked: Sequence[Messages]
    ) -> list[Said]:
        if not asked:
            return []
        asks = [
            Ask(messages, seed_of(self.teaching, assignment, step))
            for assignment, messages in zip(those, asked, strict=True)
        ]
        said = who.answer(asks, self.teaching)
        return [Said(_CONTROL.sub("", s.text).strip(), s.finished, s.error) for s in said]


def seed_of(teaching: Sampling, assignment: Assignment, step: str) -> int:
    """The seed of one answer: 31 bits, which every server takes."""
    text = f"{teaching.seed}:{assignment.draw}:{step}:{assignment.prompt}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) >> 1


def shown_to_critics(constitution: Constitution, teaching: Teaching) -> Shown:
    """The worked examples that stand before every critique and revision."""
    principles = {principle.id: principle for principle in constitution.principles}
    return shots(constitution.examples, principles, teaching.shots)


def identity(
    assignment: Assignment, constitution: Constitution, teaching: Teaching, teachers: Sequence[str]
) -> dict[str, Any]:
    """Everything that decides what is said: a digest of it is the transcript's key.

    Of the constitution only what the teachers are shown; ids, categories and filters are not in it.
    """
    shown = shown_to_critics(constitution, teaching)
    return {
        "frame": FRAME,
        "teachers": list(teachers),
        "sampling": {name: getattr(teaching, name) for name in Sampling.model_fields},
        "prompt": assignment.prompt,
        "draw": assignment.draw,
        "principles": [[p.text, p.critique, p.revision] for p in assignment.principles],
        "shown": [shown.critiques, shown.revisions],
    }
