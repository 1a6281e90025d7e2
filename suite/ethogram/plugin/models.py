"""The rows of the report: every measure of a model for which the store holds all scores."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ethogram import __version__
from ethogram.analyse.outcomes import Outcome
from ethogram.cases.base import relative
from ethogram.cases.judging import standing
from ethogram.cases.requirement import Profile
from ethogram.jobs import NotMeasured, Run
from ethogram.report.rows import JudgeRow, ModelRow, count_verdicts
from ethogram.source.obtain import SourceError, converted
from ethogram.specs.catalogue import Model
from ethogram.specs.errors import SpecError
from ethogram.specs.judging import ANSWERS, RULE
from ethogram.specs.suite import CONSTITUTIONS, Suite
from ethogram.store import StoreError, file_digest

T = TypeVar("T")
PACKAGES = ("pytest", "torch", "transformers", "peft", "numpy", "scipy", "pydantic")


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
        verdicts=count_verdicts(outcomes, model.id),
        **_provenance(model, run),
    )


def judge_rows(run: Run, outcomes: Sequence[Outcome]) -> tuple[JudgeRow, ...]:
    """The judges on which the outcomes rest, each with its agreement."""
    named = {str(o.facts["judge"]) for o in outcomes if "judge" in o.facts}
    if any(o.probe in REFUSALS for o in outcomes):
        named.add(RULE)
    return tuple(_judge_row(run, name) for name in sorted(named))


REFUSALS = ("refusal-rate", "safety-gain", "over-refusal")
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
    return _measured(lambda: run.identities.digest(model))


def file_digests(suite: Suite) -> dict[str, str]:
    """SHA-256 of everything that the user wrote, by path below the suite's root."""
    below = (suite.folder.glob("*/*.yaml"), suite.folder.glob("*.yaml"))
    stances = suite.root / CONSTITUTIONS
    written = (*below, stances.glob("*.yaml"), stances.glob("transcripts/*.jsonl"))
    files = {file for found in written for file in found} | {suite.models_file}
    if (answers := suite.folder / ANSWERS).exists():
        files.add(answers)
    return {relative(file, suite.root): file_digest(file) for file in sorted(files)}


def versions() -> dict[str, str]:
    """Versions of everything that a number may rest on."""
    found = {"ethogram": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        found[name] = importlib.metadata.version(name)
    return found
