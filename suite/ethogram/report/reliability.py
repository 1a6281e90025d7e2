"""How reliable the instrument is: tables for the terminal and Markdown, and JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tabulate import tabulate

from ethogram.analyse.instrument import DimensionReliability, Instrument
from ethogram.analyse.intervals import Interval
from ethogram.analyse.outcomes import plain
from ethogram.report.words import bracket, number, short
from ethogram.specs.errors import count

SCHEMA_VERSION = 1
DASH = "-"
WIDTH = 100
WEAKEST = 12


@dataclass(frozen=True, slots=True)
class ReliabilityReport:
    """One report on the instrument. `missing`: by model, a score that was never taken."""

    instrument: Instrument
    against: str
    started: str
    command: str
    missing: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str | None] = field(default_factory=dict)
    """By model: the digest of its weights."""

    def as_json(self) -> dict[str, Any]:
        """Plain data; null is "not defined" or "not measured", never zero."""
        found: dict[str, Any] = plain(
            {"schema_version": SCHEMA_VERSION, "confidence": 0.95, **asdict(self)}
        )
        return found

    def text(self, style: str = "simple") -> str:
        """All tables: `simple` for the terminal (at most 100 columns), `github` for Markdown."""
        dimensions = self.instrument.dimensions
        parts = [
            f"Instrument: {count(len(self.instrument.models), 'model')}, against the {self.against}"
        ]
        probes = list(dict.fromkeys(d.probe for d in dimensions if d.models))
        for probe in probes:
            some = [d for d in dimensions if d.probe == probe and d.models]
            parts += [f"Items of one dimension, {probe}", _items(some, style)]
        if any(d.paraphrase for d in dimensions):
            parts += ["Effect (as expected: +) under a paraphrase of the question"]
            parts += [_paraphrases(dimensions, style)]
        for probe in probes:
            parts += [f"Effect where the constitution's own words speak for it or against, {probe}"]
            parts += [_words(self.instrument, probe, style)]
        parts += ["Widest correlations between dimensions", _related(self.instrument, style)]
        parts += ["Items that agree least with the rest", _weakest(dimensions, style)]
        for name, why in self.missing.items():
            parts.append(textwrap.fill(f"not measured: {name}: {why}", WIDTH))
        return "\n\n".join(part for part in parts if part)


def markdown(report: ReliabilityReport) -> str:
    """The tables with what they mean, as a page."""
    head = f"# Reliability of the instrument\n\nMade by `{report.command}`, {report.started}."
    return f"{head}\n\n{NOTES}\n\n{report.text('github')}\n"


NOTES = """\
Shifts are paired: the probe on a model minus the probe on its reference, item by item. Items are the
items of a test, models its persons; they are few and no random sample, so alpha and correlations
describe the instrument on these models. `n` of alpha and r is the number of models.
`alpha`: Cronbach's, limits by Feldt. `split-half`: mean over 50 random halves, stepped up by
Spearman-Brown, bootstrap over items. `expected`: share of shifts with the sign that the model's
signature expects. `items`: share of items on which models expected to say more stand above those
expected to say less. `rest`: share of items that correlate positively with the others. `same sign`:
share of shifts that keep their sign under the paraphrase. `own words`: items whose expected side has
more of the constitution's vocabulary than the other; `against`: those whose other side has more;
`survives`: the one effect over the other, shown where the first excludes zero. All intervals at 95 %.
`-`: not defined or not measured."""


def _items(found: Sequence[DimensionReliability], style: str) -> str:
    heads = ["dimension", "alpha", "split-half", "expected %", "items %", "rest %"]
    rows = [
        [
            short(d.dimension, 16),
            _alpha(d.alpha),
            _cell(d.split_half),
            _share(d.discrimination.expected),
            _share(d.discrimination.items),
            _share(d.discrimination.rest),
        ]
        for d in found
    ]
    return _table(heads, rows, style)


def _paraphrases(found: Sequence[DimensionReliability], style: str) -> str:
    heads = ["dimension", "question", "paraphrase", "difference", "same sign %"]
    rows = [
        [
            short(d.dimension, 22),
            bracket(d.paraphrase.asked),
            bracket(d.paraphrase.paraphrased),
            bracket(d.paraphrase.difference),
            _share(d.paraphrase.same),
        ]
        for d in found
        if d.paraphrase
    ]
    return _table(heads, rows, style)


def _words(found: Instrument, probe: str, style: str) -> str:
    named = [(w.model, w.own_words) for w in found.words if w.probe == probe]
    named += [(d.dimension, d.own_words) for d in found.dimensions if d.probe == probe and d.models]
    rows = [
        [
            short(name, 28),
            _cell(own.aligned),
            _cell(own.crossed),
            _cell(own.surviving),
            f"{own.aligned.n if own.aligned else 0}/{own.crossed.n if own.crossed else 0}",
        ]
        for name, own in named
    ]
    return _table(["of", "own words", "against", "survives", "n"], rows, style)


def _related(found: Instrument, style: str) -> str:
    known = [pair for pair in found.related if pair.r is not None]
    known.sort(key=lambda pair: -abs(pair.r.value) if pair.r else 0.0)
    rows = [
        [
            pair.probe,
            short(pair.one, 26),
            short(pair.other, 26),
            _cell(pair.r),
            pair.r.n if pair.r else 0,
        ]
        for pair in known[:WEAKEST]
    ]
    return _table(["probe", "dimension", "dimension", "r", "n models"], rows, style)


def _weakest(found: Sequence[DimensionReliability], style: str) -> str:
    """Items that move with their dimension least; whom they favour does not enter, nor is shown."""
    named = [
        (r, d, item)
        for d in found
        for item, r in zip(d.items, d.discrimination.item_rest, strict=True)
        if r is not None and r <= 0
    ]
    named.sort(key=lambda row: (row[0], row[1].dimension, row[2]))
    rows = [
        [d.probe, short(d.dimension, 30), short(item, 30), number(r), d.models]
        for r, d, item in named[:WEAKEST]
    ]
    return _table(["probe", "dimension", "item", "item-rest r", "n models"], rows, style)


def _cell(interval: Interval | None) -> str:
    return DASH if interval is None else bracket(interval)


def _alpha(interval: Interval | None) -> str:
    """An alpha so low says that items move apart; how far below has no meaning."""
    return "below -1" if interval is not None and interval.value < -1 else _cell(interval)


def _share(interval: Interval | None) -> str:
    """`71 [60,80]` percent."""
    if interval is None:
        return DASH
    value, low, high = (round(100 * x) for x in (interval.value, interval.low, interval.high))
    return f"{value} [{low},{high}]"


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]], style: str) -> str:
    if not rows:
        return DASH
    return tabulate(rows, headers=heads, tablefmt=style, disable_numparse=True)
