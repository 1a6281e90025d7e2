"""May a model be promoted? From the requirement cases of a stored run, and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ethogram.analyse.gate import decided
from ethogram.inert import inert
from ethogram.report.stored import StoredCase, StoredReport
from ethogram.report.words import all_hold, bracket
from ethogram.specs.errors import count, did_you_mean, named
from ethogram.specs.layout import MODELS

Code = Literal[0, 1, 2]
PROMOTE: Code = 0
KEEP_BACK: Code = 1
UNKNOWN: Code = 2


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

    required: Sequence[str] = ()
    """Ids of the model's requirements, so that one that never ran is missed."""
    changed: Sequence[str] = ()
    """Files and models that are not what they were at the run."""
    problem: str = ""
    """Why nothing is required: then nobody knows what was left out of the run."""


def decide(report: StoredReport, model: str, gate: Gate) -> Decision:
    """Promote only where every requirement of the model was measured and holds.

    One that does not hold keeps the model back, whatever else is unknown.
    """
    cases = [c for c in report.cases.values() if c.model == model and c.kind == "projectability"]
    errors = [e for e in report.errors if e.endswith(f"::{model}") and "projectability.yaml" in e]
    ran = {case.subject for case in cases} | {error.split("::")[-2] for error in errors}
    failed = [case for case in cases if case.verdict == "contradicts"]
    open_ = [case for case in cases if case.verdict not in ("holds", "contradicts")]
    missing = [name for name in gate.required if name not in ran]
    problem = gate.problem or ("" if gate.required else "the suite requires nothing of it")
    unknown = [*errors, *missing, *gate.changed, *([problem] if problem else [])]
    found = decided([*(c.verdict for c in cases), *("unknown" for _ in unknown)])
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
        ]
    )
    if found == "could not decide":
        return _decided(UNKNOWN, report, model, f"Could not decide on {model}: {why}", open_)
    head = f"Promote {model}: {all_hold(len(cases))}"
    return _decided(PROMOTE, report, model, head, cases)


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
