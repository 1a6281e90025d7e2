"""Test-retest: a table for the terminal and Markdown, and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tabulate import tabulate

from ethogram.analyse.outcomes import plain
from ethogram.analyse.retest import Retest
from ethogram.report.words import number, short, unsigned

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class RetestReport:
    """All models that were asked twice, and how the second time differed from the first."""

    models: Sequence[Retest]
    conditions: Mapping[str, int]
    """Tokens and prompts in one batch, and threads, of the second time."""
    usual: Mapping[str, int]
    """The same of the first time, as far as this machine's defaults tell."""
    started: str
    command: str
    versions: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str | None] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain data; null is "not defined"."""
        found: dict[str, Any] = plain(
            {"schema_version": SCHEMA_VERSION, "confidence": 0.95, **asdict(self)}
        )
        return found

    @property
    def flipped(self) -> bool:
        """Whether any verdict changed."""
        return any(model.flipped for model in self.models)

    def text(self, style: str = "simple") -> str:
        """The table: `simple` for the terminal (at most 100 columns), `github` for Markdown."""
        rows = [
            [
                short(m.model, 32),
                f"{unsigned(m.same)} of {m.same.n}",
                unsigned(m.kappa),
                f"{m.largest:.4f}",
                f"{m.largest_log_prob:.1e}",
                f"{m.texts_same}/{m.texts}",
            ]
            for m in self.models
        ]
        heads = ["model", "same verdict", "kappa", "measured", "nats/token", "texts"]
        how = ", ".join(f"{name} {self.usual[name]} -> {n}" for name, n in self.conditions.items())
        parts = [
            f"Test-retest ({how}; last items first)",
            tabulate(rows, headers=heads, tablefmt=style, disable_numparse=True),
        ]
        parts += [
            f"{t.case}: {t.first} ({number(t.measured, 3)}), then {t.again} "
            f"({number(t.measured_again, 3)})"
            for m in self.models
            for t in m.flipped
        ]
        return "\n\n".join(parts)


def markdown(report: RetestReport) -> str:
    """The table with what it means, as a page."""
    head = f"# Test-retest\n\nMade by `{report.command}`, {report.started}."
    return f"{head}\n\n{NOTES}\n\n{report.text('github')}\n"


NOTES = """\
Every model and its references were asked everything a second time, in other batches, on another number
of threads, in another order; nothing was taken from the store. `same verdict`: the share of cases whose
verdict stayed, with Wilson's interval; `kappa`: Cohen's, beyond chance. `measured`: the largest change of
a measured value, in the case's own unit. `nats/token`: the largest change of a log-probability. `texts`:
greedy continuations that came out alike to the letter."""
