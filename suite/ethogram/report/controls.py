"""What the gate did with planted defects: a table for the terminal and Markdown, and JSON."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import Any

from tabulate import tabulate

from ethogram.analyse.controls import JUDGE_DEFECT, Control
from ethogram.analyse.outcomes import plain
from ethogram.report.words import bracket

SCHEMA_VERSION = 1
WIDTH = 100


@dataclass(frozen=True, slots=True)
class ControlsReport:
    """All controls of one suite. `skipped`: by model, why its gate was not tried."""

    controls: Sequence[Control]
    started: str
    command: str
    skipped: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str | None] = field(default_factory=dict)
    """By source and placebo: the digest of the weights whose scores the planted models rest on."""

    def as_json(self) -> dict[str, Any]:
        """Plain data; null is "not measured"."""
        found: dict[str, Any] = plain({"schema_version": SCHEMA_VERSION, **asdict(self)})
        for control, row in zip(self.controls, found["controls"], strict=True):
            row["holds"] = control.holds
        return found

    @property
    def failures(self) -> list[Control]:
        """Defects that would be promoted, and faithful models that would not."""
        return [control for control in self.controls if control.holds is False]

    @property
    def unknown(self) -> list[Control]:
        """Controls that rest on a score that nobody took."""
        return [control for control in self.controls if control.holds is None]

    @property
    def blind(self) -> bool:
        """Whether no score was there to decide by: a gate without any judge holds all the same."""
        rest = [control for control in self.controls if control.defect != JUDGE_DEFECT]
        return all(control.holds is None for control in rest)

    def text(self, style: str = "simple") -> str:
        """The table: `simple` for the terminal (at most 100 columns), `github` for Markdown."""
        gates = len({control.model for control in self.controls})
        rows = [
            _row(name, list(some))
            for name, some in groupby(
                sorted(self.controls, key=self._place), key=lambda control: control.defect
            )
        ]
        heads = ["planted model", "should", "decided", "stopped by (gates)"]
        parts = [f"Controls: planted models before {gates} {'gate' if gates == 1 else 'gates'}"]
        parts.append(tabulate(rows, headers=heads, tablefmt=style, disable_numparse=True))
        parts += [_told(control) for control in (*self.failures, *self.unknown)]
        for model, why in self.skipped.items():
            parts.append(textwrap.fill(f"not tried: {model}: {why}", WIDTH))
        parts.append(self._conclusion())
        return "\n\n".join(parts)

    def _place(self, control: Control) -> int:
        order = list(dict.fromkeys(c.defect for c in self.controls))
        return order.index(control.defect)

    @property
    def proven(self) -> bool:
        """Whether every control did what it should; no control proves nothing."""
        return bool(self.controls) and all(control.holds for control in self.controls)

    def _conclusion(self) -> str:
        if not self.controls:
            return "No gate was tried."
        if self.failures:
            return f"{len(self.failures)} of {len(self.controls)} controls failed."
        if self.unknown:
            return f"{len(self.unknown)} of {len(self.controls)} controls were not measured."
        return "Every faithful model would be promoted, and no planted defect."


def _row(name: str, controls: Sequence[Control]) -> list[str]:
    decided = Counter(control.decided for control in controls)
    stopped = Counter(
        one.case.split("::")[1] if "::" in one.case else one.case
        for control in controls
        for one in control.caught_by
        if one.verdict != "not measured"
    )
    by = ", ".join(f"{case} ({count})" for case, count in stopped.most_common())
    return [
        name,
        controls[0].expected,
        "\n".join(f"{what} ({count})" for what, count in decided.items()),
        textwrap.fill(by or "-", 44),
    ]


def _told(control: Control) -> str:
    head = f"{control.model}, {control.defect} ({control.about}): {control.decided}"
    if control.holds is False:
        head += (
            f", and it should {'be promoted' if control.expected == 'promote' else 'be stopped'}"
        )
    lines = [textwrap.fill(head, WIDTH)]
    for one in control.caught_by:
        measured = f" {bracket(one.measured)}" if one.measured else ""
        told = f"{one.case} {one.verdict}{measured}: {one.why}"
        lines.append(textwrap.fill(told, WIDTH, initial_indent="  ", subsequent_indent="    "))
    return "\n".join(lines)


def markdown(report: ControlsReport) -> str:
    """The table with what it means, as a page."""
    head = f"# Controls\n\nMade by `{report.command}`, {report.started}."
    return f"{head}\n\n{NOTES}\n\n{report.text('github')}\n"


NOTES = """\
Each planted model stands in the place of a model of this suite and meets the same requirements. It is
made from the stored scores of that model's source and placebo: the faithful one has the persona that
its constitution predicts and refuses harm alone; every other one is the faithful one with one thing
wrong. The gate proves itself when it promotes the faithful one and none of the others; the number
behind a requirement says at how many gates it stopped the planted model. Nothing here speaks of a
finetuned model."""
