"""Two runs, or two models of one run, side by side: what changed beyond noise, regressions first."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tabulate import tabulate

from ethogram.analyse.changes import (
    Change,
    Direction,
    gain_change,
    item_change,
    value_change,
    verdict_change,
)
from ethogram.analyse.effects import holm, null_rate
from ethogram.report.stored import StoredCase, StoredReport
from ethogram.report.words import bracket, number, short
from ethogram.specs.errors import count

ORDER: tuple[Direction, ...] = ("worse", "moved", "better", "unknown", "same")
SIGN = {"more": 1, "less": -1, "same": 0}
ALPHA = 0.05
"""Holm's p below which a change is told from what many comparisons show by chance."""
SHOWN = 20
"""Rows of a table; the rest is counted."""
NAMED = 3
"""Cases without a comparison that are named; the rest is counted."""
HEADS: dict[Direction, str] = {
    "worse": "Regressions beyond noise",
    "moved": "Changed beyond noise where nothing is expected",
    "better": "Improvements beyond noise",
}


@dataclass(frozen=True, slots=True)
class Pair:
    """One case in both; `change` is None where no items and no intervals compare them."""

    before: StoredCase
    after: StoredCase
    change: Change | None
    p_holm: float | None = None

    @property
    def direction(self) -> Direction:
        return self.change.direction if self.change else "unknown"

    @property
    def survives(self) -> bool:
        """Whether the change stands among all that were compared; a verdict that turned has no p."""
        return self.direction in HEADS and (self.p_holm is None or self.p_holm < ALPHA)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All pairs, regressions first; `only_before` and `only_after` name what stands alone.

    `lost`: cases that were measured before and could not be measured after, or no longer define a
    value; they are not in `only_before`.
    """

    before: str
    after: str
    pairs: tuple[Pair, ...]
    only_before: tuple[str, ...] = ()
    only_after: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def compared(self) -> int:
        """How many pairs could be compared."""
        return len(self.pairs) - len(self.of("unknown"))

    def of(self, direction: Direction) -> list[Pair]:
        return [pair for pair in self.pairs if pair.direction == direction]

    @property
    def regressions(self) -> list[Pair]:
        """What got worse and survives Holm's adjustment over all that was compared."""
        return [pair for pair in self.of("worse") if pair.survives]


def compare_runs(before: StoredReport, after: StoredReport) -> Comparison:
    """The cases of one id in two runs."""
    lost = before.cases.keys() & after.errors
    return _compared(before.name, after.name, before.cases, after.cases, lost)


def compare_models(report: StoredReport, before: str, after: str) -> Comparison:
    """The cases of one subject and probe of two models in one run."""
    sides = [
        {"::".join(c.alike): c for c in report.cases.values() if c.model == model}
        for model in (before, after)
    ]
    lost = {
        name
        for name, case in sides[0].items()
        if f"{case.case.rpartition('::')[0]}::{after}" in report.errors
    }
    return _compared(before, after, sides[0], sides[1], lost)


def _compared(
    before: str,
    after: str,
    old: Mapping[str, StoredCase],
    new: Mapping[str, StoredCase],
    failed: Collection[str],
) -> Comparison:
    both = {name: _change(old[name], new[name]) for name in old if name in new}
    adjusted = holm({n: c.p for n, c in both.items() if c is not None and c.p is not None})
    pairs = [Pair(old[n], new[n], change, adjusted.get(n)) for n, change in both.items()]
    pairs.sort(key=lambda pair: (ORDER.index(pair.direction), _p(pair), pair.after.case))
    gone = {n for n in both if _gone(old[n], new[n])}
    lost = {*failed, *gone}
    alone = [tuple(sorted(a.keys() - b.keys() - lost)) for a, b in ((old, new), (new, old))]
    return Comparison(before, after, tuple(pairs), alone[0], alone[1], tuple(sorted(lost)))


def _gone(before: StoredCase, after: StoredCase) -> bool:
    """Whether there was a value and is none any more."""
    return math.isfinite(before.measured.value) and not math.isfinite(after.measured.value)


