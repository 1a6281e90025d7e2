"""What every case can do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ethogram.analyse.outcomes import CaseKind, ItemShift, Outcome
from ethogram.plan import NotMeasured, Query, Unanswered, Value
from ethogram.specs.catalogue import Catalogue, Model

Needs = Mapping[str, Sequence[Query]]
"""Queries by the id of the model that they go to."""

Values = Callable[[str, Query], Value]
"""The stored score of a query to a model; raises where there is none."""


class Case(Protocol):
    """One measurement of one model."""

    @property
    def kind(self) -> CaseKind: ...

    @property
    def group(self) -> str:
        """The middle part of the case's id: a probe, a scenario or a requirement."""
        ...

    @property
    def model(self) -> Model: ...

    def needs(self) -> Needs:
        """Every query that the case rests on, by model."""
        ...

    def judge(self, values: Values) -> Outcome:
        """Effect, gap and verdict from the stored scores."""
        ...


def merged(parts: Iterable[Needs]) -> Needs:
    """All that any of the parts needs, model by model."""
    found: dict[str, list[Query]] = {}
    for part in parts:
        for model_id, asked in part.items():
            found.setdefault(model_id, []).extend(asked)
    return found


def further(case: Case, values: Values) -> Needs:
    """What a case that searches asks next, once what it asked before is stored; for others nothing."""
    ask: Callable[[Values], Needs] = getattr(case, "further", lambda values: {})
    return ask(values)


class Asking(Protocol):
    """A probe of one item."""

    @property
    def queries(self) -> Sequence[Query]: ...


def follow_up(case: Case, values: Values) -> Needs:
    """What the case asks once its answers are there: judgements of them. By judge."""
    ask: Callable[[Values], Needs] = getattr(case, "judgements", lambda values: {})
    return ask(values)


def answered(probes: Sequence[Asking], values: Values, *models: Model) -> list[bool]:
    """Per item: has every model answered all of its queries?

    Raises NotMeasured, with the count, where more are missing than a model's error budget allows:
    few answers are no basis for a verdict, and none of them may count as an answer.
    """

    def has(probe: Asking, model: Model) -> bool:
        try:
            for query in probe.queries:
                values(model.id, query)
        except Unanswered:
            return False
        return True

    found = [all(has(probe, model) for model in models) for probe in probes]
    budget = max(m.candidate.error_budget if m.candidate else 0.0 for m in models)
    within_budget(found.count(False), len(found), budget)
    return found


def within_budget(errors: int, count: int, budget: float) -> None:
    """Raise NotMeasured where more than the budget of the case's items ended in an error."""
    if errors > budget * count or (errors and errors == count):
        allowed = f"the error budget is {budget:.0%}"
        raise NotMeasured(f"{errors} of {count} items got no usable answer; {allowed}")


def references(catalogue: Catalogue, model: Model) -> list[Model]:
    """What a persona effect is measured against: the placebo if there is one, then the source."""
    placebo = catalogue.placebo_of(model)
    source = catalogue.source_of(model)
    return [placebo, source] if placebo is not None else [source]


def most_against(items: Sequence[ItemShift], sign: int, count: int = 3) -> tuple[ItemShift, ...]:
    """The items that disagree most with the expected sign (for 0: those that moved farthest)."""
    if sign == 0:
        ordered = sorted(items, key=lambda item: -abs(item.shift))
    else:
        ordered = sorted(items, key=lambda item: sign * item.shift)
    return tuple(ordered[:count])


def case_id(file: str, group: str, model: Model) -> str:
    """The case's node id, as pytest shows it."""
    return f"{file}::{group}::{model.id}"


def relative(file: Path, root: Path) -> str:
    """The path below the suite's root, with forward slashes."""
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.as_posix()


def array(values: Sequence[float]) -> NDArray[np.float64]:
    """Numbers as a float array of shape (n,)."""
    return np.array(values, dtype=np.float64)
