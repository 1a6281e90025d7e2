"""What a search for a flip found, in words: of a failing case, and as rows of the run's summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ethogram.analyse.outcomes import Outcome
from ethogram.inert import inert, inert_lines
from ethogram.report.stored import interval
from ethogram.report.words import bracket, number

NOTHING_TO_FLIP = "the verdict without perturbations is undecided: there is nothing to flip"
HOW = {
    "verdict": "the opposite verdict is decided",
    "mean": "too few renderings to decide; the mean shift has the opposite sign, beyond its noise",
}


def flip_lines(outcome: Outcome) -> list[str]:
    """The flip, both verdicts, how it was searched for, the noise floor, the diff, and the command."""
    facts = outcome.facts
    if "combination" not in facts:
        return []
    named = _named(facts, " + ")
    least = "no change can be left out" if facts["least"] else "the budget ended the shrinking"
    lines = [
        f"  flipped   by {len(facts['combination'])} of {facts['of']}: {named}   ({least})",
        f"  before    {_standing(facts['base'])}",
        f"  after     {_standing(facts['flipped'])}   ({_how(facts)})",
        f"  searched  {_searched(facts)}",
        f"  floor     {_floor(facts['floor'])}",
        "  prompt",
    ]
    lines += [f"    {line}" for line in inert_lines("\n".join(facts["diff"])).split("\n")]
    seed = f" --ethogram-explore={facts['seed']}" if facts["explored"] else ""
    lines.append(f'  again     pytest "{outcome.case}"{seed}')
    return lines


def flip_rows(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """Model, scenario, verdict, what flips it, tellings tried, queries asked, share by chance."""
    rows = []
    for outcome in outcomes:
        facts = outcome.facts
        searched = "tried" in facts
        floor = facts.get("floor")
        rows.append(
            [
                outcome.model,
                outcome.subject,
                str(facts["base"]["verdict"]),
                _named(facts, " + ") if "combination" in facts else "-",
                str(facts["tried"]) if searched else "-",
                f"{facts['asked']}/{facts['budget']}" if searched else "-",
                f"{floor['changed']}/{floor['tried']}, {floor['floor']:.0%}" if floor else "-",
            ]
        )
    return rows


def _named(facts: Mapping[str, Any], between: str) -> str:
    changes = facts["combination"]
    return between.join(f"{change['id']} ({inert(change['value'], 60)})" for change in changes)


def _standing(found: Mapping[str, Any]) -> str:
    effect = bracket(interval(found["effect"]))
    return f"{found['verdict']:<11}  {effect}   mean {number(found['mean'], 4)} nats per token"


def _how(facts: Mapping[str, Any]) -> str:
    if facts["flipped_by"] == "mean":
        return f"{HOW['mean']} of {facts['noise_bound']:.4f}"
    return HOW[facts["flipped_by"]]


def _searched(facts: Mapping[str, Any]) -> str:
    kept = facts["known_from"]
    how = f"known from --ethogram-explore={kept}" if kept is not None else f"seed {facts['seed']}"
    return f"{facts['tried']} combinations, {facts['asked']} of {facts['budget']} queries; {how}"


def _floor(floor: Mapping[str, Any]) -> str:
    return (
        f"the mean changed its direction in {floor['changed']} of {floor['tried']} combinations; "
        f"with all renderings dealt out at random it does in {floor['floor']:.0%}"
    )
