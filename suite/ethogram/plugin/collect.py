"""YAML files as pytest collectors: File -> group -> Trial."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from ethogram.analyse.outcomes import Outcome
from ethogram.cases import Case, cases_of, follow_up
from ethogram.plugin.session import SESSION
from ethogram.report.failure import brief, explain
from ethogram.specs.errors import SpecError, did_you_mean
from ethogram.specs.layout import KINDS, REQUIREMENTS


class ContraryOutcome(AssertionError):
    """A case whose outcome is not what is expected of the model."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.case)
        self.outcome = outcome


def suite_file(path: Path, parent: pytest.Collector) -> SuiteFile | None:
    """A collector for a suite's YAML file; None for any other file."""
    if path.suffix not in (".yaml", ".yml") or path.name.startswith("."):
        return None
    if path.parent.name not in KINDS and path.name != REQUIREMENTS:
        return None
    if parent.config.stash[SESSION].suite_around(path) is None:
        return None
    collector: SuiteFile = SuiteFile.from_parent(parent, path=path)
    return collector


class SuiteFile(pytest.File):
    """One YAML file."""

    def collect(self) -> Iterable[CaseGroup]:
        session = self.config.stash[SESSION]
        suite = session.suite_around(self.path)
        assert suite is not None
        if self.path.suffix != ".yaml":
            raise self.CollectError(f"{self.path}: name the file .yaml; .yml is not read")
        try:
            cases = cases_of(self.path, suite)
        except SpecError as error:
            raise self.CollectError(str(error)) from None
        for name, group in groupby(cases, key=lambda case: case.group):
            yield CaseGroup.from_parent(self, name=name, cases=list(group))


class CaseGroup(pytest.Collector):
    """The cases of one probe, scenario or requirement: one for each model."""

    def __init__(self, *, cases: list[Case], **keywords: Any) -> None:
        super().__init__(**keywords)
        self.cases = cases

    def collect(self) -> Iterable[Trial]:
        for case in self.cases:
            yield Trial.from_parent(self, name=case.model.id, case=case)


class Trial(pytest.Item):
    """One case. Running it reads its numbers and asserts its verdict; nothing is scored here."""

    def __init__(self, *, case: Case, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.case = case
        self.outcome: Outcome | None = None
        self.add_marker(case.kind)

    def runtest(self) -> None:
        session = self.config.stash[SESSION]
        run = session.run_around(self.path)
        self.outcome = self.case.judge(run.value)
        # A requirement that no judge may decide is not met: a gate never passes on what is not known.
        if self.outcome.verdict == "unjudged" and self.outcome.kind != "projectability":
            pytest.skip(brief(self.outcome))
        if self.outcome.verdict == "undecided" and session.skip_undecided:
            pytest.skip(explain(self.outcome).splitlines()[0])
        if self.outcome.verdict != "holds":
            raise ContraryOutcome(self.outcome)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, ContraryOutcome):
            return explain(excinfo.value.outcome)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        return self.path, None, f"{self.parent.name if self.parent else ''}::{self.name}"

    def setup(self) -> None:
        # What cannot be measured is an error of the run, not a failure of the persona.
        run = self.config.stash[SESSION].run_around(self.path)
        run.refuse(self.case.needs())
        run.refuse(follow_up(self.case, run.value))


def unheard(keyword: str, items: Iterable[pytest.Item]) -> Iterator[str]:
    """Words of a -k expression that no case's id holds, each with the nearest that one does hold."""
    cases = [item for item in items if isinstance(item, Trial)]
    known = {
        part
        for item in cases
        for part in (item.name, item.case.group, item.path.stem, item.case.model.constitution)
        if part
    }
    if not cases:  # tests in Python, whose words are their own
        return
    for word in dict.fromkeys(re.findall(r"[\w-]+", keyword)):
        lower = word.lower()
        if lower not in ("and", "or", "not") and not any(lower in i.nodeid.lower() for i in cases):
            yield f"no case's id holds {word!r}{did_you_mean(lower, known)}"


COSTLY = ("pressure", "perturbation")
"""Kinds of cases that ask several times as much as all others."""


def leave_out_costly(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the costly kinds unless -m, -k or a path names them, or the file of the case.

    `--ethogram-all` leaves them in.
    """
    if config.getoption("ethogram_all"):
        return
    asked = (config.option.markexpr, config.option.keyword, *map(str, config.args))

    def idle(item: pytest.Item) -> bool:
        if not isinstance(item, Trial) or item.case.kind not in COSTLY:
            return False
        return not any(name in part for name in (item.case.kind, item.path.stem) for part in asked)

    parted: dict[bool, list[pytest.Item]] = {True: [], False: []}
    for item in items:
        parted[idle(item)].append(item)
    if parted[True]:
        config.hook.pytest_deselected(items=parted[True])
        items[:] = parted[False]
