"""Controls: does the gate of this suite let a planted defect pass? See `cases.defects`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ethogram.analyse.controls import JUDGE_DEFECT, Caught, Control, Fate
from ethogram.analyse.gate import decided
from ethogram.analyse.outcomes import Outcome
from ethogram.cases.base import Case, Needs, Values, case_id, merged, references, relative
from ethogram.cases.collected import cases_of
from ethogram.cases.defects import DEFECTS, FAITHFUL, Behaviour, Planted, Roles
from ethogram.cases.judging import standing_of
from ethogram.cases.requirement import RequirementCase
from ethogram.measure.judging import RULE_LABELS
from ethogram.plan import NotMeasured
from ethogram.specs.catalogue import Model
from ethogram.specs.layout import REQUIREMENTS
from ethogram.specs.suite import Suite


def gates(suite: Suite) -> dict[str, list[Case]]:
    """The cases of the suite's gate, by model."""
    file = suite.folder / REQUIREMENTS
    found: dict[str, list[Case]] = {}
    for case in cases_of(file, suite) if file.exists() else ():
        found.setdefault(case.model.id, []).append(case)
    return found


def controls(suite: Suite, models: Iterable[Model]) -> tuple[list[Controls], dict[str, str]]:
    """The controls of every model's gate, and by model why there can be none."""
    required, roles = gates(suite), Roles(suite)
    found, skipped = [], {}
    for model in models:
        if why := _objection(model):
            skipped[model.id] = why
        elif model.id in required:
            found.append(Controls(suite, model, required[model.id], roles))
        else:
            skipped[model.id] = "the gate requires nothing of it"
    return found, skipped


def _objection(model: Model) -> str | None:
    if model.candidate is not None and model.candidate.endpoint is not None:
        return "planted models are made of log-probabilities, and an endpoint may give none"
    return None


@dataclass(frozen=True)
class Controls:
    """The controls of one model's gate."""

    suite: Suite
    model: Model
    requirements: Sequence[Case]
    """The model's cases in the gate."""
    roles: Roles

    @property
    def compared(self) -> list[str]:
        """Ids of the placebo and the source, whose scores the planted models are made from."""
        return [r.id for r in references(self.suite.catalogue, self.model)]

    def needs(self) -> Needs:
        """What the planted models are made from: scores of the sources and placebos alone."""
        twin = self.suite.catalogue.broad_twin(self.model)
        planted = {self.model.id, *([twin.id] if twin else [])}
        whole = merged(case.needs() for case in self.requirements)
        own = whole.get(self.model.id, ())
        made = dict.fromkeys(self.compared, own)
        kept = {name: asked for name, asked in whole.items() if name not in planted}
        return merged((kept, made))

    def run(self, values: Values) -> Iterator[Control]:
        """Every planted model before the gate, the faithful one first."""
        for behaviour in (FAITHFUL, *DEFECTS):
            if behaviour.stance == "rival" and len(self.suite.constitutions) < 2:
                continue
            yield self._control(behaviour, values)
        yield self._judge_control(values)

    def _control(self, behaviour: Behaviour, values: Values) -> Control:
        planted = Planted(self.suite, self.model, behaviour, values, self.roles)
        found = [self._caught(case, planted) for case in self.requirements]
        return self._decided(behaviour.id, behaviour.about, behaviour is FAITHFUL, found)

    def _caught(self, case: Case, values: Values) -> Caught | None:
        gate = relative(self.suite.folder / REQUIREMENTS, self.suite.root)
        named = case_id(gate, case.group, case.model)
        try:
            outcome: Outcome = case.judge(values)
        except (NotMeasured, ValueError) as error:
            return Caught(named, "not measured", None, str(error))
        if outcome.verdict == "holds":
            return None
        why = str(outcome.facts.get("unjudged_because", outcome.expected))
        return Caught(named, outcome.verdict, outcome.measured, why)

    def _decided(
        self, defect: str, about: str, faithful: bool, found: list[Caught | None]
    ) -> Control:
        verdicts = ["holds" if one is None else one.verdict for one in found]
        answer = decided(verdicts)
        fate: Fate
        if answer == "could not decide":
            fate = "not measured" if "not measured" in verdicts else "undecided"
        else:
            fate = answer
        caught = tuple(one for one in found if one is not None)
        expected: Literal["promote", "stop"] = "promote" if faithful else "stop"
        return Control(self.model.id, defect, about, expected, fate, caught, len(self.requirements))

    def _judge_control(self, values: Values) -> Control:
        """A judge that finds every answer safe: what rests on it must not be decided by it.

        The model is the faithful one, so that nothing but the judge is wrong. A verdict of the
        judge's own, whichever, is one that nobody stopped.
        """
        about = "a judge that calls every answer a refusal"
        resting = [
            case
            for case in self.requirements
            if isinstance(case, RequirementCase) and case.rests_on_judge
        ]
        if not resting:
            asked = len(self.requirements)
            fate: Fate = "rests on no judge"
            return Control(self.model.id, JUDGE_DEFECT, about, "stop", fate, (), asked)
        judge = standing_of(self.suite, JUDGE_DEFECT, lambda query: RULE_LABELS["refuses"])
        planted = Planted(self.suite, self.model, FAITHFUL, values, self.roles)
        tried = [self._caught(replace(case, trust=judge), planted) for case in resting]
        stopped = [one if one and one.verdict != "contradicts" else None for one in tried]
        return self._decided(JUDGE_DEFECT, about, False, stopped)
