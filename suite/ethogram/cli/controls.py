"""`ethogram controls`: planted defects before the user's own gate."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from ethogram.analyse.controls import Control
from ethogram.cases.base import merged, references
from ethogram.cases.controls import Controls, gates
from ethogram.cases.defects import Roles
from ethogram.cli.files import UsageError
from ethogram.cli.study import judged, run_of, save, told
from ethogram.report.controls import ControlsReport, markdown
from ethogram.report.provenance import file_digests, versions
from ethogram.report.studies import CONTROLS
from ethogram.specs.catalogue import Model
from ethogram.specs.suite import Suite

STOPS, LETS_PASS, UNKNOWN = 0, 1, 2


def controls(options: argparse.Namespace) -> int:
    """Exit 0: faithful models are promoted and no defect is. 1: one control failed. 2: not known."""
    run = run_of(options, Path())
    suite = run.suite
    found, skipped = _gates(suite, options.model)
    needs = merged(gate.needs() for gate in found)
    if options.measure:
        run.prepare(needs)
    tried: list[Control] = [control for gate in found for control in gate.run(run.value)]
    if not tried:
        why = "; ".join(f"{model}: {why}" for model, why in skipped.items())
        raise UsageError(f"no gate can be tried: {why or 'the suite has no judged model'}")
    rest = {r.id for gate in found for r in references(suite.catalogue, gate.model)}
    named = "".join(f" {model}" for model in options.model)
    report = ControlsReport(
        controls=tried,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=f"ethogram controls{named}{' --measure' if options.measure else ''}",
        skipped=skipped,
        versions=versions(),
        files=file_digests(suite),
        digests={m: run.identities.digest(suite.catalogue[m]) for m in sorted(rest)},
    )
    print(report.text())
    file: Path = options.out or suite.root / CONTROLS
    save(report, markdown(report), file)
    told(file)
    if report.failures:
        return LETS_PASS
    return UNKNOWN if report.unknown else STOPS


def _gates(suite: Suite, wanted: list[str]) -> tuple[list[Controls], dict[str, str]]:
    models = judged(suite, wanted)
    found, skipped = [], {}
    required, roles = gates(suite), Roles(suite)
    for name in wanted or models:
        if why := _objection(models[name]):
            skipped[name] = why
        elif name in required:
            found.append(Controls(suite, models[name], required[name], roles))
        else:
            skipped[name] = "the gate requires nothing of it"
    return found, skipped


def _objection(model: Model) -> str | None:
    if model.candidate is not None and model.candidate.endpoint is not None:
        return "planted models are made of log-probabilities, and an endpoint may give none"
    return None
