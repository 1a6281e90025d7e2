"""`ethogram retest`: the same model asked twice."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ethogram.analyse.outcomes import Outcome
from ethogram.analyse.retest import Retest, retest
from ethogram.cases import Case
from ethogram.cases.base import merged
from ethogram.cases.collected import all_cases
from ethogram.cli.files import UsageError, suite_around, write
from ethogram.cli.studies import RETEST
from ethogram.jobs import NotMeasured, Progress, Run
from ethogram.jobs.retest import Conditions, asked_again
from ethogram.measure.probes import numbers
from ethogram.plan import Query, Value
from ethogram.report.provenance import file_digests, versions
from ethogram.report.retest import RetestReport, markdown
from ethogram.specs.errors import SpecError, did_you_mean, shown
from ethogram.store import Store, default_root

SAME, FLIPPED = 0, 1


def retest_models(options: argparse.Namespace) -> int:
    """Exit 0: every verdict stayed. 1: one changed."""
    from ethogram.measure.engine import PROMPTS, TOKENS

    suite = suite_around(Path(), options.models)
    if problems := suite.shared_problems():
        raise SpecError(problems)
    known = {model.id for model in suite.catalogue if model.judged}
    for name in options.model:
        if name not in known:
            raise UsageError(f"no judged model is called {name!r}{did_you_mean(name, known)}")
    run = Run(suite, Store(options.cache or default_root()), Progress())
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
    write(file, json.dumps(report.as_json(), indent=1, allow_nan=False) + "\n")
    write(file.with_suffix(".md"), markdown(report))
    print(f"\nwritten: {shown(file)} and {file.with_suffix('.md').name} beside it")
    return FLIPPED if report.flipped else SAME


def _twice(
    run: Run,
    name: str,
    kinds: Sequence[str] | None,
    conditions: Conditions,
    again: dict[str, dict[Query, Value]],
) -> Retest:
    """Judge the model's stored cases on both scorings; `again` is added to, model by model."""
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
    """The model's cases whose scores are all stored, judged; those that ask a judge are left out."""
    for _, case in all_cases(run.suite):
        wanted = case.model.id == name and (not kinds or case.kind in kinds)
        if wanted and not hasattr(case, "judgements"):
            with contextlib.suppress(NotMeasured):
                yield case, case.judge(run.value)


def _change(query: Query, first: Value, second: Value) -> float:
    """The largest change of a log-probability of the score, in nats (of a text: per token)."""
    one, other = numbers(first), numbers(second)
    if query.kind == "logprob":
        return abs(one[0] - other[0]) / one[1]
    return max(abs(a - b) for a, b in zip(one, other, strict=True))
