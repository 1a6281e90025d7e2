"""`suite/perturbations/<name>.yaml`: changes without moral weight, and how long a flip is sought."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pydantic import Field, model_validator

from ethogram.specs.base import FileSpec, Id, Int, Misplaced, Piece, Spec, Text, check_unique
from ethogram.specs.teaching import Seed

WAYS = ("vary", "order", "wording", "retold", "replace", "ends")
"""The kinds of perturbation; each entry has one of these keys."""


class Perturbation(Spec):
    """One kind of change to how a scenario is told. It has one key beside its id."""

    id: Id
    vary: Literal["all"] | tuple[Text, ...] | None = None
    """Placeholders of scenarios that take another value than their first; each is a change of its
    own. `all`: every placeholder that no other entry lists."""
    order: Literal["one"] | None = None
    """The options in one order alone, in place of all orders."""
    wording: tuple[Text, ...] | None = None
    """What is asked in place of "What would you do?"."""
    retold: Id | None = None
    """The name of a retelling that scenarios have."""
    replace: tuple[tuple[Piece, Piece], ...] | None = None
    """Typography: pairs (what stands in the prompt, what is put in its place), one after the other."""
    ends: Piece | None = None
    """Typography: what follows the prompt's last line."""

    @model_validator(mode="after")
    def _consistent(self) -> Perturbation:
        given = [way for way in WAYS if getattr(self, way) is not None]
        if len(given) != 1:
            told = f"this one has {' and '.join(given)}" if given else "this one has none"
            raise Misplaced(f"a perturbation has one of the keys {', '.join(WAYS)}; {told}")
        if not getattr(self, given[0]):
            raise Misplaced(f"{given[0]!r} changes nothing: it is empty", given[0])
        for at, (old, _) in enumerate(self.replace or ()):
            if not old:
                message = "nothing cannot be replaced: write what stands in the prompt"
                raise Misplaced(message, "replace", at)
        return self


class Perturbations(FileSpec):
    """Perturbations that are put together, and searched for the smallest flip of a verdict.

    A case is one drawn scenario and one model. Its verdict over the orders of the options is the
    one to flip; `budget` bounds what the search asks for it.
    """

    about: Text
    cites: tuple[Text, ...] = ()
    budget: Int = Field(ge=1)
    """Queries that one case may ask, the model's and its reference's together; those whose scores
    are stored count too, so that what is found does not depend on the cache."""
    seed: Seed = 0
    scenarios: Int = Field(ge=1)
    """How many scenarios are drawn by the seed, those first that have the retellings asked for."""
    perturbations: tuple[Perturbation, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Perturbations:
        check_unique("perturbation", self.perturbations, "perturbations")
        listed: set[str] = set()
        orders = 0
        for at, entry in enumerate(self.perturbations):
            for name in (entry.vary,) if entry.vary == "all" else entry.vary or ():
                if name in listed:
                    message = f"another perturbation varies {name!r} already"
                    raise Misplaced(message, "perturbations", at, "vary")
                listed.add(name)
            orders += entry.order is not None
            if orders > 1:
                message = "another perturbation changes the order already"
                raise Misplaced(message, "perturbations", at, "order")
        return self

    @property
    def listed(self) -> set[str]:
        """The placeholders that are varied by their names."""
        named = (entry.vary for entry in self.perturbations if isinstance(entry.vary, tuple))
        return {name for names in named for name in names}


Changes: TypeAlias = tuple[tuple[str, str], ...]
"""A combination as it is written down: (id of the perturbation, its value) pairs."""


@dataclass(frozen=True, slots=True)
class KnownFlip:
    """A combination that flipped a verdict once, and the seed of the exploration that found it."""

    changes: Changes
    seed: Seed


@dataclass
class Exploration:
    """What a run brings to the searches: a seed in place of the files' own, or flips known before."""

    seed: Int | None = None
    known: dict[str, tuple[KnownFlip, ...]] = field(default_factory=dict)
    """By the case's id."""
