"""What one pytest session holds: the suites that it meets and their runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ethogram.cases import Case, Needs, follow_up
from ethogram.cases.base import merged
from ethogram.jobs import Progress, Run
from ethogram.plan import NotMeasured, Query
from ethogram.plugin.searches import search
from ethogram.specs.errors import SpecError
from ethogram.specs.layout import CONSTITUTIONS
from ethogram.specs.suite import Suite
from ethogram.store import Store, default_root


@dataclass
class SuiteSession:
    """One pytest session; under xdist there is one in every worker and one in the controller.

    Every worker collects all cases and makes all of their models ready. The store's locks let one
    worker do each job while the others wait and then read.
    """

    cache: Path
    models_file: Path | None
    skip_undecided: bool
    worker: bool
    explore: int | None = None
    """The seed of an exploration; None where every search follows its file's own."""
    runs: dict[Path, Run] = field(default_factory=dict)
    _suites: dict[Path, Suite | None] = field(default_factory=dict)

    @classmethod
    def of(cls, config: pytest.Config) -> SuiteSession:
        named = config.getoption("ethogram_cache")
        models = config.getoption("ethogram_models")
        return cls(
            cache=Path(named) if named else default_root(),
            models_file=Path(models).resolve() if models else None,
            skip_undecided=config.getoption("ethogram_undecided") == "skip",
            worker=hasattr(config, "workerinput"),
            explore=config.getoption("ethogram_explore"),
        )

    @property
    def exploring(self) -> str | None:
        """One line that says with which seed this session explores; None where it does not."""
        if self.explore is None:
            return None
        return f"ethogram explores: again with --ethogram-explore={self.explore}"

    def suite_around(self, path: Path) -> Suite | None:
        """The suite that holds the file or folder; None outside of any."""
        if path not in self._suites:
            found = Suite.around(path, self.models_file)
            known = [s for s in self._suites.values() if s and found and s.root == found.root]
            self._suites[path] = known[0] if known else found
        return self._suites[path]

    def run_around(self, path: Path) -> Run:
        """The run of the suite that holds `path`. Raises ValueError outside of any."""
        suite = self.suite_around(path)
        if suite is None:
            raise ValueError(f"{path} lies in no suite: no {CONSTITUTIONS}/ folder above it")
        if suite.root not in self.runs:
            suite.exploration.seed = self.explore
            self.runs[suite.root] = Run(suite, Store(self.cache), Progress(bars=not self.worker))
        return self.runs[suite.root]

    def check_shared(self, config: pytest.Config) -> None:
        """Name what is wrong in models.yaml, in a constitution or between files: once, at the start.

        A dangling name would otherwise drop cases in silence. A wrong file of cases is left to its
        own collection error.
        """
        for argument in config.args:
            start = config.invocation_params.dir / argument.split("::")[0]
            suite = self.suite_around(start.resolve()) if start.exists() else None
            if suite is None:
                continue
            problems = suite.shared_problems()
            if problems:
                raise pytest.UsageError(f"the suite cannot run\n{SpecError(problems)}")

    def make_ready(self, session: pytest.Session) -> None:
        """Finetune and score all that the selected cases need, before the first of them runs."""
        option = session.config.option
        broken = session.testsfailed and not option.continue_on_collection_errors
        if option.collectonly or broken:
            return
        cases: dict[Path, list[Case]] = {}
        for item in session.items:
            case: Case | None = getattr(item, "case", None)
            if case is not None:
                cases.setdefault(self.run_around(item.path).suite.root, []).append(case)
        capture = session.config.pluginmanager.getplugin("capturemanager")
        for root, held in cases.items():
            if capture is None:
                self._prepare(self.runs[root], held)
                continue
            # Progress is for the person who waits now; captured, it would show after the run.
            with capture.global_and_fixture_disabled():
                self._prepare(self.runs[root], held)

    def _prepare(self, run: Run, cases: Sequence[Case]) -> None:
        """Servers first, for what they give decides what is asked; judges late, for they judge it.

        Searches last: what they ask depends on what was answered.
        """
        run.learn({case.model.id: None for case in cases})
        needs = [(case, case.needs()) for case in cases]
        run.preflight(self._in_order(run, merged(asked for _, asked in needs)))
        # Nothing is finetuned or scored for a case that cannot be measured anyway.
        able = [(case, asked) for case, asked in needs if not run.failures.keys() & asked.keys()]
        run.prepare(self._in_order(run, merged(asked for _, asked in able)))
        run.prepare(merged(_judgements(case, run) for case, _ in able))
        search(run, [case for case, _ in able], lambda needs: self._in_order(run, needs))

    @staticmethod
    def _in_order(run: Run, needs: Mapping[str, Sequence[Query]]) -> dict[str, Sequence[Query]]:
        """Sources first, then as models.yaml names them: all workers meet the locks alike."""
        return {model.id: needs[model.id] for model in run.suite.catalogue if model.id in needs}


def _judgements(case: Case, run: Run) -> Needs:
    try:
        return follow_up(case, run.value)
    except NotMeasured:
        return {}  # a model that could not be made ready: the case itself says so


SESSION = pytest.StashKey[SuiteSession]()
