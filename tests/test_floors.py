from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ethogram

PACKAGE = Path(ethogram.__file__).parent
FLOORS: dict[str, int] = {
    "specs": 0,
    "inert": 0,
    "analyse": 1,
    "plan": 1,
    "asks": 2,
    "store": 1,
    "importers": 1,
    "source": 2,
    "train": 3,
    "measure": 3,
    "cases": 4,
    "content": 4,
    "jobs": 4,
    "report": 4,
    "plugin": 5,
    "cli": 5,
}
"""What `ethogram` itself holds (its version) lies below every floor."""
MODELS = {"torch", "transformers", "peft"}
MAY_NAME = {"models": {"source", "train", "measure"}, "pytest": {"plugin", "cli"}}
FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def room_of(file: Path) -> str:
    """The room (or single-file room) that a file of the package belongs to; '' for the package."""
    return file.parts[0].removesuffix(".py") if file != Path("__init__.py") else ""


def imported(file: Path, text: str) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import, lazy and type-checking ones included."""
    here = ["ethogram", *file.with_suffix("").parts]
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                above = here[: len(here) - level] if level else []
                start = ".".join([*above, *([module] if module else [])])
                yield from ((node.lineno, f"{start}.{alias.name}") for alias in names)
            case ast.Call(
                func=ast.Name(id="__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield node.lineno, name


def violations(file: Path, text: str) -> list[str]:
    """Every import of the file that the house forbids, as `file:line: what`."""
    room, found = room_of(file), []
    if room and room not in FLOORS:
        return [f"{file}: the room {room!r} has no floor; give it one in {Path(__file__).name}"]
    for line, name in imported(file, text):
        top, _, rest = name.partition(".")
        if top == "ethogram":
            target = rest.partition(".")[0]
            if target == room or (target not in FLOORS and target.startswith("__")):
                continue
            if target not in FLOORS:
                found.append(f"{file}:{line}: {name} is in no known room")
            elif not room or FLOORS[target] >= FLOORS[room]:
                found.append(f"{file}:{line}: {room or 'the package'} may not import {name}")
        elif top in MODELS and room not in MAY_NAME["models"]:
            found.append(f"{file}:{line}: {room or 'the package'} may not name {top}")
        elif top in ("pytest", "_pytest") and room not in MAY_NAME["pytest"]:
            found.append(f"{file}:{line}: {room or 'the package'} may not name pytest")
    return found


@pytest.mark.parametrize("file", FILES, ids=str)
def test_every_import_points_down(file: Path) -> None:
    assert violations(file, (PACKAGE / file).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("file", FILES, ids=str)
def test_every_import_of_the_package_names_a_module_that_exists(file: Path) -> None:
    for line, name in imported(file, (PACKAGE / file).read_text(encoding="utf-8")):
        parts = name.split(".")
        if parts[0] != "ethogram":
            continue
        candidates = [PACKAGE.joinpath(*parts[1:end]) for end in (len(parts), len(parts) - 1)]
        exists = any(c.with_suffix(".py").is_file() or c.is_dir() for c in candidates if c.name)
        assert exists, f"{file}:{line}: {name} is no module of the package"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("specs/base.py", "from ethogram.analyse.effects import Effect"),
        ("analyse/effects.py", "from ethogram.plan import Query"),
        ("store/root.py", "import ethogram.plan"),
        ("source/load.py", "from ethogram.train.lora import finetune"),
        ("train/lora.py", "from ethogram.measure.engine import LocalEngine"),
        ("jobs/run.py", "def late():\n    from ethogram import report"),
        ("jobs/run.py", "from ..cases import Case"),
        (
            "cases/base.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import ethogram.cli",
        ),
        ("plan.py", "import importlib\nimportlib.import_module('ethogram.store')"),
        ("jobs/run.py", "def late():\n    import torch.nn"),
        ("plugin/models.py", "from transformers import AutoModel"),
        ("cli/main.py", "__import__('peft')"),
        ("report/rows.py", "import pytest"),
        ("cases/base.py", "from _pytest.nodes import Item"),
        ("__init__.py", "from ethogram.specs.suite import Suite"),
        ("helpers/base.py", "import json"),
        ("jobs/run.py", "from ethogram.utils import x"),
    ],
)
def test_a_planted_violation_is_found(file: str, text: str) -> None:
    assert len(violations(Path(file), text)) == 1


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("plugin/models.py", "from ethogram import __version__\nimport pytest"),
        ("jobs/run.py", "from .score import x\nfrom ..train.samples import y"),
        ("measure/engine.py", "import torch\nfrom ethogram.source.load import Loaded"),
        ("plan.py", "import numpy"),
    ],
)
def test_an_import_that_points_down_is_allowed(file: str, text: str) -> None:
    assert violations(Path(file), text) == []


@pytest.mark.parametrize(
    "module",
    [
        "ethogram.plugin",
        "ethogram.cases",
        "ethogram.content",
        "ethogram.jobs",
        "ethogram.measure.probes",
    ],
)
def test_importing_it_loads_no_model_library(module: str) -> None:
    code = f"import sys, {module}; print(sorted({MODELS | {'gguf'}!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "file", [f for f in FILES if room_of(f) in {"analyse", "plan", "content"}], ids=str
)
def test_the_pure_rooms_need_numpy_and_scipy_alone(file: Path) -> None:
    known = {"ethogram", "numpy", "scipy"} | set(sys.stdlib_module_names)
    names = imported(file, (PACKAGE / file).read_text(encoding="utf-8"))
    assert {name.partition(".")[0] for _, name in names} <= known
