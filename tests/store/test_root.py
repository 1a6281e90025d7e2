from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from ethogram.store import CACHE_VARIABLE, Store, StoreError, default_root
from ethogram.store.entries import Entries


def test_the_variable_names_the_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert default_root() == tmp_path


@pytest.mark.parametrize("value", [None, ""])
def test_else_it_is_the_platforms_cache(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(CACHE_VARIABLE, value)
    assert default_root() == Path(platformdirs.user_cache_dir("ethogram"))


def test_a_root_that_is_a_link_is_resolved_once(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    store = Store(tmp_path / "link")
    assert store.root == tmp_path / "real"
    store.adapters.obtain("a" * 64, lambda folder: {})
    assert (tmp_path / "real" / "adapters" / ("a" * 64) / "manifest.json").is_file()


def test_a_new_store_writes_nothing_before_it_is_used(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    assert store.sources.verified("a" * 64) is None
    assert dict(store.scores("a" * 64).refresh()) == {}
    assert not store.root.exists()


def test_kinds_do_not_share_keys(store: Store) -> None:
    store.sources.obtain("a" * 64, lambda folder: {})
    assert store.adapters.manifest("a" * 64) is None
    assert store.sources.manifest("a" * 64) is not None


def test_scores_are_one_log_per_model(store: Store) -> None:
    store.scores("a" * 64).add({"q": [1.0]})
    assert store.scores("a" * 64) is store.scores("a" * 64)
    assert dict(store.scores("b" * 64).refresh()) == {}
    assert Store(store.root).scores("a" * 64).refresh()["q"] == [1.0]


def test_a_log_is_looked_for_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    whole = Entries.path

    def path(entries: Entries, key: str) -> Path:
        looked.append(key)
        return whole(entries, key)

    monkeypatch.setattr(Entries, "path", path)
    for _ in range(3):
        store.scores("a" * 64), store.judgements("a" * 64)
    assert looked == ["a" * 64] * 2, "once a kind"


@pytest.mark.parametrize("digest", ["../../x", "/etc/x", "a\0b", "x" * 300])
def test_a_digest_that_is_none_is_refused(store: Store, digest: str) -> None:
    with pytest.raises(StoreError, match="is no key"):
        store.scores(digest)
