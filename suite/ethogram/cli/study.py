"""What every study does before it measures and after: a sound suite with its run, two files."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from ethogram.cli.files import UsageError, suite_around
from ethogram.jobs import NotMeasured, Progress, Run
from ethogram.measure.errors import EngineError
from ethogram.report.document import write_study
from ethogram.source.obtain import SourceError
from ethogram.specs.catalogue import Model
from ethogram.specs.errors import SpecError, did_you_mean, shown
from ethogram.specs.suite import Suite
from ethogram.store import Store, StoreError, default_root

PLAIN = (NotMeasured, SpecError, SourceError, StoreError, EngineError, OSError)
"""Errors whose message says all."""


class StudyReport(Protocol):
    """The report of a study."""

    def as_json(self) -> dict[str, Any]: ...


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """For a study whose exit code 1 is an answer: whatever goes wrong is a UsageError, and exit 2."""
    try:
        yield
    except (UsageError, BrokenPipeError):
        raise
    except Exception as error:
        kind = "" if isinstance(error, PLAIN) else f"{type(error).__name__}: "
        raise UsageError(f"{kind}{error}") from error


def run_of(options: argparse.Namespace, path: Path) -> Run:
    """A run over the suite around `path`. Raises SpecError where the suite cannot run."""
    suite = suite_around(path, options.models)
    if problems := suite.shared_problems():
        raise SpecError(problems)
    return Run(suite, Store(options.cache or default_root()), Progress())


def judged(suite: Suite, wanted: Iterable[str]) -> dict[str, Model]:
    """The suite's judged models by id. Raises UsageError where a wanted one is none of them."""
    known = {model.id: model for model in suite.catalogue if model.judged}
    for name in wanted:
        if name not in known:
            raise UsageError(f"no judged model is called {name!r}{did_you_mean(name, known)}")
    return known


def save(report: StudyReport, page: str, file: Path) -> None:
    """Write the report's JSON, and the page beside it."""
    write_study(report.as_json(), page, file)


def told(file: Path) -> None:
    """Say where a report was written."""
    print(f"\nwritten: {shown(file)} and {file.with_suffix('.md').name} beside it")
