"""A small suite that has run once, its warm cache, and copies of both for every test."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).resolve().parents[1] / "conftest.py"
ENV = {"ETHOGRAM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Warm:
    """The suite after its first run: what that printed, and what it stored."""

    root: Path
    cache: Path
    output: str
    report: dict[str, Any]


@dataclass(frozen=True)
class House:
    """One test's own copy of the warm suite and of its cache."""

    root: Path
    cache: Path
    pytester: pytest.Pytester

    def run(self, *args: str) -> pytest.RunResult:
        return self.pytester.runpytest_inprocess(f"--ethogram-cache={self.cache}", *args)

    def run_apart(self, *args: str) -> pytest.RunResult:
        """In a process of its own: what is imported there says something."""
        return self.pytester.runpytest_subprocess(f"--ethogram-cache={self.cache}", *args)

    def report(self) -> dict[str, Any]:
        return read(self.root)

    def rewrite(self, name: str, old: str, new: str) -> Path:
        file = self.root / name
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")
        return file

    def ids(self, *args: str) -> list[str]:
        """Node ids that a run would select."""
        result = self.run("--collect-only", "-q", *args)
        return [line for line in result.outlines if "::" in line]


def read(root: Path) -> dict[str, Any]:
    """The newest report of the suite."""
    found: dict[str, Any] = json.loads((root / "results" / "latest" / "report.json").read_text())
    return found


def write_house(request: pytest.FixtureRequest, root: Path, model: Path) -> Path:
    shared: Any = request.config.pluginmanager.get_plugin(str(SHARED))
    root.mkdir(parents=True)
    written: Path = shared.write_small_suite(root, model)
    return written


@pytest.fixture(scope="session")
def warm(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path
) -> Warm:
    base = tmp_path_factory.mktemp("warm")
    root, cache = write_house(request, base / "house", tiny_folder), base / "cache"
    # In this process: torch and its friends are then loaded once for all tests here.
    modules, path, before = sys.modules.copy(), sys.path.copy(), Path.cwd()
    output = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENV.items():
            patch.setenv(name, value)
        os.chdir(root)
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            pytest.main(["suite", f"--ethogram-cache={cache}"])
        os.chdir(before)
    sys.path[:] = path
    if "conftest" in modules:
        sys.modules["conftest"] = modules["conftest"]
    return Warm(root, cache, output.getvalue(), read(root))


@pytest.fixture
def house(warm: Warm, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> House:
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("ETHOGRAM_CACHE", raising=False)
    root, cache = pytester.path / "house", pytester.path / "cache"
    shutil.copytree(warm.root, root, ignore=shutil.ignore_patterns("results", "__pycache__"))
    shutil.copytree(warm.cache, cache)
    monkeypatch.chdir(root)
    return House(root, cache, pytester)


@pytest.fixture
def bare(
    request: pytest.FixtureRequest, tiny_folder: Path, house: House, pytester: pytest.Pytester
) -> House:
    """The same suite with nothing in its cache."""
    shutil.rmtree(house.cache)
    return house
