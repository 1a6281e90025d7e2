"""What the studies of a suite found, for the report of a run: controls, test-retest, reliability.

They are read as plain data from the files that `ethogram controls` and its like wrote, and each says
what has changed since: a study of other models or other files is no witness for this run.
"""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ethogram.specs.errors import count

Data = Mapping[str, Any]
RESULTS = Path("results")
CONTROLS = RESULTS / "controls" / "controls.json"
RETEST = RESULTS / "retest" / "retest.json"
RELIABILITY = RESULTS / "reliability" / "reliability.json"


@dataclass(frozen=True, slots=True)
class Study:
    """One study: what it found in a sentence and a table. `changed`: what is other in this run."""

    title: str
    file: str
    started: str
    found: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    changed: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """One line for the notes of a report."""
        line = f"{self.title} ({self.file}): {self.found}"
        if not self.changed:
            return line
        more = f" and {len(self.changed) - 1} more" if len(self.changed) > 1 else ""
        return f"{line}; made before {self.changed[0]}{more} changed"


def studies(root: Path, files: Mapping[str, str], digests: Mapping[str, str | None]) -> list[Study]:
    """Every study below the suite's root. `files`, `digests`: those of the run, by name.

    A file that cannot be read as a study says so in place of what it found.
    """
    found = []
    for title, file, read in (
        ("controls", CONTROLS, _controls),
        ("test-retest", RETEST, _retest),
        ("reliability", RELIABILITY, _reliability),
    ):
        if not (root / file).exists():
            continue
        try:
            data = json.loads((root / file).read_text(encoding="utf-8"))
            said, heads, rows = read(data)
            started, changed = str(data["started"]), _changed(data, files, digests)
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            said, heads, rows = f"not readable: {type(error).__name__}: {error}", (), ()
            started, changed = "", ()
        found.append(Study(title, file.as_posix(), started, said, heads, rows, changed))
    return found


Told = tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]]


def _controls(data: Data) -> Told:
    planted = data["controls"]
    gates = len({row["model"] for row in planted})
    rows, passed = [], Counter[str]()
    for defect in dict.fromkeys(row["defect"] for row in planted):
        some = [row for row in planted if row["defect"] == defect]
        decided = Counter(str(row["decided"]) for row in some)
        passed[some[0]["expected"]] += decided["promote"]
        told = ", ".join(f"{what} ({times})" for what, times in decided.most_common())
        rows.append((defect, str(some[0]["about"]), str(some[0]["expected"]), told))
    wrong = sum(row["expected"] == "stop" for row in planted)
    said = (
        f"before {count(gates, 'gate')} a planted faithful model was promoted {passed['promote']} of "
        f"{len(planted) - wrong} times, planted defects {passed['stop']} of {wrong} times"
    )
    return said, ("planted model", "what it does", "should", "decided"), tuple(rows)


def _retest(data: Data) -> Told:
    models = data["models"]
    cases = sum(row["same"]["n"] for row in models)
    stayed = sum(row["same"]["n"] - len(row["flipped"]) for row in models)
    widest = max(row["largest_log_prob"] for row in models)
    rows = [
        (
            str(row["model"]),
            f"{row['same']['n'] - len(row['flipped'])} of {row['same']['n']}",
            f"{row['largest']:.4f}",
            f"{row['largest_log_prob']:.1e}",
            f"{row['texts_same']} of {row['texts']}",
        )
        for row in models
    ]
    said = (
        f"asked again in other batches, on other threads and in another order, {stayed} of {cases} "
        f"verdicts stayed; no log-probability moved by more than {widest:.1e} nats a token"
    )
    heads = ("model", "same verdict", "largest change measured", "nats/token", "texts alike")
    return said, heads, tuple(rows)


def _reliability(data: Data) -> Told:
    instrument = data["instrument"]
    measured = [row for row in instrument["dimensions"] if (row.get("alpha") or {}).get("n")]
    rows, parts = [], []
    for probe in dict.fromkeys(row["probe"] for row in measured):
        some = [row for row in measured if row["probe"] == probe]
        alphas = [row["alpha"]["value"] for row in some if row["alpha"]["value"] is not None]
        if alphas:
            middle = statistics.median(alphas)
            parts.append(f"{probe} {middle:+.2f}")
            spread = f"{min(alphas):+.2f} to {max(alphas):+.2f}"
            rows.append((str(probe), str(len(some)), f"{middle:+.2f}", spread))
    said = f"Cronbach's alpha over {len(instrument['models'])} models, median of the dimensions: "
    heads = ("probe", "dimensions", "median alpha", "range")
    return said + (", ".join(parts) or "not defined"), heads, tuple(rows)


def _changed(
    data: Data, files: Mapping[str, str], digests: Mapping[str, str | None]
) -> tuple[str, ...]:
    """Files and models that were others when the study was made, as far as both know them."""
    return tuple(
        name
        for then, now in ((data["files"], files), (data["digests"], digests))
        for name in sorted(then)
        if name in now and now[name] and then[name] != now[name]
    )
