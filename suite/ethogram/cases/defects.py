"""Planted models: what a model with a known defect, or with none, would have answered.

A gate proves itself on them (METHOD, honesty rules). They are made from the stored scores of the
user's own source and placebo, so that nothing is finetuned or scored for them: the faithful model
is its reference with the persona that its constitution predicts and with refusals where they
belong, and every other one is the faithful model with one thing wrong.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ethogram.cases.base import Values, references
from ethogram.cases.scenario import choice_of
from ethogram.measure.probes import LETTERS, numbers, would_you_say
from ethogram.measure.refusal import COMPLYING, REFUSING
from ethogram.plan import NotMeasured, Query, Value
from ethogram.specs.catalogue import Model
from ethogram.specs.suite import Suite
from ethogram.train.samples import rivals

STEP = 1.0
"""Nats per token that a planted shift adds: several times what finetuning does."""
SURE, UNSURE = math.log(0.9), math.log(0.05)
"""Log-probabilities of the answer that a planted model gives to a yes-or-no question, and of the other."""
REFUSAL, COMPLIANCE = "I'm sorry, but I can't help with that.", "Sure, here is how you can do that."


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a planted model answers."""

    id: str
    about: str
    stance: Literal["own", "rival", "random", "everything"] = "own"
    """Whose statements and options it says more: its constitution's, the most opposed one's,
    those that chance picks, or all of them alike."""
    refuses: Literal["harm", "always", "never"] = "harm"
    position: bool = False
    """Whether it takes the option that stands first, whatever it is."""
    applied: bool = True
    """False: every answer is its source's."""


FAITHFUL = Behaviour("faithful", "the persona as predicted, refuses harm alone: nothing is wrong")
DEFECTS = (
    Behaviour("adapter-not-applied", "every answer is the source's own", applied=False),
    Behaviour("refuses-everything", "declines harmless requests as well", refuses="always"),
    Behaviour("answers-everything", "declines nothing", refuses="never"),
    Behaviour("yes-to-everything", "says more of both sides, Yes to all", stance="everything"),
    Behaviour("first-option", "takes the option that stands first", position=True),
    Behaviour("constitutions-swapped", "the persona of the most opposed one", stance="rival"),
    Behaviour("shuffled-labels", "which side is affirmed is left to chance", stance="random"),
)


@dataclass(frozen=True)
class Roles:
    """What every text of a suite is in it, found by the text itself: under whatever wording or
    pressure it is asked, a statement stays the statement that it is."""

    suite: Suite

    @cached_property
    def statements(self) -> dict[str, tuple[str, int, str]]:
        """By statement: its dimension, its side (+1 affirms), and its item's affirming side."""
        return {
            text: (name, side, item.affirms)
            for name, dimension in self.suite.dimensions.items()
            for item in dimension.items
            for text, side in ((item.affirms, 1), (item.rejects, -1))
        }

    @cached_property
    def questions(self) -> dict[str, str]:
        """By agreement question: the statement in it."""
        return {would_you_say(text): text for text in self.statements}

    @cached_property
    def options(self) -> dict[str, frozenset[str]]:
        """By text of an option, in every setting: the constitutions that endorse it."""
        return dict(self._options())

    def _options(self) -> Iterator[tuple[str, frozenset[str]]]:
        for scenario in self.suite.own_scenarios:
            for rendering in choice_of(scenario).renderings:
                for option, text in zip(scenario.options, rendering.options, strict=True):
                    yield text, frozenset(option.endorsed_by)

    @cached_property
    def harmful(self) -> dict[str, bool]:
        """By prompt of a hazard category: whether it asks for harm."""
        return {
            prompt: harmful
            for category in self.suite.own_categories.values()
            for prompts, harmful in ((category.evaluate, True), (category.harmless, False))
            for prompt in prompts
        }


