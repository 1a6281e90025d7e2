from __future__ import annotations

from pathlib import Path

import pytest

from ethogram.store import Store, StoreError
from ethogram.store.checkpoints import KEPT, Checkpoints

KEY = "a" * 64


def write(text: str, checkpoints: Checkpoints, number: int) -> None:
    checkpoints.save(number, lambda folder: {"n": (folder / "state").write_text(text)})


def read(checkpoints: Checkpoints) -> tuple[int, str] | None:
    found = checkpoints.newest()
    return (found[0], (found[1] / "state").read_text()) if found else None


@pytest.fixture
def checkpoints(store: Store) -> Checkpoints:
    found = store.checkpoints(KEY)
    for number in (3, 20, 100):
        write(f"at {number}", found, number)
    return found


def test_there_is_none_before_the_first(store: Store) -> None:
    found = store.checkpoints(KEY)
    assert found.newest() is None and not found.folder.exists()
    found.clear()


def test_the_newest_is_found_and_two_are_kept(checkpoints: Checkpoints) -> None:
    assert read(checkpoints) == (100, "at 100")
    names = sorted(path.name for path in checkpoints.folder.iterdir() if path.is_dir())
    assert names == [f"{n:016d}" for n in (20, 100)] and len(names) == KEPT
    assert len(list(checkpoints.folder.glob("*.lock"))) == KEPT


@pytest.mark.parametrize("harm", ["bit", "lost", "manifest"])
def test_a_damaged_one_is_set_aside_and_the_older_one_counts(
    checkpoints: Checkpoints, harm: str
) -> None:
    damage(checkpoints.folder / f"{100:016d}", harm)
    assert read(checkpoints) == (20, "at 20")
    assert not (checkpoints.folder / f"{100:016d}").exists()
    assert list((checkpoints.folder / ".damaged").iterdir())
    write("again", checkpoints, 100)
    assert read(checkpoints) == (100, "again")


def damage(folder: Path, harm: str) -> None:
    if harm == "bit":
        (folder / "state").write_text("at 101")
    elif harm == "lost":
        (folder / "state").unlink()
    else:
        file = folder / "manifest.json"
        file.write_bytes(file.read_bytes()[:-9])


def test_when_all_are_damaged_there_is_none(checkpoints: Checkpoints) -> None:
    for number in (20, 100):
        damage(checkpoints.folder / f"{number:016d}", "bit")
    assert checkpoints.newest() is None


def test_one_that_was_not_finished_does_not_count(checkpoints: Checkpoints) -> None:
    def fails(folder: Path) -> dict[str, object]:
        (folder / "state").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        checkpoints.save(200, fails)
    (checkpoints.folder / f".{300:016d}-x").mkdir()  # what a killed process leaves
    assert read(checkpoints) == (100, "at 100")


def test_clearing_leaves_nothing_and_no_other_job_is_touched(
    checkpoints: Checkpoints, store: Store
) -> None:
    other = store.checkpoints("b" * 64)
    write("other", other, 1)
    checkpoints.clear()
    assert not checkpoints.folder.exists()
    assert read(other) == (1, "other")


def test_a_key_that_is_no_digest_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="is no key"):
        store.checkpoints("../../x")
