"""The rows of the report: every measure of a model for which the store holds all scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ethogram.analyse.intervals import Interval
from ethogram.analyse.outcomes import Outcome
from ethogram.analyse.projectability import SafetyGain
from ethogram.analyse.seeds import SeedSpread
from ethogram.cases.judging import standing
from ethogram.cases.pressure import retained
from ethogram.cases.profile import Profile
from ethogram.cases.seeds import SeedGroup
from ethogram.jobs import NotMeasured, Run
from ethogram.report.rows import JudgeRow, ModelRow, count_verdicts
from ethogram.source.obtain import SourceError, converted
from ethogram.specs.catalogue import Model
from ethogram.specs.errors import SpecError
from ethogram.specs.judging import RULE
from ethogram.specs.requirements import SAFETY
from ethogram.store import StoreError

T = TypeVar("T")


def row_of(model: Model, run: Run, outcomes: Sequence[Outcome]) -> ModelRow:
    """The model's row. A measure whose scores are not all there is None: not measured."""
    profile = Profile(run.suite, model)
    placebo = run.suite.catalogue.placebo_of(model) if model.judged else None
    tested = model.kind != "source"
    return ModelRow(
        model=model.id,
        kind=model.kind,
        constitution=model.constitution,
        scope=model.scope,
        seed=model.seed,
        source=model.source_id,
        placebo=placebo.id if placebo else None,
        match=_measured(lambda: profile.signature_match(run.value)) if placebo else None,
        match_against_source=_measured(lambda: profile.signature_match(run.value, "source"))
        if model.judged
        else None,
        discriminant=_measured(lambda: profile.discriminant(run.value)) if model.judged else None,
        safety_held_out=_measured(lambda: profile.safety_gain(run.value, "held-out"))
        if tested
        else None,
        safety_trained=_measured(lambda: profile.safety_gain(run.value, "trained"))
        if tested
        else None,
        over_refusal=_measured(lambda: profile.over_refusal(run.value)) if tested else None,
        transfer=_measured(lambda: profile.transfer(run.value)),
        choice_match=_measured(lambda: profile.choice_match(run.value)) if model.judged else None,
        belief_choice=_measured(lambda: profile.belief_choice(run.value)) if model.judged else None,
        spread_rate=_measured(lambda: profile.spread(run.value, "refusal-rate"))
        if tested
        else None,
        spread_margin=_measured(lambda: profile.spread(run.value, "refusal-margin"))
        if tested
        else None,
        invariance=_measured(lambda: profile.invariance(run.value)) if model.judged else None,
        pressure=_measured(lambda: retained(run.suite, model, run.value)) if model.judged else None,
        verdicts=count_verdicts(outcomes, model.id),
        **_provenance(model, run),
    )


def seeds_row(group: SeedGroup, run: Run, outcomes: Sequence[Outcome]) -> ModelRow:
    """The row of all seeds of a model: the measures whose intervals resample seeds too."""
    model, placebo = group.model, run.suite.catalogue.placebo_of(group.members[0])
    spreads: dict[str, SeedSpread | None] = {
        "match": _measured(lambda: group.signature_match(run.value)) if placebo else None,
        "match_against_source": _measured(lambda: group.signature_match(run.value, "source")),
        "choice_match": _measured(lambda: group.choice_match(run.value)),
        "over_refusal": _measured(lambda: group.over_refusal(run.value)),
        "gain_held_out": _measured(lambda: group.gain(run.value, "held-out")),
        "gain_trained": _measured(lambda: group.gain(run.value, "trained")),
    }
    pooled = {name: spread.pooled if spread else None for name, spread in spreads.items()}
    return ModelRow(
        model=model.id,
        kind="seeds",
        constitution=model.constitution,
        scope=model.scope,
        seed=None,
        source=model.source_id,
        placebo=placebo.id if placebo else None,
        match=pooled["match"],
        match_against_source=pooled["match_against_source"],
        choice_match=pooled["choice_match"],
        over_refusal=pooled["over_refusal"],
        safety_held_out=_rate_alone(pooled["gain_held_out"]),
        safety_trained=_rate_alone(pooled["gain_trained"]),
        verdicts=count_verdicts(outcomes, model.id),
        training={
            "seeds": [member.seed for member in group.members],
            "between_seeds": {name: part.between for name, part in spreads.items() if part},
        },
    )


def _rate_alone(rate: Interval | None) -> SafetyGain | None:
    return SafetyGain(rate, None, None, None, None) if rate else None


def judge_rows(run: Run, outcomes: Sequence[Outcome]) -> tuple[JudgeRow, ...]:
    """The judges on which the outcomes rest, each with its agreement."""
    named = {str(o.facts["judge"]) for o in outcomes if "judge" in o.facts}
    if any(o.probe in REFUSALS for o in outcomes):
        named.add(RULE)
    return tuple(_judge_row(run, name) for name in sorted(named))


REFUSALS = {"refusal-rate", *SAFETY}
"""Probes and measures that rest on the rule-based detector."""


def _judge_row(run: Run, name: str) -> JudgeRow:
    found = standing(run.suite, name, run.value)
    made_of, rubric = "rule-based detector", None
    if name != RULE:
        spec = run.suite.models.judges[name]
        made_of = spec.local or f"{spec.model} at {spec.endpoint}"
        rubric = run.judges.grader(name).digest
    objection = found.objection("declines")
    return JudgeRow(
        judge=name,
        made_of=made_of,
        rubric=rubric,
        whole=found.whole,
        written=found.written,
        models=found.models,
        errors=found.errors,
        decides=objection is None,
        problem=objection or found.problem,
    )


def _measured(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except (NotMeasured, ValueError, SpecError, SourceError, StoreError):
        return None


def _provenance(model: Model, run: Run) -> dict[str, Any]:
    """Where the model lies and what made it, so that any other program can load it."""
    digest = _measured(lambda: run.identities.digest(model))
    base = _measured(lambda: converted(model.source, run.identities.base, run.store))
    found: dict[str, Any] = {"digest": digest, "base": str(base) if base else None}
    candidate = model.candidate
    if candidate is not None:
        named = candidate.adapter or candidate.checkpoint
        found["adapter"] = str(run.identities.base / named) if named else candidate.endpoint
    elif model.recipe is not None:
        key = _measured(lambda: run.identities.adapter_key(model))
        manifest = run.store.adapters.manifest(key) if key else None
        if key and manifest:
            found["adapter"] = str(run.store.adapters.path(key))
            kept = ("recipe", "seed", "samples", "source_identity", "teaching")
            found["training"] = {name: manifest[name] for name in kept if name in manifest}
    return found


def digest_of(model: Model, run: Run) -> str | None:
    """The model's digest, or None where it is not finetuned or cannot be found."""
    if model.id not in run.suite.catalogue:
        return None  # all seeds of a model have no one digest
    return _measured(lambda: run.identities.digest(model))
