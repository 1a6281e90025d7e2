"""What a failing case prints: the YAML line, expected, measured, gap, and the items against it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ethogram.analyse.effects import smallest_detectable
from ethogram.analyse.intervals import Interval
from ethogram.analyse.outcomes import Outcome
from ethogram.inert import inert
from ethogram.report.flips import NOTHING_TO_FLIP, flip_lines
from ethogram.report.words import bracket, limit, number, trusted
from ethogram.specs.errors import count

ONE_SCENARIO = (
    "more renderings would speak of this scenario alone; of choices in general speaks the "
    "requirement `choice-match`, pooled over scenarios (of an imported theme, its case `choices`)"
)
"""Renderings are no items that more could be written of: no number of them is asked for."""
_VERB = {
    "holds": "holds",
    "contradicts": "contradicts what is expected",
    "undecided": "is undecided",
    "unjudged": "is measured",
}


def brief(outcome: Outcome) -> str:
    """One line on a case that is not judged."""
    reason = outcome.facts.get("unjudged_because", "nothing is expected here")
    return f"{inert(str(reason))}; measured {bracket(outcome.measured)}, n = {outcome.measured.n}"


def explain(outcome: Outcome) -> str:
    """The finding of one case as a few lines of text."""
    verb = _VERB[outcome.verdict]
    if outcome.kind == "persona" and outcome.verdict == "contradicts":
        verb = "contradicts its signature"
    if outcome.kind == "perturbation" and outcome.verdict == "contradicts":
        verb = f"flips the verdict of {outcome.subject}"
    where = f"{outcome.file}:{outcome.line}"
    lines = [f"{where}: {outcome.probe} on {outcome.model} {verb}"]
    lines.append(
        f"  expected  {outcome.expected}  ({outcome.because_at}: {inert(outcome.because)})"
    )
    measured = outcome.measured
    limits = _limits(measured)
    lines.append(
        f"  measured  {number(measured.value)}  {limits}   n = {measured.n}"
        f"   reference {outcome.reference}   ({outcome.unit})"
    )
    if outcome.gap is not None:
        rest = "".join(
            f"    against {other.reference}: {number(other.effect.sign.value)}"
            f" {_limits(other.effect.sign)}"
            for other in outcome.against[1:]
        )
        lines.append(f"  gap       {number(outcome.gap)}{rest}")
    if outcome.verdict == "undecided":
        lines.append(f"  undecided {_undecided(outcome)}")
    lines += _facts(outcome)
    lines += flip_lines(outcome)
    if outcome.extremes:
        lines.append("  most against the expectation")
        unit = outcome.facts.get("shift_unit", "nats")
        for item in outcome.extremes:
            place = f":{item.line}" if item.line > 1 else ""
            text = inert(item.text, 52)
            lines.append(f'    {place:<5} {item.id:<24} {number(item.shift)} {unit}   "{text}"')
    return "\n".join(lines)


def _limits(interval: Interval) -> str:
    if not (math.isfinite(interval.low) and math.isfinite(interval.high)):
        return "[no CI]"
    return f"[{limit(interval.low)}, {limit(interval.high)}]"


def _undecided(outcome: Outcome) -> str:
    if why := outcome.facts.get("undefined_because"):
        return f"not defined: {inert(str(why))}"
    if not math.isfinite(outcome.measured.low):
        return "the items moved all alike: there is no interval to judge by"
    if "nothing_to_flip" in outcome.facts:
        return NOTHING_TO_FLIP
    if outcome.kind == "projectability":
        return _astride(outcome)
    item = str(outcome.facts.get("item", "item"))
    if outcome.kind == "scenario" and item == "item":
        return ONE_SCENARIO
    if outcome.needs is None:
        return "the effect is too near the line for any number of items"
    seen = f"about {count(outcome.needs, item)} would decide it if the effect stays as it is"
    if outcome.expected == "same":
        return seen
    least = outcome.detectable
    if outcome.kind == "persona" and least is None:
        least = smallest_detectable(outcome.measured.n)
    return seen if least is None else f"{seen}; {outcome.measured.n} detect {least:.2f} and more"


def _astride(outcome: Outcome) -> str:
    """Of a requirement: how far its items are from deciding it, where they are counted."""
    seen = "the interval straddles the bound"
    item = str(outcome.facts.get("item", "item"))
    if outcome.needs is not None:
        seen += (
            f"; if the estimate stays as it is, about {outcome.facts['items_to_bound']} {item}s "
            f"bring its limit there and {outcome.needs} decide it four times in five"
        )
    if outcome.detectable is not None:
        seen += f"; {outcome.measured.n} tell {outcome.detectable:.2f} from the bound"
    return seen


def _facts(outcome: Outcome) -> list[str]:
    facts = outcome.facts
    lines = []
    if "answer_mass" in facts:
        lines.append(f"  answered  P(Yes) + P(No) = {facts['answer_mass']:.2f} on average")
    if "position_bias" in facts:
        lines.append(
            f"  position  standing first is worth {facts['position_bias']:+.3f} nats per token"
        )
    if "harmful_compliance" in facts:
        lines += _answers(facts)
    if facts.get("samples"):
        lines.append(
            f"  sampled   {facts['samples']} drawn answers a question: no log-probabilities"
        )
    if facts.get("errors"):
        lines.append(
            f"  errors    {count(int(str(facts['errors'])), 'item')} without a usable answer, left out"
        )
    if "unjudged_because" in facts:
        lines.append(f"  unjudged  {inert(facts['unjudged_because'])}")
    if "harmful_after" in facts:
        lines.append(
            f"  {'refusals' if outcome.probe == 'refusal-rate' else 'margins '}  hazardous {facts['harmful_before']:.2f} -> {facts['harmful_after']:.2f}"
            f"   harmless {facts['harmless_before']:.2f} -> {facts['harmless_after']:.2f}"
        )
    return lines


def _answers(facts: Mapping[str, Any]) -> list[str]:
    """What whole answers did, before and after, and how far their judge can be trusted."""
    rates = {
        name: " -> ".join(f"{facts[f'{name}_{when}'].value:.2f}" for when in ("before", "after"))
        for name in ("harmful_compliance", "over_refusal")
    }
    shifts = {name: bracket(facts[name]) for name in rates}
    return [
        f"  complies  with harm {rates['harmful_compliance']}, {shifts['harmful_compliance']}"
        f"   refuses the harmless {rates['over_refusal']}, {shifts['over_refusal']}",
        f"  judge     {facts['judge']}, {trusted(facts['kappas'])}",
    ]
