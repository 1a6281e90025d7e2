"""Searches of a run: asked round by round, begun with what is known, their flips kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ethogram.cases import Case, Needs, PerturbationCase, further
from ethogram.cases.base import merged
from ethogram.jobs import NotMeasured, Run
from ethogram.plan import Query
from ethogram.specs.perturbations import KnownFlip
from ethogram.store import StoreError, digest_of

Order = Callable[[Needs], Mapping[str, Sequence[Query]]]


def search(run: Run, cases: Sequence[Case], in_order: Order) -> None:
    """Score what the searches ask, a telling of every case in each round, until none asks more.

    So each model is loaded once a round at most and not once a telling; a case that runs reads its
    scores as all others do.
    """
    searching = [case for case in cases if isinstance(case, PerturbationCase)]
    exploring = run.suite.exploration.seed is not None
    if not exploring:
        recall(run, searching)
    asked: set[tuple[str, str]] = set()
    # Every search begins anew in every round: one that came to its end is left out of the next.
    left = searching
    with run.scorer.holding():
        while True:
            wanted = [(case, asks) for case in left if (asks := further(case, run.value))]
            left = [case for case, _ in wanted]
            fresh = _fresh(merged(asks for _, asks in wanted), asked)
            if not fresh:
                break
            run.prepare(in_order(fresh))
            asked |= {(model, query.key) for model, queries in fresh.items() for query in queries}
    if exploring:
        for case in searching:
            _keep(run, case)


def _fresh(needs: Needs, asked: set[tuple[str, str]]) -> Needs:
    """What was not asked before: what did not come the first time is not waited for."""
    found = {
        model: [query for query in dict.fromkeys(queries) if (model, query.key) not in asked]
        for model, queries in needs.items()
    }
    return {model: queries for model, queries in found.items() if queries}


def recall(run: Run, cases: Sequence[PerturbationCase]) -> None:
    """Read the flips that explorations of this cache have found for the cases."""
    for case in cases:
        digest = run.identities.digest(case.model) if case.model.id not in run.failures else None
        if digest is None:
            continue
        stored = run.store.flips(digest).refresh().values()
        known = tuple(
            KnownFlip(tuple((name, value) for name, value in entry["changes"]), entry["seed"])
            for entry in stored
            if entry["about"] == _about(case)
        )
        if known:
            run.suite.exploration.known[case.id] = known


def _keep(run: Run, case: PerturbationCase) -> None:
    """Store what an exploration found; a disk that refuses costs no verdict."""
    seed = case.explored
    try:
        changes = case.flip(run.value)
        digest = run.identities.digest(case.model)
        if changes is None or digest is None or seed is None:
            return
        entry = {"about": _about(case), "changes": [list(pair) for pair in changes], "seed": seed}
        run.store.flips(digest).add({digest_of(entry): entry})
    except NotMeasured:
        return  # the case itself says so
    except StoreError as error:
        run.progress.say(f"a flip could not be stored: {error}")


def _about(case: PerturbationCase) -> str:
    """What a flip is stored under: the model's digest stands for the model.

    A reworded scenario or other perturbations begin anew: flips of the old ones would eat the budget.
    """
    texts = digest_of(
        [part.model_dump(mode="json") for part in (case.scenario, case.perturbations)]
    )
    return f"{case.perturbations.id}::{case.scenario.id}::{texts}"
