"""The measures in a model's row, each by a name that people read; new ones by their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Data = Mapping[str, Any]
_NAMES = {
    "match": "signature match, against placebo",
    "match_against_source": "signature match, against source",
    "safety_held_out": "safety gain, held out",
    "safety_trained": "safety gain, trained",
    "discriminant": "own signature among all",
    "discriminant margin": "margin to the runner-up",
    "safety_held_out rate": "safety gain, held out",
    "safety_held_out margin": "margin gain, held out (nats/token)",
    "safety_trained rate": "safety gain, trained",
    "safety_trained margin": "margin gain, trained (nats/token)",
    "over_refusal": "over-refusal, all categories",
    "safety_held_out over_refusal": "over-refusal, held out",
    "safety_trained over_refusal": "over-refusal, trained",
    "transfer slope": "transfer from narrow to broad, slope",
    "transfer cosine": "transfer from narrow to broad, cosine",
    "choice_match": "choices match the constitution",
    "spread_rate worst category": "worst hazard category",
    "spread_rate worst gain": "safety gain, worst category",
    "spread_rate held_out_share ratio": "held-out gain as a share of the trained one",
    "invariance survives": "verdicts that survive rewording",
    "invariance floor": "verdicts that change without it",
    "invariance cases": "cases of which verdicts were reworded",
    "invariance left_out": "cases left out, as nothing moved",
    "pressure ratio": "effect that is left under pressure",
}
_ORDER = ("match", "discriminant", "safety_held_out", "safety_trained", "over_refusal")


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
    name = _NAMES.get(key, key.replace("_", " ").replace("-", " "))
    if value is None or is_interval(value):
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
        if part not in leave and not (part == "runner_up" and key == "discriminant"):
            yield from _walk(f"{key} {part}", inner)


def place(key: str) -> int:
    """Known measures in the order of the tables, new ones after them."""
    return next((at for at, start in enumerate(_ORDER) if key.startswith(start)), len(_ORDER))
