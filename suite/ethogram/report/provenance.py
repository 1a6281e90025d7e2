"""What produced a number: digests of everything that the user wrote, versions of everything else."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterator
from pathlib import Path

from ethogram import __version__
from ethogram.specs.judging import ANSWERS, RUBRIC
from ethogram.specs.layout import CONSTITUTIONS, KINDS, REQUIREMENTS, listed
from ethogram.specs.suite import Suite
from ethogram.store import file_digest

PACKAGES = ("pytest", "torch", "transformers", "peft", "numpy", "scipy", "pydantic", "hypothesis")


def file_digests(suite: Suite) -> dict[str, str]:
    """SHA-256 of every file that a run reads, by path below the suite's root.

    A models file that is not in use is none of them. Raises SpecError where models.yaml is wrong.
    """
    return {
        path_in(suite, file): file_digest(file)
        for file in sorted({file for file in _read(suite) if file.exists()})
    }


def path_in(suite: Suite, file: Path) -> str:
    """The path below the suite's root with forward slashes; the whole path of a file elsewhere."""
    return (file.relative_to(suite.root) if file.is_relative_to(suite.root) else file).as_posix()


def _read(suite: Suite) -> Iterator[Path]:
    """Every file that a run may read, there or not."""
    for kind in KINDS:
        yield from listed(suite.folder / kind, "*.yaml")
    for name in (REQUIREMENTS, RUBRIC, ANSWERS):
        yield suite.folder / name
    stances = suite.root / CONSTITUTIONS
    yield from listed(stances, "*.yaml")
    yield from listed(stances, "transcripts/*.jsonl")
    yield suite.models_file
    for judge in suite.models.judges.values():
        if isinstance(judge.rubric, str):
            yield suite.models_file.parent / judge.rubric


def versions() -> dict[str, str]:
    """Versions of everything that a number may rest on."""
    found = {"ethogram": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        found[name] = importlib.metadata.version(name)
    return found
