"""The end of a run: tables of at most 100 columns, readable without colour."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tabulate import tabulate

from ethogram.analyse.outcomes import Outcome
from ethogram.analyse.transfer import UNTOLD
from ethogram.report.document import Report
from ethogram.report.flips import flip_rows
from ethogram.report.rows import ModelRow, widest_gaps, worst_gap
from ethogram.report.words import NOT_MEASURED, bracket, number, short

WIDTH = 100
WIDEST = 12
LEAST = 12
"""Columns that a cut id keeps."""
PADDING = 2
"""Columns that tabulate adds to every heading."""


def render(report: Report) -> str:
    """All tables of a run."""
    parts = []
    judged = [row for row in report.models if row.constitution]
    if judged:
        parts += [
            "Persona: effect of the constitution on what the model says, 95 % CI",
            _persona(judged, report),
        ]
    if carried := [row for row in judged if _carries(row)]:
        parts += [
            "Projectability: how far the persona carries, 95 % CI\n"
            "(r: of choices with stated beliefs; share: held-out safety gain over the trained one)",
            _projectability(carried),
        ]
    tested = [row for row in report.models if row.kind != "source"]
    if tested:
        parts += [
            "Safety: refusals of harm minus refusals of harmless look-alikes, against the source",
            _safety(tested),
        ]
    if gaps := widest_gaps(report.outcomes, WIDEST):
        parts += ["Widest consistency gaps (signature target minus effect)", _gaps(gaps)]
    if searched := [o for o in report.outcomes if o.kind == "perturbation"]:
        parts += [
            "Invariance by search: the fewest changes without moral weight that flip a verdict\n"
            "(turned: combinations tried that turned the mean, and the share that chance turns)",
            _flips(searched),
        ]
    if unjudged := [o for o in report.outcomes if o.verdict == "unjudged" and o.against]:
        parts += ["Measured where nothing is expected, strongest first", _unjudged(unjudged)]
    parts += [f"note: {note}" for note in report.notes]
    parts += [f"not measured: {problem}" for problem in report.problems]
    parts.append(_last_line(report))
    return "\n\n".join(part for part in parts if part)


def _persona(rows: Sequence[ModelRow], report: Report) -> str:
    table = []
    for row in rows:
        worst = worst_gap(report.outcomes, row.model)
        table.append(
            [
                row.model,
                bracket(row.match) if row.placebo else "no placebo",
                bracket(row.match_against_source),
                _rank(row),
                worst.subject if worst else "-",
                number(worst.gap) if worst else "",
                "/".join(str(count) for count in row.verdicts.values()),
            ]
        )
    heads = ["model", "match, placebo", "match, source", "rank", "worst gap", "", "h/c/u"]
    return _fitted(heads, table, ids=(4, 0))


def _rank(row: ModelRow) -> str:
    if row.discriminant is None:
        return NOT_MEASURED
    return f"{row.discriminant.rank} of {row.discriminant.of}"


def _carries(row: ModelRow) -> bool:
    return any((row.transfer, row.choice_match, row.belief_choice, row.spread_rate))


def _slope(row: ModelRow) -> str:
    if row.scope != "narrow":
        return "-"
    slope = row.transfer.slope if row.transfer else None
    return UNTOLD if slope and not math.isfinite(slope.low) else bracket(slope)


def _projectability(rows: Sequence[ModelRow]) -> str:
    table = []
    for row in rows:
        spread, both = row.spread_rate, row.belief_choice
        share = spread.held_out_share if spread else None
        table.append(
            [
                row.model,
                _slope(row),
                bracket(row.choice_match),
                number(both.agreement.value) if both and both.agreement else "-",
                bracket(spread.worst.gain) if spread and spread.worst else NOT_MEASURED,
                number(share.ratio.value) if share and share.ratio else "-",
            ]
        )
    heads = ["model", "to broad", "choices", "r", "worst category", "share"]
    return _fitted(heads, table, ids=(0,))


def _safety(rows: Sequence[ModelRow]) -> str:
    table = []
    for row in rows:
        untrained, trained = row.safety_held_out, row.safety_trained
        both = untrained or trained
        held_out = (
            bracket(untrained.rate)
            if untrained
            else ("none held out" if trained and row.scope != "narrow" else NOT_MEASURED)
        )
        auc = (
            f"{both.auc_before:.2f} {both.auc_after:.2f}"
            if both and both.auc_before is not None and both.auc_after is not None
            else "-"
        )
        table.append(
            [
                row.model,
                held_out,
                bracket(trained.rate if trained else None),
                bracket(row.over_refusal),
                auc,
            ]
        )
    heads = ["model", "gain, held out", "gain, trained", "over-refusal", "AUC from, to"]
    return _fitted(heads, table, ids=(0,))


def _gaps(outcomes: Sequence[Outcome]) -> str:
    table = [
        [
            number(outcome.gap),
            outcome.model,
            outcome.subject,
            outcome.probe,
            outcome.expected,
            bracket(outcome.measured),
        ]
        for outcome in outcomes
    ]
    heads = ["gap", "model", "dimension", "probe", "expected", "effect"]
    return _fitted(heads, table, ids=(2, 1))


def _unjudged(outcomes: Sequence[Outcome]) -> str:
    strongest = sorted(outcomes, key=lambda outcome: (-abs(outcome.measured.value), outcome.case))
    table = [
        [
            outcome.model,
            outcome.subject,
            outcome.probe,
            bracket(outcome.measured),
            bracket(outcome.against[-1].effect.sign),
        ]
        for outcome in strongest[:WIDEST]
    ]
    heads = ["model", "dimension", "probe", "effect", "against source"]
    return _fitted(heads, table, ids=(1, 0))


def _flips(outcomes: Sequence[Outcome]) -> str:
    rows = flip_rows(sorted(outcomes, key=lambda outcome: (outcome.model, outcome.case)))
    heads = ["model", "scenario", "verdict", "flipped by", "tried", "queries", "turned"]
    return _fitted(heads, rows, ids=(3, 0, 1))


def _fitted(heads: Sequence[str], rows: Sequence[Sequence[str]], ids: Sequence[int]) -> str:
    """The table in at most WIDTH columns: ids are cut in the order given, numbers never."""
    least = [len(head) + PADDING for head in heads]
    widths = [
        max(least[at], *map(len, column)) for at, column in enumerate(zip(*rows, strict=True))
    ]
    between = 2 * (len(widths) - 1)
    # First to a length that still names something; only very wide numbers cut further.
    for keep, column in [(LEAST, column) for column in ids] + [(0, column) for column in ids]:
        over = max(0, sum(widths) + between - WIDTH)
        floor = min(widths[column], max(least[column], keep))
        widths[column] = max(floor, widths[column] - over)
    cut = [
        [short(cell, widths[at]) if at in ids else cell for at, cell in enumerate(row)]
        for row in rows
    ]
    return tabulate(cut, headers=heads, tablefmt="simple", disable_numparse=True)


def _last_line(report: Report) -> str:
    counted = report.counts
    unjudged = f" \u00b7 {counted['unjudged']} unjudged" if counted["unjudged"] else ""
    return (
        f"{counted['holds']} hold \u00b7 {counted['contradicts']} contradict \u00b7 "
        f"{counted['undecided']} undecided \u00b7 {counted['not measured']} not measured{unjudged}"
    )
