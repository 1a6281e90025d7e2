"""Outcomes from the cases, over xdist, into the report at the end of the run."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from ethogram.analyse.outcomes import Outcome
from ethogram.jobs import NotMeasured, Run
from ethogram.plugin.models import row_of, versions
from ethogram.plugin.session import SESSION
from ethogram.report import document
from ethogram.report.terminal import render
from ethogram.report.words import inert
from ethogram.specs.errors import shown

_OUTCOME = TypeAdapter(Outcome)
CARRIED = "ethogram"
"""The attribute of a test report that carries the outcome; it crosses xdist as plain data."""


def attach(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
    """Put a case's outcome on its report, and short properties where JUnit shows them."""
    if getattr(item, "case", None) is None:
        return
    outcome: Outcome | None = getattr(item, "outcome", None)
    carried = outcome.as_json() if outcome is not None and report.when == "call" else {}
    setattr(report, CARRIED, carried)
    if call.excinfo is not None and isinstance(call.excinfo.value, NotMeasured):
        # What was not measured has no traceback that would help anybody.
        report.longrepr = f"{item.nodeid} was not measured\n{call.excinfo.value}"
    if outcome is not None and report.when == "call":
        measured = outcome.measured
        report.user_properties += [
            ("verdict", outcome.verdict),
            ("measured", f"{measured.value:+.4f}"),
            ("ci95", f"{measured.low:+.4f} {measured.high:+.4f}"),
            ("n", str(measured.n)),
            ("reference", outcome.reference),
        ]


@dataclass
class Gatherer:
    """Registered as a plugin in the process that prints: the controller under xdist."""

    config: pytest.Config
    results: Path | None
    command: str
    begun: float = field(default_factory=time.time)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, config: pytest.Config) -> Gatherer:
        named = config.getoption("ethogram_results")
        command = " ".join(["pytest", *map(str, config.invocation_params.args)])
        return cls(config, Path(named).resolve() if named else None, command)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        carried = getattr(report, CARRIED, None)
        if carried is None:
            return
        if carried:
            self.outcomes[report.nodeid] = _OUTCOME.validate_python(_undefined_to_nan(carried))
        elif report.failed:
            lines = str(report.longrepr).strip().splitlines() or [""]
            self.errors[report.nodeid] = inert(lines[min(1, len(lines) - 1)], 200)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self.outcomes and not self.errors:
            return
        session = self.config.stash[SESSION]
        roots = {
            self.config.rootpath / name.split("::")[0] for name in (*self.outcomes, *self.errors)
        }
        for run in {id(r): r for r in map(session.run_around, roots)}.values():
            report = self._report(run)
            terminalreporter.write_sep("=", "ethogram")
            terminalreporter.write_line(render(report))
            self._write(report, run, terminalreporter)

    def _write(self, report: document.Report, run: Run, terminal: Any) -> None:
        results = self.results or run.suite.root / "results"
        begun = datetime.fromtimestamp(self.begun, tz=UTC)
        try:
            file = document.write(report, results, begun.strftime("%Y-%m-%dT%H%M%SZ"))
        except OSError as error:
            terminal.write_line(f"the report could not be written to {results}: {error}", red=True)
            return
        terminal.write_line(f"report: {shown(file)}")

    def _report(self, run: Run) -> document.Report:
        outcomes = tuple(self.outcomes[name] for name in sorted(self.outcomes))
        named = {o.model for o in outcomes} | {o.reference for o in outcomes} | set(run.failures)
        begun = datetime.fromtimestamp(self.begun, tz=UTC)
        problems = [f"{name}: {error}" for name, error in run.failures.items()]
        problems += [reason for reason in self.errors.values() if reason]
        return document.Report(
            started=begun.isoformat(timespec="seconds"),
            seconds=round(time.time() - self.begun, 1),
            command=self.command,
            outcomes=outcomes,
            models=tuple(
                row_of(model, run, outcomes) for model in run.suite.catalogue if model.id in named
            ),
            problems=tuple(dict.fromkeys(problems)),
            errors=tuple(sorted(self.errors)),
            versions=versions(),
        )


def _undefined_to_nan(value: Any) -> Any:
    """The limits that JSON carries as null, as the numbers that the dataclasses hold."""
    if isinstance(value, dict):
        numbers = ("value", "low", "high", "d_z")
        return {
            key: float("nan") if part is None and key in numbers else _undefined_to_nan(part)
            for key, part in value.items()
        }
    if isinstance(value, list):
        return [_undefined_to_nan(part) for part in value]
    return value
