"""Outcomes from the cases, over xdist, into the report at the end of the run."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from ethogram.analyse.outcomes import Outcome, plain
from ethogram.cases.base import case_id, relative
from ethogram.cases.seeds import seed_groups
from ethogram.cases.texts import item_texts
from ethogram.inert import inert, inert_lines
from ethogram.jobs import NotMeasured, Run
from ethogram.plugin.collect import Trial, unheard
from ethogram.plugin.compared import against_baseline
from ethogram.plugin.controls import planted
from ethogram.plugin.models import digest_of, judge_rows, row_of, seeds_row
from ethogram.plugin.session import SESSION
from ethogram.report import document, html
from ethogram.report.controls import ControlsReport
from ethogram.report.pages import PAGES
from ethogram.report.provenance import file_digests, path_in, versions
from ethogram.report.rows import ModelRow
from ethogram.report.studies import studies
from ethogram.report.terminal import render
from ethogram.report.words import number
from ethogram.specs.errors import named as listed
from ethogram.specs.errors import shown

_OUTCOME = TypeAdapter(Outcome)
SHOWN = 3
"""Models that are named for a reason that several have; the rest is counted."""
CARRIED = "ethogram"
"""The attribute of a test report that carries the outcome; it crosses xdist as plain data."""


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """A case that ended in an error: which, of which models, and why."""

    case: str
    models: tuple[str, ...]
    problems: tuple[str, ...]


_UNMEASURED = TypeAdapter(Unmeasured)


def attach(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
    """Put a case's outcome on its report, and short properties where JUnit shows them."""
    if not isinstance(item, Trial):
        return
    outcome = item.outcome
    root = str(item.config.stash[SESSION].run_around(item.path).suite.root)
    if outcome is None and report.failed and call.excinfo is not None:
        error = call.excinfo.value
        unmeasured = _unmeasured(item, error)
        setattr(report, CARRIED, {"unmeasured": plain(asdict(unmeasured)), "root": root})
        if isinstance(error, NotMeasured):
            # What was not measured has no traceback that would help anybody.
            report.longrepr = "\n".join((f"{item.nodeid} was not measured", *unmeasured.problems))
        _show(item, report, [("verdict", "not measured"), *_digest(item)])
    if outcome is not None and report.when == "call":
        setattr(report, CARRIED, {"outcome": outcome.as_json(), "root": root})
        _show(item, report, [*properties_of(outcome), *_digest(item)])


def _show(item: Trial, report: pytest.TestReport, found: list[tuple[str, object]]) -> None:
    report.user_properties += found
    # JUnit reads them off the report of the teardown, which takes them from the item.
    item.user_properties += found


def properties_of(outcome: Outcome) -> list[tuple[str, object]]:
    """What JUnit shows of a case, as text that is legal in XML; a dash where there is no number."""
    measured = outcome.measured
    found = {
        "verdict": outcome.verdict,
        "expected": outcome.expected,
        "measured": number(measured.value, 4),
        "ci95": f"{number(measured.low, 4)} {number(measured.high, 4)}",
        "n": str(measured.n),
        "reference": outcome.reference,
        "gap": number(outcome.gap, 4),
    }
    return [(name, inert(value)) for name, value in found.items()]


def _digest(item: Trial) -> list[tuple[str, object]]:
    """The digest of the case's model, where there is such a model."""
    run = item.config.stash[SESSION].run_around(item.path)
    digest = digest_of(item.case.model, run)
    return [("digest", digest)] if digest else []


