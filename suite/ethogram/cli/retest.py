"""`ethogram retest`: the same model asked twice."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ethogram.analyse.outcomes import Outcome
from ethogram.analyse.retest import Retest, retest
from ethogram.cases import Case
from ethogram.cases.base import merged
from ethogram.cases.collected import all_cases
from ethogram.cli.files import UsageError
from ethogram.cli.study import judged, run_of, save, told
from ethogram.jobs import NotMeasured, Run
from ethogram.jobs.retest import Conditions, asked_again
from ethogram.measure.probes import numbers
from ethogram.plan import Query, Value
from ethogram.report.provenance import file_digests, versions
from ethogram.report.retest import RetestReport, markdown
from ethogram.report.studies import RETEST

SAME, FLIPPED = 0, 1


def retest_models(options: argparse.Namespace) -> int:
    """Exit 0: every verdict stayed. 1: one changed. What goes wrong is raised."""
    from ethogram.measure.engine import PROMPTS, TOKENS

    run = run_of(options, Path())
    suite = run.suite
    judged(suite, options.model)
    # What a server gives decides what was asked of it; it is known from the run that asked.
    run.learn(options.model, ask=False)
    cores = os.cpu_count() or 1
    usual = {"tokens": TOKENS, "prompts": PROMPTS, "threads": cores}
    other = {"tokens": TOKENS // 4, "prompts": PROMPTS // 4, "threads": max(1, cores // 2)}
    found: dict[str, Retest] = {}
    again: dict[str, dict[Query, Value]] = {}
    for name in options.model:
        found[name] = _twice(run, name, options.kinds, Conditions(**other), again)
    digests = {m: run.identities.digest(suite.catalogue[m]) for m in sorted(again)}
    kinds = "".join(f" --kind {kind}" for kind in options.kinds or ())
    report = RetestReport(
        models=list(found.values()),
        conditions=other,
        usual=usual,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=f"ethogram retest {' '.join(options.model)}{kinds}",
        versions=versions(),
        files=file_digests(suite),
        digests=digests,
    )
    print(report.text())
    file: Path = options.out or suite.root / RETEST
    save(report, markdown(report), file)
    told(file)
    return FLIPPED if report.flipped else SAME


def _twice(
    run: Run,
    name: str,
    kinds: Sequence[str] | None,
    conditions: Conditions,
    again: dict[str, dict[Query, Value]],
) -> Retest:
    """Judge the model's stored cases on both scorings; `again` is added to, model by model."""
    if name in run.failures:
        raise NotMeasured(f"{name}: {run.failures[name]}")
    measured = list(_measured(run, name, kinds))
    if not measured:
        raise UsageError(f"nothing is stored of {name}: `pytest suite -k {name}` measures it")
    needs = merged(case.needs() for case, _ in measured)
    for model, queries in needs.items():
        known = again.setdefault(model, {})
        wanted = [query for query in dict.fromkeys(queries) if query not in known]
        if wanted:
            asked = run.suite.catalogue[model]
            known |= asked_again(run.identities, run.progress, asked, wanted, conditions)
    pairs = [(first, case.judge(lambda m, q: again[m][q])) for case, first in measured]
    asked_twice = [
        (query, run.value(model, query), again[model][query])
        for model, queries in needs.items()
        for query in dict.fromkeys(queries)
    ]
    log_probs = [_change(*asked) for asked in asked_twice if asked[0].kind in ("logprob", "answer")]
    texts = [first == second for query, first, second in asked_twice if query.kind == "generate"]
    return retest(name, pairs, log_probs, texts)


def _measured(run: Run, name: str, kinds: Sequence[str] | None) -> Iterator[tuple[Case, Outcome]]:
    """The model's cases whose scores are all stored, judged.

    Those that ask a judge are left out, and those whose answers decide what is asked next.
    """
    for _, case in all_cases(run.suite):
        wanted = case.model.id == name and (not kinds or case.kind in kinds)
        if wanted and not hasattr(case, "judgements") and not hasattr(case, "further"):
            # A case that nothing in the suite measures has no verdict that could change.
            with contextlib.suppress(NotMeasured, ValueError):
                yield case, case.judge(run.value)


def _change(query: Query, first: Value, second: Value) -> float:
    """The largest change of a log-probability of the score, in nats (of a text: per token)."""
    one, other = numbers(first), numbers(second)
    if query.kind == "logprob":
        return abs(one[0] - other[0]) / one[1]
    return max(abs(a - b) for a, b in zip(one, other, strict=True))