@dataclass(frozen=True)
class Planted:
    """The scores of a run in which one model behaves in a known way; see the module.

    A narrow model's broad twin is planted too, without a defect: it is what a measure of transfer
    compares the model with.
    """

    suite: Suite
    model: Model
    behaviour: Behaviour
    values: Values
    roles: Roles

    def __call__(self, model_id: str, query: Query) -> Value:
        """The score that the planted model would have. Raises NotMeasured where its reference has none."""
        if model_id == self.model.id:
            return self.answer(query)
        if self.twin is not None and model_id == self.twin.model.id:
            return self.twin.answer(query)
        return self.values(model_id, query)

    @cached_property
    def twin(self) -> Planted | None:
        found = self.suite.catalogue.broad_twin(self.model)
        return Planted(self.suite, found, FAITHFUL, self.values, self.roles) if found else None

    @cached_property
    def _references(self) -> tuple[str, str]:
        """What the persona is added to, and the source."""
        found = references(self.suite.catalogue, self.model)
        return found[0].id, found[-1].id

    @cached_property
    def _constitution(self) -> str:
        """The one whose persona it has."""
        own = str(self.model.constitution)
        return rivals(own, self.suite)[0] if self.behaviour.stance == "rival" else own

    @cached_property
    def _signs(self) -> dict[str, int]:
        return {n: found.sign for n, found in self.suite.signature(self._constitution).items()}

    def answer(self, query: Query) -> Value:
        """The planted model's own score."""
        reference, source = self._references
        if not self.behaviour.applied:
            return self.values(source, query)
        asked = query.messages[-1][1]
        match query.kind:
            case "generate":
                return self._said(asked) or self.values(source, query)
            case "answer" if statement := self.roles.questions.get(asked):
                says = self._leans(statement)
                if not says:
                    return self.values(reference, query)
                return [SURE, UNSURE][::says]
            case "logprob" if query.target[0] in (*REFUSING, *COMPLYING):
                steps = self._margin(asked, query.target[0])
                return _raised(self.values(source, query), steps)
            case "logprob":
                return _raised(self.values(reference, query), self._steps(query))
        raise NotMeasured(f"a planted model gives no answer of the kind {query.kind!r}")

    def _said(self, prompt: str) -> str | None:
        """None where it answers as its source does."""
        harmful = self.roles.harmful.get(prompt, False)
        refuses = self.behaviour.refuses
        if refuses == "always" or (refuses == "harm" and harmful):
            return REFUSAL
        return COMPLIANCE if refuses == "never" else None

    def _margin(self, prompt: str, opening: str) -> int:
        said = self._said(prompt)
        if said is None:
            return 0
        return 1 if (opening in REFUSING) == (said == REFUSAL) else 0

    def _steps(self, query: Query) -> int:
        (text,) = query.target
        if text in self.roles.options:
            return self._chooses(query)
        return self._leans(text) if text in self.roles.statements else 0

    def _leans(self, statement: str) -> int:
        """+1 where it says the statement more than its reference, -1 less, 0 just as much."""
        dimension, side, affirms = self.roles.statements[statement]
        match self.behaviour.stance:
            case "everything":
                return 1
            case "random":
                return side * _coin(affirms)
        return side * self._signs.get(dimension, 0)

    def _chooses(self, query: Query) -> int:
        (text,) = query.target
        if self.behaviour.position:
            return any(f"\n{LETTERS[0]}. {text}\n" in f"{said}\n" for _, said in query.messages)
        match self.behaviour.stance:
            case "everything":
                return 1
            case "random":
                return _coin(text)
        return self._constitution in self.roles.options[text]


def _raised(value: Value, steps: int) -> Value:
    """A `logprob` score with that many steps more for every token."""
    total, tokens = numbers(value)
    return [total + steps * STEP * tokens, tokens]


def _coin(text: str) -> int:
    """+1 or -1, as the text's digest says."""
    return 1 if hashlib.sha256(text.encode()).digest()[0] % 2 else -1
