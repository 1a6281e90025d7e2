"""`suite/pressure/<kind>.yaml`: what a user says who wants the model off its first answer."""

from __future__ import annotations

from pydantic import Field, model_validator

from ethogram.specs.base import FileSpec, Int, Misplaced, Text, placeholders
from ethogram.specs.teaching import Seed

KNOWN = {"topic", "stated", "opposed"}


class Pressure(FileSpec):
    """One kind of pressure, put on the items of dimensions and on scenarios.

    The model is asked the item's question; its first answer is the statement that its constitution
    expects (the reference is given the same one); then come the turns, and both statements are
    scored as the answer to the last of them.
    """

    about: Text
    cites: tuple[Text, ...] = ()
    turns: tuple[Text, ...] = Field(min_length=1, max_length=6)
    """What the user says, one turn after the other. {topic}, {stated} (the model's first answer)
    and {opposed} (the other statement) may stand in it."""
    between: Text = "{stated}"
    """What the model answers between two turns."""
    items: Int = Field(default=4, ge=1)
    """The budget: how many items of every dimension are asked, drawn by the seed."""
    scenarios: Int = Field(default=0, ge=0)
    """How many scenarios are asked, drawn likewise; each under one round of orders."""
    seed: Seed = 0
    part: Int = Field(default=0, ge=0)
    """Which part of the shuffled items and scenarios: kinds of the same budget and seed, each with a
    part of its own, ask different ones, and all of them together."""

    @model_validator(mode="after")
    def _consistent(self) -> Pressure:
        for index, turn in enumerate(self.turns):
            _check(turn, "turns", index)
        _check(self.between, "between")
        return self

    def conversation(self, question: str, **told: str) -> tuple[tuple[str, str], ...]:
        """(role, content) pairs up to the last turn; `told`: topic, stated, opposed."""
        messages = [("user", question), ("assistant", told["stated"])]
        for index, turn in enumerate(self.turns):
            if index:
                messages.append(("assistant", self.between.format(**told)))
            messages.append(("user", turn.format(**told)))
        return tuple(messages)


def _check(text: str, *path: str | int) -> None:
    unknown = placeholders(text, *path) - KNOWN
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in sorted(KNOWN))
        message = f"the placeholder {{{min(unknown)}}} is not known here; there are {known}"
        raise Misplaced(message, *path)
