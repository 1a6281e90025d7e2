from __future__ import annotations

from pathlib import Path

import pytest

from ethogram.store import Store, StoreError, clear, usage
from ethogram.store.inventory import KINDS

KEY, OTHER = "a" * 64, "b" * 64


def put(store: Store, key: str, size: int = 100) -> None:
    store.adapters.obtain(key, lambda folder: {"n": (folder / "w").write_bytes(b"x" * size)})


def test_entries_and_bytes_are_counted_by_kind(store: Store) -> None:
    put(store, KEY, 5000)
    store.scores(KEY).add({OTHER: 1.0})
    found = {kind.kind: kind for kind in usage(store)}
    assert set(found) == set(KINDS)
    assert (found["sources"].entries, found["sources"].size) == (0, 0)
    assert found["adapters"].entries == 1 and found["adapters"].size > 5000
    assert found["scores"].entries == 1 and found["scores"].size > 0


def test_what_is_being_written_is_no_entry(store: Store) -> None:
    put(store, KEY)
    (store.adapters.folder / f".{OTHER}-aside").mkdir()
    assert {kind.kind: kind.entries for kind in usage(store)}["adapters"] == 1


@pytest.mark.parametrize("kind", KINDS)
def test_clearing_one_kind_leaves_the_others(store: Store, kind: str) -> None:
    put(store, KEY)
    store.sources.obtain(KEY, lambda folder: {"n": (folder / "w").write_bytes(b"x")})
    store.scores(KEY).add({OTHER: 1.0})
    store.checkpoints(KEY).save(1, lambda folder: {"n": (folder / "w").write_bytes(b"x")})
    store.transcripts(KEY).add({OTHER: {"draft": "Sure.", "turns": []}})
    store.judgements(KEY).add({OTHER: "refuses"})
    store.flips(KEY).add({OTHER: {"seed": 7}})
    assert clear(store, kind) == 1
    assert {u.kind for u in usage(store) if u.entries == 0} == {kind}
    assert clear(store, kind) == 0


def test_a_cleared_entry_is_built_again(store: Store) -> None:
    put(store, KEY)
    clear(store, "adapters")
    assert store.adapters.manifest(KEY) is None
    put(store, KEY)
    assert store.adapters.verified(KEY)


def test_damaged_entries_go_too(store: Store) -> None:
    put(store, KEY)
    aside = store.adapters.set_aside(KEY)
    clear(store, "adapters")
    assert not aside.exists()


@pytest.mark.parametrize(
    "kind", ["adapters", "checkpoints", "scores", "transcripts", "judgements", "flips"]
)
def test_an_entry_in_use_is_left_and_its_lock_named(store: Store, kind: str) -> None:
    put(store, KEY)
    store.scores(KEY).add({OTHER: 1.0})
    store.transcripts(KEY).add({OTHER: 1.0})
    store.judgements(KEY).add({OTHER: 1.0})
    store.flips(KEY).add({OTHER: 1.0})
    store.checkpoints(KEY).save(1, lambda folder: {"n": (folder / "w").write_bytes(b"x")})
    locks = store.adapters if kind in ("adapters", "checkpoints") else store.jobs
    with locks.locked(KEY), pytest.raises(StoreError, match=f"{KEY}.lock"):
        clear(store, kind, wait=0.05)
    assert store.adapters.verified(KEY)
    assert store.scores(KEY).refresh()
    assert store.checkpoints(KEY).newest()


@pytest.mark.parametrize("kind", KINDS)
def test_a_link_out_of_the_cache_is_not_followed(store: Store, tmp_path: Path, kind: str) -> None:
    outside = tmp_path / "outside" / KEY
    outside.mkdir(parents=True)
    store.root.mkdir(parents=True)
    (store.root / kind).symlink_to(outside.parent)
    with pytest.raises(StoreError, match="is a link"):
        clear(store, kind)
    assert outside.is_dir()


def test_nothing_but_a_kind_of_entries_is_cleared(store: Store) -> None:
    with pytest.raises(ValueError, match="is no kind of entries"):
        clear(store, "..")
