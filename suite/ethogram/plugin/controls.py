"""`--ethogram-controls`: after the cases, planted models before the gate of every judged model."""

from __future__ import annotations

from collections.abc import Container
from datetime import UTC, datetime

from ethogram.cases.controls import controls
from ethogram.jobs import Run
from ethogram.plugin.models import digest_of
from ethogram.report.controls import ControlsReport, markdown
from ethogram.report.document import write_study
from ethogram.report.provenance import file_digests, versions
from ethogram.report.studies import CONTROLS
from ethogram.specs.errors import shown


def planted(run: Run, named: Container[str], command: str) -> ControlsReport:
    """The controls of the models that are `named`, from stored scores; written where studies lie."""
    suite = run.suite
    found, skipped = controls(suite, [m for m in suite.catalogue if m.judged and m.id in named])
    rest = sorted({name for gate in found for name in gate.compared})
    report = ControlsReport(
        controls=[control for gate in found for control in gate.run(run.value)],
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        skipped=skipped,
        versions=versions(),
        files=file_digests(suite),
        digests={m: digest_of(suite.catalogue[m], run) for m in rest},
    )
    if report.blind:
        return report
    file = suite.root / CONTROLS
    try:
        write_study(report.as_json(), markdown(report), file)
    except OSError as error:
        # The report of the run has still to be written, perhaps elsewhere.
        run.progress.say(f"the controls could not be written to {shown(file)}: {error}")
    return report