def clean(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Take secrets, control characters and commands out of all that a report prints."""
    shown = report.longrepr
    if isinstance(shown, tuple):
        report.longrepr = (shown[0], shown[1], inert_lines(shown[2]))
    elif shown is not None and (tidy := inert_lines(report.longreprtext)) != report.longreprtext:
        report.longrepr = tidy
    report.sections = [(name, inert_lines(text)) for name, text in report.sections]


def _unmeasured(item: Trial, error: BaseException) -> Unmeasured:
    run, case = item.config.stash[SESSION].run_around(item.path), item.case
    models = tuple(case.needs())
    problems = [f"{name}: {run.failures[name]}" for name in models if name in run.failures]
    if not problems:
        kind = "" if isinstance(error, NotMeasured) else f"{type(error).__name__}: "
        problems = [f"{case.model.id}: {kind}{error}"]
    file = relative(item.path, run.suite.root)
    named = case_id(file, case.group, case.model)
    return Unmeasured(named, models, tuple(inert(problem, 300) for problem in problems))


@dataclass(eq=False)
class Gatherer:
    """Registered as a plugin in the process that prints: the controller under xdist."""

    config: pytest.Config
    results: Path | None
    command: str
    baseline: str | None = None
    begun: float = field(default_factory=time.time)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    errors: dict[str, Unmeasured] = field(default_factory=dict)
    roots: dict[str, Path] = field(default_factory=dict)
    """Where the suite of a case lies; its node id does not say it, outside of pytest's rootdir."""
    controls: dict[Path, ControlsReport] = field(default_factory=dict)
    """By suite: what its gate did with planted models, where that was asked for."""
    selected: dict[str, None] = field(default_factory=dict)
    """Node ids of the cases that were to run: after -x or a crash not all of them have."""

    deselected: list[pytest.Item] = field(default_factory=list)
    idle: bool = False
    """Whether nothing at all was selected."""

    @classmethod
    def of(cls, config: pytest.Config) -> Gatherer:
        named = config.getoption("ethogram_results")
        command = shlex.join(["pytest", *map(str, config.invocation_params.args)])
        baseline = config.getoption("ethogram_baseline")
        return cls(config, Path(named).resolve() if named else None, command, baseline)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self.deselected += items

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.idle = not session.items
        self.selected |= {item.nodeid: None for item in session.items if isinstance(item, Trial)}

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        self.selected |= {name: None for name in ids if ".yaml::" in name}

    def _never_ran(self, root: Path) -> list[str]:
        """Ids of the suite's selected cases that have neither an outcome nor an error."""
        found = []
        for name in self.selected:
            if name in self.outcomes or name in self.errors:
                continue
            file, _, rest = name.partition("::")
            path = (self.config.rootpath / file).resolve()
            if path.is_relative_to(root):
                found.append(f"{relative(path, root)}::{rest}")
        return found

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        carried = getattr(report, CARRIED, {})
        if carried:
            self.roots[report.nodeid] = Path(carried["root"])
        if "outcome" in carried:
            found = _undefined_to_nan(carried["outcome"])
            self.outcomes[report.nodeid] = _OUTCOME.validate_python(found)
        if "unmeasured" in carried:
            self.errors[report.nodeid] = _UNMEASURED.validate_python(carried["unmeasured"])

    def _by_suite(self) -> dict[Path, list[str]]:
        """The cases that came to an end, by the root of their suite."""
        found: dict[Path, list[str]] = {}
        for name in sorted({*self.outcomes, *self.errors}):
            found.setdefault(self.roots[name], []).append(name)
        return found

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        ended = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        wanted = any(map(self.config.getoption, ("ethogram_controls", "ethogram_all")))
        if not wanted or session.exitstatus not in ended:
            return
        for root, names in self._by_suite().items():
            run = self.config.stash[SESSION].run_around(root)
            models = {self.outcomes[name].model for name in names if name in self.outcomes}
            self.controls[root] = found = planted(run, models, self.command)
            if session.exitstatus == pytest.ExitCode.OK and not found.proven:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        session = self.config.stash[SESSION]
        if self.idle and self.config.option.keyword:
            for line in unheard(self.config.option.keyword, self.deselected):
                terminalreporter.write_line(line, red=True)
        for root, names in self._by_suite().items():
            run = session.run_around(root)
            report = self._report(run, names)
            terminalreporter.write_sep("=", "ethogram")
            if root in self.controls:
                terminalreporter.write_line(f"{self.controls[root].text()}\n")
            against_baseline(report, run, self.baseline, terminalreporter)
            terminalreporter.write_line(render(report))
            if session.exploring:
                terminalreporter.write_line(session.exploring)
            self._write(report, run, terminalreporter)

    def _write(self, report: document.Report, run: Run, terminal: Any) -> None:
        results = self.results or run.suite.root / "results"
        begun = datetime.fromtimestamp(self.begun, tz=UTC)
        try:
            file = document.write(report, results, begun.strftime("%Y-%m-%dT%H%M%SZ"), PAGES)
        except OSError as error:
            terminal.write_line(f"the report could not be written to {results}: {error}", red=True)
            return
        except Exception as error:
            # A page that cannot be drawn must not cost a run its numbers: they are written first.
            why = inert(f"{type(error).__name__}: {error}", 300)
            terminal.write_line(f"report.json is written, its pages are not: {why}", red=True)
            file = results / document.LATEST / document.REPORT
        else:
            file = file.with_name(html.NAME)
        terminal.write_line(f"report: {shown(file)}")

    def _report(self, run: Run, names: Sequence[str]) -> document.Report:
        outcomes = tuple(self.outcomes[name] for name in names if name in self.outcomes)
        errors = [self.errors[name] for name in names if name in self.errors]
        named = {o.model for o in outcomes} | {o.reference for o in outcomes} | set(run.failures)
        named |= {against.reference for outcome in outcomes for against in outcome.against}
        named |= {model for error in errors for model in error.models}
        # What stands for all seeds has no digest: those of the seeds say what was measured.
        groups = [group for group in seed_groups(run.suite) if group.model.id in named]
        named |= {member.id for group in groups for member in group.members}
        begun = datetime.fromtimestamp(self.begun, tz=UTC)
        run.learn([model.id for model in run.suite.catalogue if model.id in named], ask=False)
        idle = self._never_ran(run.suite.root)
        problems = {inert(f"{name}: {error}", 300) for name, error in run.failures.items()}
        problems |= {problem for error in errors for problem in error.problems}
        if idle:
            problems.add(f"{len(idle)} selected cases never ran")
        rows = self._rows(run, named, outcomes)
        files = file_digests(run.suite)
        return document.Report(
            started=begun.isoformat(timespec="seconds"),
            seconds=round(time.time() - self.begun, 1),
            command=self.command,
            outcomes=outcomes,
            models=rows,
            judges=judge_rows(run, outcomes),
            problems=by_cause(problems),
            errors=tuple(sorted([*(error.case for error in errors), *idle])),
            versions=versions(),
            files=files,
            models_file=path_in(run.suite, run.suite.models_file),
            studies=tuple(studies(run.suite.root, files, {row.model: row.digest for row in rows})),
            texts=item_texts(run.suite, {outcome.subject for outcome in outcomes}),
        )

    @staticmethod
    def _rows(run: Run, named: set[str], outcomes: tuple[Outcome, ...]) -> tuple[ModelRow, ...]:
        """A row for every model that the cases name, and for every group of seeds of theirs."""
        return (
            *(row_of(m, run, outcomes) for m in run.suite.catalogue if m.id in named),
            *(
                seeds_row(group, run, outcomes)
                for group in seed_groups(run.suite)
                if named & {group.model.id, *(m.id for m in group.members)}
            ),
        )


def by_cause(problems: Iterable[str]) -> tuple[str, ...]:
    """Lines `model: why`, one for each reason, with all models that it stopped."""
    models: dict[str, list[str]] = {}
    for problem in sorted(problems):
        model, colon, why = problem.partition(": ")
        models.setdefault(why if colon else problem, []).extend([model] if colon else [])
    return tuple(f"{listed(who, SHOWN)}: {why}" if who else why for why, who in models.items())


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
