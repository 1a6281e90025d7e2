"""summary.md: a report as a CI step shows it, the failures first, short enough to be shown at all.

GitHub drops a step summary of more than 1 MiB without a word, so lines are left out before that and
the summary says how many.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ethogram.inert import inert
from ethogram.report.charts import limits, signed
from ethogram.report.gate import answer_for
from ethogram.report.measures import Data
from ethogram.report.view import GATE, MARK, ModelView, View, measure_rows
from ethogram.report.words import NOT_MEASURED
from ethogram.specs.errors import count

NAME = "summary.md"
LIMIT = 250_000
"""Bytes: a quarter of what GitHub shows, since several steps may share one summary."""
FAILURES = 60
WIDEST = 12
_SPECIAL = re.compile(r"[&<>`|*_\[\]()!~$\\@#{}\"']|::|(?<=p|s):(?=//)|(?<=www)\.")
_LETTERS = 160


def literal(text: object, width: int | None = _LETTERS) -> str:
    """Foreign text that Markdown, HTML and GitHub leave as it is: on one line, in any cell."""
    shown = inert(str(text), width)
    return _SPECIAL.sub(lambda found: "".join(f"&#{ord(c)};" for c in found[0]), shown)


def summary(data: Mapping[str, Any], limit: int = LIMIT) -> str:
    """The whole summary in at most `limit` bytes of UTF-8."""
    view = View.of(data)
    sections = (
        _headline(view),
        _gate(view),
        _failures(view),
        _models(view),
        _gaps(view),
        _provenance(view),
    )
    return cut([line for section in sections for line in section], limit)


def cut(lines: Sequence[str], limit: int) -> str:
    """The lines as far as they go, with a note of how many were left out."""
    room, kept = limit - 200, 0
    for line in lines:
        room -= len(line.encode("utf-8")) + 1
        if room < 0:
            break
        kept += 1
    text = "\n".join(lines[:kept]) + "\n"
    if kept < len(lines):
        left = len(lines) - kept
        text += f"\n**Cut here:** {count(left, 'more line')} would pass {limit:,} bytes; report.json has all.\n"
    return text


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table of cells that are Markdown already."""
    lines = [" | ".join(heads), " | ".join("---" for _ in heads), *(" | ".join(r) for r in rows)]
    return [*(f"| {line} |" for line in lines), ""]


def interval(found: Data | None) -> str:
    """`+0.41 [+0.30, +0.52]`, or that it was not measured."""
    return f"{signed(found.get('value'))} {limits(found)}" if found else NOT_MEASURED


def _headline(view: View) -> list[str]:
    counted = " \u00b7 ".join(f"{MARK[name]} **{n}** {name}" for name, n in view.counts.items())
    lines = [
        "## Ethogram: expected and measured personas",
        "",
        f"{literal(view.data['command'])}, {literal(view.data['started'])}, "
        f"{count(len(view.models), 'model')}",
        "",
        counted,
        "",
    ]
    lines += [f"> {literal(note, None)}" for note in view.data["notes"]]
    return [*lines, ""]


def _gate(view: View) -> list[str]:
    cases = view.of_kind(GATE)
    decided = [
        found
        for model in view.models
        if (found := answer_for(model.id, [c for c in cases if c["model"] == model.id]))
    ]
    if not decided:
        return []
    rows = [[literal(d.model), f"{d.sign} **{d.answer}**", literal(d.because)] for d in decided]
    lines = ["### Gate", "", *table(("model", "decision", "because"), rows)]
    return [*lines, *_listed("### Requirements, the failures first", cases)]


def _failures(view: View) -> list[str]:
    problems = [f"- {literal(problem, 300)}" for problem in view.data["problems"]]
    lines = ["### Not measured", "", *problems, ""] if problems else []
    failed = [
        case
        for case in view.cases
        if case["kind"] != GATE and case["verdict"] in ("contradicts", "not measured")
    ]
    return [*lines, *_listed("### Cases that fail", failed)]


def _listed(title: str, cases: Sequence[Data]) -> list[str]:
    if not cases:
        return []
    heads = ("", "case", "model", "expected", "measured", "n", "gap")
    rows = [
        [
            f"{MARK.get(case['verdict'], '')} {literal(case['verdict'])}",
            literal(f"{case['subject']} {case['probe']}".strip()),
            literal(case["model"]),
            literal(case["expected"]),
            interval(case["measured"]),
            str(case["measured"].get("n", "")) if case["measured"] else "",
            signed(case["gap"]) if case["gap"] is not None else "",
        ]
        for case in cases[:FAILURES]
    ]
    more = len(cases) - len(rows)
    note = [f"{more} more of them are in report.json.", ""] if more > 0 else []
    return [title, "", *table(heads, rows), *note]


def _models(view: View) -> list[str]:
    """Models down, the main measures across; all others are in the HTML."""
    tested = view.tested()
    rows = measure_rows(tested)
    wanted = {
        "match",
        "match_against_source",
        "discriminant",
        "safety_held_out rate",
        "safety_trained rate",
        "over_refusal",
    }
    shown = [(name, cells) for name, cells in rows if cells[0].key in wanted]
    if not shown:
        return []
    heads = ["model", *(literal(name) for name, _ in shown)]
    body = [
        [literal(model.id), *(_cell(cells[at]) for _, cells in shown)]
        for at, model in enumerate(tested)
    ]
    return ["### Models", "", *table(heads, body)]


def _cell(measure: Any) -> str:
    return literal(measure.text) if measure.text else interval(measure.interval)


def _gaps(view: View) -> list[str]:
    gaps = [case for case in view.of_kind("persona") if case["gap"] is not None]
    widest = sorted(gaps, key=lambda case: (-abs(case["gap"]), case["case"]))[:WIDEST]
    return _listed("### Widest consistency gaps (signature target minus effect)", widest)


def _provenance(view: View) -> list[str]:
    digests = [[literal(m.id), _digest(m)] for m in view.models]
    versions = ", ".join(f"{k} {v}" for k, v in sorted(view.data["versions"].items()))
    return [
        "### Digests and versions",
        "",
        literal(versions, None),
        "",
        *table(("model", "digest"), digests),
    ]


def _digest(model: ModelView) -> str:
    return literal(model.row["digest"]) if model.row["digest"] else NOT_MEASURED
