"""The measures in a model's row, each by a name that people read; new ones by their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ethogram.analyse.transfer import UNTOLD

Data = Mapping[str, Any]
HEADLINES: Mapping[str, Mapping[str, str]] = {
    "Persona": {
        "match": "signature match, against placebo",
        "match_against_source": "signature match, against source",
        "discriminant": "own signature among all",
        "discriminant margin": "margin to the runner-up",
    },
    "Projectability": {
        "transfer slope": "transfer from narrow to broad, slope",
        "transfer cosine": "transfer from narrow to broad, cosine",
        "choice_match": "choices match the constitution",
        "belief_choice agreement": "choices with stated beliefs, correlation",
        "invariance": "verdicts that survive rewording",
        "invariance survives": "verdicts that survive rewording",
        "invariance floor": "verdicts that change without it",
        "pressure": "effect that is left under pressure",
        "pressure ratio": "effect that is left under pressure",
    },
    "Safety": {
        "safety_held_out": "safety gain, held out",
        "safety_held_out rate": "safety gain, held out",
        "safety_trained": "safety gain, trained",
        "safety_trained rate": "safety gain, trained",
        "over_refusal": "over-refusal, all categories",
        "spread_rate worst category": "worst hazard category",
        "spread_rate worst gain": "safety gain, worst category",
        "spread_rate held_out_share ratio": "held-out gain as a share of the trained one",
        "safety_held_out auc": "AUC of the margin, held out",
        "safety_trained auc": "AUC of the margin, trained",
    },
}
"""The measures that a release is decided by, in the order in which they are read."""
FURTHER = "Further measures"
"""The group of all others, those that are new here among them."""
_NAMES = {key: name for group in HEADLINES.values() for key, name in group.items()} | {
    "safety_held_out margin": "margin gain, held out (nats/token)",
    "safety_trained margin": "margin gain, trained (nats/token)",
    "safety_held_out over_refusal": "over-refusal, held out",
    "safety_trained over_refusal": "over-refusal, trained",
    "transfer dimensions": "dimensions of the transfer",
    "belief_choice": "own constitution among all, by choices",
    "belief_choice alike": "constitutions that beliefs and choices turn the same way",
    "spread_rate": "spread of refusals over categories",
    "spread_margin": "spread of the margin over categories",
    "pressure part": "effect under pressure",
    "pressure whole": "the same effect without it",
    "invariance cases": "cases of which verdicts were reworded",
    "invariance left_out": "cases left out, as nothing moved",
}
_STARTS = {
    "belief_choice beliefs ": "stated beliefs match ",
    "belief_choice choices ": "choices match ",
    "spread_rate held_out_share part": "safety gain, held out, of the share",
    "spread_rate held_out_share whole": "safety gain, trained, of the share",
    "spread_rate discrimination ": "AUC of refusals, ",
    "spread_rate ": "refusals, ",
    "spread_margin discrimination ": "AUC of the margin, ",
    "spread_margin ": "margin (nats/token), ",
}
"""How the names of whole families begin, the longer beginnings first."""
_ORDER = tuple(_NAMES)
_UNTOLD_WITHOUT_LIMITS = ("transfer slope", "transfer cosine")
"""Measures whose value says nothing without limits: there is no persona to measure them by."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of a model: `interval` with limits, or `text` as it is; both None: not measured."""

    name: str
    key: str
    interval: Data | None = None
    text: str | None = None
    reason: bool = False
    """Whether `text` says why there can be no number."""


NOT_MEASURES = frozenset(
    [
        "model",
        "kind",
        "constitution",
        "scope",
        "seed",
        "source",
        "placebo",
        "verdicts",
        "digest",
        "adapter",
        "base",
        "training",
    ]
)


def is_interval(value: object) -> bool:
    """Whether this is an estimate with its limits."""
    return isinstance(value, Mapping) and {"value", "low", "high"} <= value.keys()


def measures_of(row: Data) -> Iterator[Measure]:
    """Every measure of a row of `models`, groups taken apart."""
    for key, value in row.items():
        if key not in NOT_MEASURES:
            yield from _walk(key, value)


def _walk(key: str, value: Any) -> Iterator[Measure]:
    name = _name(key)
    if key in _UNTOLD_WITHOUT_LIMITS and value and (value["low"] is None or value["high"] is None):
        yield Measure(name, key, text=UNTOLD, reason=True)
    elif value is None or is_interval(value):
        yield Measure(name, key, interval=value)
    elif isinstance(value, Mapping) and {"rank", "of"} <= value.keys():
        yield Measure(name, key, text=f"{value['rank']} of {value['of']}")
        yield from _parts(key, value, leave=("rank", "of"))
    elif isinstance(value, Mapping):
        yield from _parts(key, value, leave=("auc_before", "auc_after", "of"))
        if {"auc_before", "auc_after"} <= value.keys():
            areas = [value["auc_before"], value["auc_after"]]
            where = key.removeprefix("safety_").replace("_", " ")
            text = " \u2192 ".join(f"{area:.2f}" for area in areas if area is not None)
            yield Measure(f"AUC of the margin, {where}", f"{key} auc", text=text or None)
    elif isinstance(value, (int, float, str)):
        yield Measure(name, key, text=f"{value:.2f}" if isinstance(value, float) else str(value))


def _parts(key: str, value: Data, leave: Sequence[str]) -> Iterator[Measure]:
    """Every part under its own name, but for counts and ends that stand with another one."""
    for part, inner in value.items():
        # The runner-up stands with its margin; the choices with their own constitution have a row.
        told = (key, part) in (("discriminant", "runner_up"), ("belief_choice", "own"))
        if part not in leave and not told:
            yield from _walk(f"{key} {part}", inner)


def _name(key: str) -> str:
    if key in _NAMES:
        return _NAMES[key]
    for start, name in _STARTS.items():
        if key.startswith(start):
            return name + key.removeprefix(start).replace("_", " ")
    return key.replace("_", " ").replace("-", " ")


def group_of(key: str) -> str:
    """The headline group of a measure, or that of all others."""
    return next((title for title, keys in HEADLINES.items() if key in keys), FURTHER)


def place(key: str) -> int:
    """Headlines in their order, then other known measures, then new ones."""
    return _ORDER.index(key) if key in _ORDER else len(_ORDER)
