"""May a model be promoted? From the requirement cases of a stored run, and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ethogram.analyse.gate import decided
from ethogram.inert import inert
from ethogram.report.stored import StoredCase, StoredReport
from ethogram.report.words import bracket
from ethogram.specs.errors import did_you_mean

Code = Literal[0, 1, 2]
PROMOTE: Code = 0
KEEP_BACK: Code = 1
UNKNOWN: Code = 2


@dataclass(frozen=True, slots=True)
class Decision:
    """`code`: 0 promote, 1 do not, 2 could not decide. `reason`: one paragraph."""

    code: Code
    reason: str


def decide(
    report: StoredReport,
    model: str,
    required: Sequence[str] | None = None,
    stale: Sequence[str] = (),
) -> Decision:
    """Promote only where every requirement of the model was measured and holds.

    One that does not hold keeps the model back, whatever else is unknown. `required`: the ids of
    the requirements that the suite has for the model, so that one that never ran is missed; None
    where that is not known. `stale`: files that changed since the run.
    """
    cases = [c for c in report.cases.values() if c.model == model and c.kind == "projectability"]
    errors = [e for e in report.errors if e.endswith(f"::{model}") and "projectability.yaml" in e]
    ran = {case.subject for case in cases} | {error.split("::")[-2] for error in errors}
    failed = [case for case in cases if case.verdict == "contradicts"]
    open_ = [case for case in cases if case.verdict not in ("holds", "contradicts")]
    missing = [name for name in required or () if name not in ran]
    found = decided(
        [*(c.verdict for c in cases), *("unknown" for _ in (*errors, *missing, *stale))]
    )
    if found == "keep back":
        kept = f"{len(failed)} of {len(cases)} requirements measured do not hold"
        return _decided(KEEP_BACK, report, model, f"Do not promote {model}: {kept}", failed)
    if not cases and not errors:
        known = required or model in report.models
        advice = f"; `pytest suite -m projectability -k {model}` measures them"
        hint = advice if known else did_you_mean(model, report.models)
        why = f"the run holds no requirement case of it{hint}"
        return _decided(UNKNOWN, report, model, f"Could not decide on {model}: {why}")
    verdicts = sorted(case.verdict for case in open_)
    unknown = [
        *([f"{len(errors)} were not measured ({_names(errors)})"] if errors else []),
        *([f"{len(missing)} never ran ({', '.join(missing)})"] if missing else []),
        *(f"{sum(c.verdict == v for c in open_)} are {v}" for v in dict.fromkeys(verdicts)),
        *([f"the gate changed since the run ({', '.join(stale)})"] if stale else []),
    ]
    if found == "could not decide":
        why = f"Could not decide on {model}: of its requirements {'; '.join(unknown)}"
        return _decided(UNKNOWN, report, model, why, open_)
    head = f"Promote {model}: all {len(cases)} requirements hold"
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


def _names(errors: Sequence[str]) -> str:
    return ", ".join(error.split("::")[-2] for error in errors)
