"""What produced a number: digests of everything that the user wrote, versions of everything else."""

from __future__ import annotations

import importlib.metadata
import platform

from ethogram import __version__
from ethogram.specs.judging import ANSWERS
from ethogram.specs.suite import CONSTITUTIONS, Suite
from ethogram.store import file_digest

PACKAGES = ("pytest", "torch", "transformers", "peft", "numpy", "scipy", "pydantic", "hypothesis")


def file_digests(suite: Suite) -> dict[str, str]:
    """SHA-256 of everything that the user wrote, by path below the suite's root."""
    below = (suite.folder.glob("*/*.yaml"), suite.folder.glob("*.yaml"))
    stances = suite.root / CONSTITUTIONS
    written = (*below, stances.glob("*.yaml"), stances.glob("transcripts/*.jsonl"))
    files = {file for found in written for file in found} | {suite.models_file}
    if (answers := suite.folder / ANSWERS).exists():
        files.add(answers)
    named = {
        (file.relative_to(suite.root) if file.is_relative_to(suite.root) else file): file
        for file in sorted(files)
    }
    return {name.as_posix(): file_digest(file) for name, file in named.items()}


def versions() -> dict[str, str]:
    """Versions of everything that a number may rest on."""
    found = {"ethogram": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        found[name] = importlib.metadata.version(name)
    return found
