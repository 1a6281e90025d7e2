"""May a model be promoted? From the requirement cases of a stored run, judged once more.

A word in a file is no measurement: every verdict has to follow from its own interval and from the
bound that the suite asks today, by the rule of the run, before anything rests on it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ethogram.analyse.gate import bounded, decided
from ethogram.analyse.intervals import Interval
from ethogram.inert import inert
from ethogram.report.stored import StoredCase, StoredReport
from ethogram.report.words import all_hold, bracket
from ethogram.specs.errors import count, did_you_mean, named
from ethogram.specs.layout import MODELS
from ethogram.specs.requirements import Requirement

Code = Literal[0, 1, 2]
PROMOTE: Code = 0
KEEP_BACK: Code = 1
UNKNOWN: Code = 2


EQUAL = 1e-6
"""Largest difference between a number in a report and the same number measured once more."""
SHOWN = 3
"""Files that changed and are named; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Decision:
    """`code`: 0 promote, 1 do not, 2 could not decide. `reason`: one paragraph."""

    code: Code
    reason: str


@dataclass(frozen=True, slots=True)
class Gate:
    """What the suite requires of a model now, and whether the run still speaks of this suite."""

    required: Sequence[Requirement] = ()
    """The model's requirements: one that never ran is missed, and every verdict is judged anew."""
    changed: Sequence[str] = ()
    """Files and models that are not what they were at the run."""
    measured: Mapping[str, Interval] = field(default_factory=dict)
    """By requirement: what the stored scores say now, where all that it rests on is stored here."""
    rests_on: Sequence[str] = ()
    """Ids of the models that the run must have known by their digests: it, and its references."""
    problem: str = ""
    """Why nothing is required: then nobody knows what was left out of the run."""


def decide(report: StoredReport, model: str, gate: Gate) -> Decision:
    """Promote only where every requirement of the model was measured and holds.

    One that does not hold keeps the model back, whatever else is unknown.
    """
    cases = [c for c in report.cases.values() if c.model == model and c.kind == "projectability"]
    errors = [e for e in report.errors if e.endswith(f"::{model}") and "projectability.yaml" in e]
    ran = {case.subject for case in cases} | {error.split("::")[-2] for error in errors}
    doubts = _doubts(cases, gate)
    sound = [case for case in cases if case.case not in doubts]
    failed = [case for case in sound if case.verdict == "contradicts"]
    open_ = [case for case in sound if case.verdict not in ("holds", "contradicts")]
    missing = [found.id for found in gate.required if found.id not in ran]
    unnamed = [name for name in gate.rests_on if not report.digests.get(name)] if cases else []
    problem = gate.problem or ("" if gate.required else "the suite requires nothing of it")
    unknown = [*errors, *missing, *gate.changed, *doubts, *unnamed, *([problem] if problem else [])]
    found = decided([*(c.verdict for c in sound), *("unknown" for _ in unknown)])
    if found == "keep back":
        does = "does" if len(failed) == 1 else "do"
        kept = f"{len(failed)} of {count(len(cases), 'requirement')} measured {does} not hold"
        return _decided(KEEP_BACK, report, model, f"Do not promote {model}: {kept}", failed)
    if not cases and not errors:
        known = gate.required or model in report.models
        named_by = (
            f" --ethogram-models={report.models_file}" if report.models_file != MODELS else ""
        )
        advice = f"; `pytest suite -m projectability -k {model}{named_by}` measures them"
        hint = advice if known else did_you_mean(model, report.models)
        told = f"; {problem}" if problem else hint
        why = f"the run holds no requirement case of it{told}"
        return _decided(UNKNOWN, report, model, f"Could not decide on {model}: {why}")
    left = {"not measured": [error.split("::")[-2] for error in errors], "never run": missing}
    for case in sorted(open_, key=lambda case: case.verdict):
        left.setdefault(case.verdict, []).append(case.subject)
    why = "; ".join(
        [
            *([problem] if problem else []),
            *(
                f"{count(len(n), 'requirement')} {how} ({', '.join(n)})"
                for how, n in left.items()
                if n
            ),
            *([f"changed since the run: {named(gate.changed, SHOWN)}"] if gate.changed else []),
            *([f"the report names no digest of {named(unnamed, SHOWN)}"] if unnamed else []),
            *([f"not to be believed: {named(list(doubts.values()), SHOWN)}"] if doubts else []),
        ]
    )
    if found == "could not decide":
        return _decided(UNKNOWN, report, model, f"Could not decide on {model}: {why}", open_)
    again = sum(case.subject in gate.measured for case in cases)
    told = f"{again} of them measured once more from the stored scores" if again else ""
    told = told or "none measured once more: this cache lacks the scores"
    head = f"Promote {model}: {all_hold(len(cases))} ({told})"
    return _decided(PROMOTE, report, model, head, cases)


