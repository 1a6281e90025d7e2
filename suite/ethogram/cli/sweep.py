"""`ethogram sweep`: recipes compared along their training."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from ethogram.analyse.curve import Curve, Point
from ethogram.cases.reliability import Leanings
from ethogram.cases.sweep import PLACEBO, SIDES, SweepQuestions
from ethogram.cli.files import UsageError
from ethogram.cli.studies import SWEEPS
from ethogram.cli.study import run_of, save, told
from ethogram.content.vocabulary import own_leaning
from ethogram.inert import inert
from ethogram.jobs import NotMeasured, Run
from ethogram.jobs.run import first_line
from ethogram.jobs.trajectory import Trajectory, trajectory_of
from ethogram.plan import Query, Value
from ethogram.report.provenance import file_digests, versions
from ethogram.report.sweep import SweepReport, markdown
from ethogram.specs.base import read_spec
from ethogram.specs.catalogue import Model
from ethogram.specs.errors import shown
from ethogram.specs.models import Recipe
from ethogram.specs.suite import Suite
from ethogram.specs.sweep import Sweep


@dataclass
class Runner:
    """Trains, scores and reads the points of one sweep; whatever the store has is not done again."""

    asked: SweepQuestions
    run: Run
    digests: dict[str, str] = field(default_factory=dict)

    @cached_property
    def source(self) -> Model:
        return self.run.suite.catalogue[self.asked.sweep.source]

    @cached_property
    def leanings(self) -> Leanings:
        suite, asked = self.run.suite, self.asked
        return {
            (name, dimension.id): own_leaning(suite, name, dimension)
            for name in asked.sweep.constitutions
            for dimension in asked.dimensions.values()
        }

    def score(self, model: Model) -> None:
        """Put all questions to the model."""
        digest = self.run.identities.digest(model)
        if digest is None:
            raise NotMeasured(f"{model.id} has no weights")
        self.digests[model.id] = digest
        queries = [*self.asked.persona(), *self.asked.refusal()]
        self.run.scorer.score_missing(model, digest, queries)

    def value(self, model_id: str, query: Query) -> Value:
        """The stored score, as `Run.value` gives it for models that models.yaml names."""
        found: Value | None = self.run.store.scores(self.digests[model_id]).values.get(query.key)
        if found is None:
            raise NotMeasured(f"{model_id} was not asked {query.kind} {query.target!r}")
        return found

    def curve(self, name: str, recipe: Recipe, settings: Mapping[str, object]) -> Curve:
        """One recipe: every model trained, then looked at. A failure is noted, not raised."""
        try:
            trained = {
                who: trajectory_of(
                    model, self.asked.sweep.points, self.run.identities, self.run.progress
                )
                for who, model in self.asked.models(name, recipe).items()
            }
            self.score(self.source)
            steps = next(iter(trained.values())).steps
            points = tuple(self._point(step, epochs, trained) for step, epochs in steps.items())
        except Exception as error:
            # Whatever it is, it belongs to this recipe and to no other.
            problem = inert(first_line(error), 300)
            self.run.progress.say(f"{name} could not be measured: {problem}")
            return Curve(name, settings, problem=problem)
        return Curve(name, settings, points, sum(found.seconds for found in trained.values()))

    def _point(self, step: int, epochs: float, trained: Mapping[str, Trajectory]) -> Point:
        models = {who: found.point(step) for who, found in trained.items()}
        self.run.scorer.expect(models.values())
        for model in models.values():
            self.score(model)
        self.run.scorer.expect(())
        return Point(
            step,
            epochs,
            tuple(
                self.asked.model_point(
                    self.value,
                    who,
                    models,
                    self.source,
                    self.leanings,
                    self.digests[models[who].id],
                    trained[who].loss(step),
                )
                for who in models
            ),
            self.asked.contrast(self.value, models),
        )


def sweep(options: argparse.Namespace) -> int:
    """Measure every recipe of the file, writing what is known after each."""
    if not options.file.exists():
        raise UsageError(f"{options.file} does not exist")
    run = run_of(options, options.file)
    suite, spec = run.suite, read_spec(Sweep, options.file)
    runner = Runner(SweepQuestions(suite, spec), run)
    file: Path = options.out or suite.root / SWEEPS / f"{spec.id}.json"
    curves: list[Curve] = []
    for name, (recipe, settings) in spec.expanded(suite).items():
        curves.append(runner.curve(name, recipe, settings))
        report = _report(spec, suite, runner, tuple(curves))
        save(report, markdown(report), file)
    print(report.text())
    told(file)
    return 1 if any(curve.problem for curve in curves) else 0


def _report(spec: Sweep, suite: Suite, runner: Runner, curves: tuple[Curve, ...]) -> SweepReport:
    source, measured = runner.source, runner.source.id in runner.digests
    return SweepReport(
        name=spec.id,
        about=spec.about,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=f"ethogram sweep {shown(spec.place.file)}",
        models=(*spec.constitutions, PLACEBO),
        scope=spec.scope,
        seed=spec.seed,
        prompts=spec.prompts,
        source={
            side: runner.asked.refused(runner.value, source, side) if measured else None
            for side in SIDES
        },
        curves=curves,
        versions=versions(),
        files=file_digests(suite),
    )