def _unknown(found: Comparison) -> list[str]:
    """Cases of both that cannot be compared, and are not lost."""
    unknown = found.of("unknown")
    return [pair.after.case for pair in unknown if not _gone(pair.before, pair.after)]


def _change(before: StoredCase, after: StoredCase) -> Change | None:
    if after.kind == "perturbation":
        return verdict_change((before.verdict, before.measured), (after.verdict, after.measured))
    if after.kind in ("projectability", "pressure"):
        wanted = 1 if after.expected.startswith(("at least", "above", "more")) else -1
        return value_change(before.measured, after.measured, wanted)
    if after.kind == "safety":
        rate = after.probe != "refusal-margin"
        wished = SIGN.get(after.expected)
        return gain_change(before.shifts, after.shifts, rate=rate, wanted=wished)
    # Two constitutions may expect opposite things: then neither way is worse.
    agreed = before.expected == after.expected
    wished = SIGN.get(after.expected) if agreed else None
    return item_change(before.shifts, after.shifts, wished, {**before.stems, **after.stems})


def _p(pair: Pair) -> float:
    return pair.change.p if pair.change and pair.change.p is not None else 1.0


def comparison_text(found: Comparison) -> str:
    """The comparison in at most 100 columns, regressions first."""
    parts = [f"before  {found.before}\nafter   {found.after}\n{_counts(found)}"]
    for direction, head in HEADS.items():
        if pairs := found.of(direction):
            more = f"\n... and {len(pairs) - SHOWN} more" if len(pairs) > SHOWN else ""
            kept = sum(pair.survives for pair in pairs)
            told = f"{head}: {kept} of {len(pairs)} survive Holm (*)"
            parts.append(f"{told}\n{_table(pairs[:SHOWN])}{more}")
    for head, names in (
        (f"cases of {found.before} that are lost in {found.after}", found.lost),
        ("cases without common items, or whose change has no interval", _unknown(found)),
        (f"cases only in {found.before}", found.only_before),
        (f"cases only in {found.after}", found.only_after),
    ):
        if names:
            rest = [f"and {len(names) - NAMED} more"] if len(names) > NAMED else []
            parts.append("\n  ".join((f"{head}: {len(names)}", *names[:NAMED], *rest)))
    return "\n\n".join(parts)


def _counts(found: Comparison) -> str:
    tested = found.compared
    unknown = len(_unknown(found))
    rest = f", {unknown} not comparable" if unknown else ""
    lost = f", {len(found.lost)} lost" if found.lost else ""
    if not tested:
        return f"0 cases compared{rest}{lost}"
    return (
        f"{count(tested, 'case')} compared{rest}{lost}; {len(found.of('worse'))} worse, "
        f"{len(found.of('better'))} better, {len(found.of('moved'))} moved beyond noise\n"
        f"(by chance alone about {_by_chance(found):.1f} each way); "
        f"{len(found.regressions)} worse after Holm's adjustment"
    )


def _by_chance(found: Comparison) -> float:
    """How many pairs would change beyond noise without a change, each way.

    The exact rate of the sign interval where items are paired (as if none tied), and the nominal
    2.5 % of every other interval.
    """
    compared = [pair for pair in found.pairs if pair.direction != "unknown"]
    return math.fsum(map(_rate, compared))


def _rate(pair: Pair) -> float:
    if pair.change is None or pair.after.kind not in ("persona", "scenario"):
        return 0.025
    stems = {**pair.before.stems, **pair.after.stems}
    common = pair.before.shifts.keys() & pair.after.shifts.keys()
    return null_rate(len({stems.get(name, name) for name in common}))


def _table(pairs: Sequence[Pair]) -> str:
    rows = [
        [
            short(pair.after.model, 26),
            short(pair.after.subject, 22),
            short(pair.after.probe, 12),
            f"{number(pair.before.measured.value)} -> {number(pair.after.measured.value)}",
            bracket(pair.change.evidence) if pair.change else "-",
            (f"{pair.p_holm:.3f}" if pair.p_holm is not None else "-")
            + (" *" if pair.survives else ""),
        ]
        for pair in pairs
    ]
    heads = ["model", "case", "probe", "measured", "moved", "p, Holm"]
    return tabulate(rows, headers=heads, tablefmt="simple", disable_numparse=True)
