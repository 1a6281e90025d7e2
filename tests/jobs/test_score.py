"""The job *score*: only what is missing, every batch kept (faults 3, 8, 9)."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from ethogram.jobs import score as module
from ethogram.jobs.finetune import adapter_of
from ethogram.jobs.identity import Identities
from ethogram.jobs.progress import Progress
from ethogram.jobs.score import Scorer, engine_for
from ethogram.measure.engine import LocalEngine
from ethogram.plan import Query, Value, ask
from ethogram.source.obtain import SourceError
from ethogram.specs.catalogue import Model
from ethogram.specs.suite import Suite
from ethogram.store import Store, StoreError

QUERIES = [Query("logprob", ask(f"Question {n}?"), ("I would help.",)) for n in range(10)]


class Spy:
    """An engine that answers in batches of two and notes what it was asked."""

    nbytes = 10

    def __init__(self, fails_after: int = 99) -> None:
        self.asked: list[Query] = []
        self.fails_after = fails_after

    def score(self, queries: Sequence[Query]) -> Iterable[dict[Query, Value]]:
        for start in range(0, len(queries), 2):
            if len(self.asked) >= self.fails_after:
                raise RuntimeError("the engine fell over")
            batch = queries[start : start + 2]
            self.asked.extend(batch)
            yield {query: [-1.0 - len(query.messages[0][1]), 4.0] for query in batch}


@pytest.fixture
def tiny(small_suite: Path, store: Store) -> tuple[Model, str, Identities]:
    """The small suite's source model, its digest and the identities."""
    suite = Suite.around(small_suite / "suite")
    assert suite is not None
    identities = Identities(suite, store)
    model = suite.catalogue["tiny"]
    digest = identities.digest(model)
    assert digest is not None
    return model, digest, identities


def quiet() -> Progress:
    return Progress(bars=False, write=lambda line: None)


