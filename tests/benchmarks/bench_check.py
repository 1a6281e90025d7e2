"""How long `ethogram check` takes beside plain parsing of the same files, in one run.

Run it by hand: `python tests/benchmarks/bench_check.py [rounds]`. The peer is yaml.CSafeLoader and json.loads,
which check nothing and keep no places. Prints the least of each and the ratio; starting Python is in neither.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from ethogram.cli import main as ethogram

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("suite", "constitutions")


def plain() -> None:
    """Every YAML and JSON Lines file of the suite, parsed."""
    for file in (ROOT / "models.yaml", *(f for name in FOLDERS for f in (ROOT / name).rglob("*"))):
        if file.suffix == ".yaml":
            yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader)
        elif file.suffix == ".jsonl":
            for line in file.read_text(encoding="utf-8").splitlines():
                json.loads(line)


def check() -> None:
    """The verb, with what it prints."""
    with contextlib.redirect_stdout(io.StringIO()):
        assert ethogram(["check", str(ROOT)]) == 0


def least(what: Callable[[], None], rounds: int) -> float:
    """Seconds of the quickest of so many rounds."""
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        what()
        taken.append(time.perf_counter() - begun)
    return min(taken)


def main() -> None:
    """Time one, then the other; both read from the page cache after their first round."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    parsed, checked = least(plain, rounds), least(check, rounds)
    print(f"plain parsing {parsed:.2f} s, check {checked:.2f} s, ratio {checked / parsed:.1f}")


if __name__ == "__main__":
    main()
