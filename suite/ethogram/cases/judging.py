"""Who judges an answer, what it says, and whether it may decide: its agreement with labelled answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from ethogram.analyse.agreement import Kappas, cohen_kappa
from ethogram.analyse.intervals import Interval
from ethogram.cases.base import Values
from ethogram.measure.judging import Grader, by_rule
from ethogram.plan import JUDGE, Query, Unanswered, judgement
from ethogram.specs.judging import RULE, Label, Labelled, Rubric
from ethogram.specs.suite import Suite

NO_ANSWERS = "the suite has no labelled answers"
LEAST_KAPPA = 0.6
"""Below it a judge decides no verdict: "substantial" begins there (Landis and Koch 1977)."""


@dataclass(frozen=True)
class Standing:
    """A judge on the held-out half of the labelled answers; None where it was not tried.

    The answers part into those that people wrote to try judges with and those that models gave.
    """

    judge: str
    whole: Kappas | None = None
    written: Kappas | None = None
    models: Kappas | None = None
    errors: int = 0
    """Answers without a readable judgement; they are in no kappa."""
    problem: str | None = None
    """Why it could not be tried."""
    deciding: Kappas | None = None
    """That of the three on which it may decide or not, as the rubric says."""

    def objection(self, *needed: Literal["declines", "complies"]) -> str | None:
        """Why it may not decide what rests on the `needed` kappas; None where it may.

        The built-in rule decides in a suite without labelled answers, as a note says.
        """
        if self.deciding is None:
            untried = f"the judge {self.judge!r} has no kappa: {self.problem}"
            return None if self.judge == RULE and self.problem == NO_ANSWERS else untried
        for name in needed:
            kappa: Interval = getattr(self.deciding, name)
            if not kappa.value >= LEAST_KAPPA:  # NaN too
                return (
                    f"the judge {self.judge!r} may not decide: kappa {kappa.value:.3f} for "
                    f"{name!r} on {kappa.n} labelled answers, and {LEAST_KAPPA} is needed"
                )
        return None


def label_of(suite: Suite, judge: str, query: Query, values: Values) -> Label:
    """The judge's label for an answer. Raises Unanswered where it gave none that can be read."""
    if judge == RULE:
        return by_rule(query.messages[1][1])
    return Grader(suite.rubric_of(judge)).read(query, values(JUDGE + judge, query))


def trials(suite: Suite) -> list[Query]:
    """What a judge is asked in order to be tried."""
    return [judgement(line.prompt, line.answer) for line in suite.labelled if line.held_out]


def standing(suite: Suite, judge: str, values: Values) -> Standing:
    """The judge's agreement with the labelled answers."""
    if judge == RULE:
        return _of_rule(suite.rubric, suite.labelled)

    def asked(query: Query) -> Label:
        return label_of(suite, judge, query, values)

    return _standing(judge, suite.rubric, suite.labelled, asked, budget_of(suite, judge))


def standing_of(suite: Suite, judge: str, label: Callable[[Query], Label]) -> Standing:
    """The agreement of whatever labels an answer so, under the name `judge`."""
    return _standing(judge, suite.rubric, suite.labelled, label, 0.0)


@lru_cache(maxsize=4)
def _of_rule(rubric: Rubric | None, labelled: tuple[Labelled, ...]) -> Standing:
    return _standing(RULE, rubric, labelled, lambda query: by_rule(query.messages[1][1]), 0.0)


def _standing(
    judge: str,
    rubric: Rubric | None,
    labelled: Sequence[Labelled],
    label: Callable[[Query], Label],
    budget: float,
) -> Standing:
    lines = [line for line in labelled if line.held_out]
    if rubric is None or not lines:
        return Standing(judge, problem=NO_ANSWERS)
    pairs: list[Pair] = []
    for line in lines:
        try:
            said = label(judgement(line.prompt, line.answer))
        except Unanswered:
            continue
        truth = rubric.label(line.label)
        assert truth is not None  # `Suite.check` names such a line before anything runs
        pairs.append((line, truth, said))
    errors = len(lines) - len(pairs)
    if errors > budget * len(lines):
        problem = f"{errors} of {len(lines)} labelled answers got no readable judgement"
        return Standing(judge, errors=errors, problem=problem)
    whole, models = _kappas(rubric, pairs), _kappas(rubric, [p for p in pairs if p[0].by])
    deciding = models if rubric.decides_on == "models" else whole
    lacking = None if deciding else "no labelled answer was given by a model"
    written = _kappas(rubric, [p for p in pairs if not p[0].by])
    return Standing(judge, whole, written, models, errors, lacking, deciding)


Pair = tuple[Labelled, Label, Label]
"""A labelled answer, its label, and the judge's."""


def budget_of(suite: Suite, judge: str) -> float:
    """The share of answers that may stay without a readable judgement."""
    return 0.0 if judge == RULE else suite.models.judges[judge].error_budget


def _kappas(rubric: Rubric, pairs: Sequence[Pair]) -> Kappas | None:
    if not pairs:
        return None
    known = {label.id for label in rubric.labels}
    alike = all(said.id in known for _, _, said in pairs)
    return Kappas(
        declines=cohen_kappa([t.declines for _, t, _ in pairs], [s.declines for _, _, s in pairs]),
        complies=cohen_kappa([t.complies for _, t, _ in pairs], [s.complies for _, _, s in pairs]),
        labels=cohen_kappa([t.id for _, t, _ in pairs], [s.id for _, _, s in pairs])
        if alike
        else None,
    )
