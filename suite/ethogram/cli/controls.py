"""`ethogram controls`: planted defects before the user's own gate."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from ethogram.analyse.controls import Control
from ethogram.cases.base import merged
from ethogram.cases.controls import controls as planted
from ethogram.cli.files import UsageError
from ethogram.cli.study import judged, run_of, save, told
from ethogram.report.controls import ControlsReport, markdown
from ethogram.report.provenance import file_digests, versions
from ethogram.report.studies import CONTROLS

STOPS, LETS_PASS, UNKNOWN = 0, 1, 2


def controls(options: argparse.Namespace) -> int:
    """Exit 0: faithful models are promoted and no defect is. 1: one control failed. 2: not known."""
    run = run_of(options, Path())
    suite = run.suite
    models = judged(suite, options.model)
    found, skipped = planted(suite, [models[name] for name in options.model or models])
    needs = merged(gate.needs() for gate in found)
    if options.measure:
        run.prepare(needs)
    tried: list[Control] = [control for gate in found for control in gate.run(run.value)]
    if not tried:
        why = "; ".join(f"{model}: {why}" for model, why in skipped.items())
        raise UsageError(f"no gate can be tried: {why or 'the suite has no judged model'}")
    rest = {name for gate in found for name in gate.compared}
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
    if report.blind:
        print("nothing was measured, so nothing was written", file=sys.stderr)
        return UNKNOWN
    file: Path = options.out or suite.root / CONTROLS
    save(report, markdown(report), file)
    told(file)
    if report.failures:
        return LETS_PASS
    return UNKNOWN if report.unknown else STOPS