def _doubts(cases: Sequence[StoredCase], gate: Gate) -> dict[str, str]:
    """By case: why its verdict cannot be believed."""
    required = {found.id: found for found in gate.required}
    asked = gate.required and not gate.problem
    found = [
        (
            case,
            (_doubt(case, required.get(case.subject)) if asked else _unlike(case))
            or _other(case, gate.measured.get(case.subject)),
        )
        for case in cases
    ]
    return {case.case: f"{case.subject} {why}" for case, why in found if why}


def _doubt(case: StoredCase, requirement: Requirement | None) -> str | None:
    """Why the verdict does not follow from the interval and today's requirement; None: it does."""
    if why := _unlike(case):
        return why
    if requirement is None:
        return "is no requirement of the suite"
    if (case.expected, case.probe) != (requirement.expected, requirement.measure):
        return (
            f"asks {case.probe} {case.expected}, and the suite {requirement.measure} "
            f"{requirement.expected}"
        )
    if case.verdict not in ("holds", "contradicts", "undecided"):
        return None
    ((bound, limit),) = requirement.bounds.items()
    on_ci = requirement.on == "ci"
    m = case.measured
    numbers = (m.value, m.low, m.high) if on_ci else (m.value,)
    if case.verdict != "undecided" and not all(map(math.isfinite, numbers)):
        return f"{case.verdict} on an interval without numbers"
    again = bounded(m, bound, limit, on_ci=on_ci)
    if again != case.verdict:
        return f"{case.verdict}, it says, and {bracket(m)} is {again} against {case.expected}"
    return None


def _other(case: StoredCase, now: Interval | None) -> str | None:
    """Why the stored scores do not say what the report says they did; None: they do, or are not here."""
    if now is None or case.verdict not in ("holds", "contradicts", "undecided"):
        return None
    then = case.measured
    pairs = ((then.value, now.value), (then.low, now.low), (then.high, now.high))
    if all(a == b or abs(a - b) < EQUAL or (math.isnan(a) and math.isnan(b)) for a, b in pairs):
        return None
    return f"measured {bracket(then)}, it says, and the stored scores say {bracket(now)}: run the suite again"


def _unlike(case: StoredCase) -> str | None:
    """What is wrong with it whatever is required: its id, or an interval that is none."""
    if not case.case.endswith(f"::{case.subject}::{case.model}"):
        return f"is called {case.subject} of {case.model} in its row"
    m = case.measured
    if m.low > m.high or (m.n < 1 and case.verdict in ("holds", "contradicts")):
        return f"has no such interval: {bracket(m)}, n = {m.n}"
    if case.verdict in ("holds", "contradicts") and not math.isfinite(m.value):
        return f"{case.verdict} on an interval without numbers"
    return None


def _decided(
    code: Code,
    report: StoredReport,
    model: str,
    head: str,
    cases: Sequence[StoredCase] = (),
) -> Decision:
    figures = "; ".join(
        f"{c.subject} ({c.expected}) measured {bracket(c.measured)}, n = {c.measured.n}"
        for c in cases
    )
    digest = report.digests.get(model)
    made = f", model {digest[:12]}" if digest else ""
    text = f"{head}{f': {figures}' if figures else ''}. Report of {report.started}{made}."
    return Decision(code, inert(text))