def test_only_what_is_missing_is_asked(
    tiny: tuple[Model, str, Identities], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, digest, identities = tiny
    spy = Spy()
    monkeypatch.setattr(module, "engine_for", lambda *_: spy)
    progress = quiet()
    Scorer(identities, progress).score_missing(model, digest, QUERIES[:4])
    Scorer(identities, progress).score_missing(model, digest, [*QUERIES[2:7], QUERIES[6]])
    Scorer(identities, progress).score_missing(model, digest, QUERIES[:7])
    assert spy.asked == QUERIES[:7]
    assert [line.rpartition("(")[2] for line in progress.lines] == ["4 queries)", "3 queries)"]


def test_what_was_answered_before_an_error_is_kept(
    tiny: tuple[Model, str, Identities], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, digest, identities = tiny
    failing, whole = Spy(fails_after=4), Spy()
    monkeypatch.setattr(module, "engine_for", lambda *_: failing)
    with pytest.raises(RuntimeError, match="fell over"):
        Scorer(identities, quiet()).score_missing(model, digest, QUERIES)
    monkeypatch.setattr(module, "engine_for", lambda *_: whole)
    Scorer(Identities(identities.suite, identities.store), quiet()).score_missing(
        model, digest, QUERIES
    )
    assert whole.asked == QUERIES[4:]


def test_a_damaged_segment_is_scored_again(
    tiny: tuple[Model, str, Identities], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, digest, identities = tiny
    monkeypatch.setattr(module, "engine_for", lambda *_: Spy())
    Scorer(identities, quiet()).score_missing(model, digest, QUERIES)
    expected = dict(identities.store.scores(digest).values)
    segment = sorted(identities.store.scores(digest).folder.glob("*.json"))[2]
    segment.write_bytes(segment.read_bytes().replace(b"4.0", b"5.0"))
    spy, fresh = Spy(), Store(identities.store.root)
    monkeypatch.setattr(module, "engine_for", lambda *_: spy)
    Scorer(Identities(identities.suite, fresh), quiet()).score_missing(model, digest, QUERIES)
    assert len(spy.asked) == 2
    assert dict(fresh.scores(digest).values) == expected


def test_another_process_scoring_is_waited_for_and_its_scores_are_read(
    tiny: tuple[Model, str, Identities], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, digest, identities = tiny
    other = Store(identities.store.root)
    spy = Spy()
    monkeypatch.setattr(module, "engine_for", lambda *_: spy)
    locked = type(identities.store.jobs).locked

    def busy(entries, key):  # type: ignore[no-untyped-def]
        # What the other process did while this one waited for the lock.
        other.scores(digest).add({query.key: [-1.0, 4.0] for query in QUERIES[:8]})
        return locked(entries, key)

    monkeypatch.setattr(type(identities.store.jobs), "locked", busy)
    Scorer(identities, quiet()).score_missing(model, digest, QUERIES)
    assert spy.asked == QUERIES[8:]


def test_a_killed_scorer_loses_no_finished_batch(
    small_suite: Path, tiny: tuple[Model, str, Identities], tmp_path: Path
) -> None:
    model, digest, identities = tiny
    code = """
import os, signal, sys
from pathlib import Path
from ethogram.measure import engine
from ethogram.jobs.identity import Identities
from ethogram.jobs.progress import Progress
from ethogram.jobs.score import Scorer
from ethogram.plan import Query, ask
from ethogram.specs.suite import Suite
from ethogram.store import ScoreLog, Store

engine.PROMPTS = 2
add = ScoreLog.add
def dying(log, values):
    if len(log.values) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    add(log, values)
ScoreLog.add = dying
suite = Suite.around(Path(sys.argv[1]) / "suite")
identities = Identities(suite, Store(Path(sys.argv[2])))
queries = [Query("logprob", ask(f"Question {n}?"), ("I would help.",)) for n in range(10)]
model = suite.catalogue["tiny"]
Scorer(identities, Progress(bars=False)).score_missing(model, identities.digest(model), queries)
"""
    arguments = [sys.executable, "-c", code, str(small_suite), str(identities.store.root)]
    child = subprocess.run(arguments, timeout=60, check=False, capture_output=True, text=True)
    assert child.returncode == -signal.SIGKILL, child.stderr
    progress = quiet()
    Scorer(identities, progress).score_missing(model, digest, QUERIES)
    assert len(progress.lines) == 1 and progress.lines[0].endswith("(6 queries)")
    untroubled = Identities(identities.suite, Store(tmp_path / "other"))
    Scorer(untroubled, quiet()).score_missing(model, digest, QUERIES)
    found, expected = (i.store.scores(digest).values for i in (identities, untroubled))
    assert set(found) == {query.key for query in QUERIES}
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize(
    ("room", "loads"), [(None, 6), (0, 6), (10, 2)], ids=["apart", "none", "one"]
)
def test_models_that_are_asked_in_turns_stay_loaded_where_they_fit(
    tiny: tuple[Model, str, Identities],
    monkeypatch: pytest.MonkeyPatch,
    room: int | None,
    loads: int,
) -> None:
    source, digest, identities = tiny
    finetuned = identities.suite.catalogue["tiny-duty-broad"]
    adapter_of(finetuned, identities, quiet())
    other = identities.digest(finetuned)
    assert other is not None
    loaded: list[str] = []

    def engine(model: Model, *_: object) -> Spy:
        loaded.append(model.id)
        return Spy()

    monkeypatch.setattr(module, "engine_for", engine)
    monkeypatch.setattr(module, "HELD", room)
    scorer = Scorer(identities, quiet())
    with scorer.holding() if room is not None else contextlib.nullcontext():
        for query in QUERIES[:3]:
            scorer.score_missing(source, digest, [query])
            scorer.score_missing(finetuned, other, [query])
    assert len(loaded) == loads
    scorer.score_missing(source, digest, QUERIES[3:])
    assert len(loaded) == loads + 1, "afterwards none stays but the last"


def test_what_a_model_takes_is_known(tiny: tuple[Model, str, Identities]) -> None:
    model, _, identities = tiny
    engine = engine_for(model, identities, quiet())
    assert isinstance(engine, LocalEngine)
    weights = {id(w): w for w in engine.loaded.model.parameters()}.values()
    assert engine.nbytes == sum(2 * 4 * w.numel() for w in weights) > 10_000


def test_a_finetuned_model_is_not_scored_as_its_base(
    tiny: tuple[Model, str, Identities],
) -> None:
    source, digest, identities = tiny
    finetuned = identities.suite.catalogue["tiny-duty-broad"]
    adapter_of(finetuned, identities, quiet())
    other = identities.digest(finetuned)
    assert other is not None and other != digest
    Scorer(identities, quiet()).score_missing(source, digest, QUERIES)
    Scorer(identities, quiet()).score_missing(finetuned, other, QUERIES)
    base, tuned = (identities.store.scores(d).values for d in (digest, other))
    assert all(abs(base[q.key][0] - tuned[q.key][0]) > 1e-3 for q in QUERIES)


def test_an_adapter_that_came_out_otherwise_is_not_mixed_with_the_old_scores(
    tiny: tuple[Model, str, Identities],
) -> None:
    _, _, identities = tiny
    model = identities.suite.catalogue["tiny-duty-broad"]
    key = identities.adapter_key(model)

    def elsewhere(folder: Path) -> dict[str, int]:  # trained on another machine, then damaged
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            (folder / name).write_text(name)
        return {"seed": 0}

    folder = identities.store.adapters.obtain(key, elsewhere)
    (folder / "adapter_model.safetensors").write_text("flipped")
    digest = identities.digest(model)
    assert digest is not None
    with pytest.raises(StoreError, match="training it anew gave another one"):
        Scorer(identities, quiet()).score_missing(model, digest, QUERIES)
    assert dict(identities.store.scores(digest).refresh()) == {}
    again = Identities(identities.suite, Store(identities.store.root))
    fresh = again.digest(model)
    assert fresh is not None and fresh != digest
    Scorer(again, quiet()).score_missing(model, fresh, QUERIES)
    assert len(again.store.scores(fresh).values) == len(QUERIES)


def test_a_candidate_with_a_pickle_only_gets_no_engine(small_suite: Path, store: Store) -> None:
    with (small_suite / "models.yaml").open("a") as stream:
        stream.write(
            "candidates:\n  mine-duty: {source: tiny, constitution: duty, adapter: mine}\n"
        )
    (small_suite / "mine").mkdir()
    (small_suite / "mine" / "adapter_model.bin").write_bytes(b"pickle")
    suite = Suite.around(small_suite / "suite")
    assert suite is not None
    with pytest.raises(SourceError, match="only a pickle"):
        engine_for(suite.catalogue["mine-duty"], Identities(suite, store), quiet())


def test_a_candidates_checkpoint_is_the_model(small_suite: Path, store: Store) -> None:
    models = small_suite / "models.yaml"
    folder = models.read_text().split('folder: "')[1].split('"')[0]
    with models.open("a") as stream:
        stream.write(
            "candidates:\n"
            f'  mine-duty: {{source: tiny, constitution: duty, checkpoint: "{folder}"}}\n'
        )
    suite = Suite.around(small_suite / "suite")
    assert suite is not None
    identities = Identities(suite, store)
    for name in ("tiny", "mine-duty"):
        digest = identities.digest(suite.catalogue[name])
        assert digest is not None
        Scorer(identities, quiet()).score_missing(suite.catalogue[name], digest, QUERIES)
    base, mine = (identities.digest(suite.catalogue[name]) for name in ("tiny", "mine-duty"))
    assert base is not None and mine is not None and base != mine
    assert dict(store.scores(mine).values) == dict(store.scores(base).values)
