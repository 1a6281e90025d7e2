"""Faults 1, 2, 4 to 8 and 22 as far as folders by key reach."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ethogram.store import DamagedEntry, Entries, StoreError

KEY, OTHER = "a" * 64, "b" * 64


def writer(text: str = "weights") -> Any:
    def build(folder: Path) -> dict[str, Any]:
        (folder / "inner").mkdir()
        (folder / "inner" / "model.safetensors").write_text(text)
        (folder / "config.json").write_text("{}")
        return {"seed": 1}

    return build


def never(folder: Path) -> dict[str, Any]:
    raise AssertionError("built a second time")


def start(code: str, *arguments: object, **more: Any) -> subprocess.Popen[str]:
    """A child process that runs `code` with the arguments in `argv`."""
    head = "import os, signal, sys, time\nfrom pathlib import Path\nfrom ethogram.store import *\n"
    head += "argv = sys.argv[1:]\n"
    command = [sys.executable, "-c", head + textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, **more)


def visible(entries: Entries) -> list[str]:
    return sorted(p.name for p in entries.folder.iterdir() if p.is_dir() and p.name[0] != ".")


@pytest.fixture
def entries(tmp_path: Path) -> Entries:
    return Entries(tmp_path / "adapters", lock_seconds=30)


def test_an_entry_is_built_once_and_notes_are_kept(entries: Entries) -> None:
    folder = entries.obtain(KEY, writer())
    assert (folder / "inner" / "model.safetensors").read_text() == "weights"
    assert entries.obtain(KEY, never) == folder == entries.verified(KEY)
    manifest = entries.manifest(KEY)
    assert manifest is not None and manifest["seed"] == 1
    assert set(manifest["files"]) == {"config.json", "inner/model.safetensors"}


def test_nothing_there_is_none(entries: Entries) -> None:
    assert entries.manifest(KEY) is None
    assert entries.verified(KEY) is None


@pytest.mark.parametrize("half", ["", "{", "[]", "{}", '{"files"', "\xff"])
def test_an_unfinished_manifest_is_no_entry_and_is_rebuilt(entries: Entries, half: str) -> None:
    folder = entries.path(KEY)
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(half, encoding="latin-1")
    assert entries.verified(KEY) is None
    entries.obtain(KEY, writer())
    assert entries.verified(KEY) == folder


def test_a_failing_build_leaves_nothing(entries: Entries) -> None:
    def fails(folder: Path) -> dict[str, Any]:
        (folder / "half").write_text("x")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        entries.obtain(KEY, fails)
    assert [p.name for p in entries.folder.iterdir() if p.is_dir()] == []
    entries.obtain(KEY, writer())
    assert entries.verified(KEY)


def test_a_process_killed_while_it_builds_leaves_no_visible_entry(entries: Entries) -> None:
    child = start(
        """
        def build(folder):
            (folder / "adapter_model.safetensors").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
        Entries(Path(argv[0])).obtain(argv[1], build)
        """,
        entries.folder,
        KEY,
    )
    assert child.wait(30) == -9
    assert list(entries.folder.rglob("adapter_model.safetensors")), "the child wrote something"
    assert visible(entries) == [] and entries.verified(KEY) is None
    entries.obtain(KEY, writer())
    assert visible(entries) == [KEY]
    assert not list(entries.folder.rglob("adapter_model.safetensors")), "the remains are cleared"


def test_two_processes_build_one_entry_once(entries: Entries, tmp_path: Path) -> None:
    code = """
        folder, key, mine, theirs, log = argv
        def build(aside):
            while not Path(theirs).exists():  # the other one wants the entry by now
                time.sleep(0.01)
            time.sleep(0.1)
            (aside / "x").write_text("x")
            with open(log, "a") as stream:
                stream.write("built\\n")
            return {}
        Path(mine).touch()
        print(Entries(Path(folder), lock_seconds=30).obtain(key, build))
    """
    a, b, log = tmp_path / "a", tmp_path / "b", tmp_path / "log"
    children = [
        start(code, entries.folder, KEY, mine, theirs, log) for mine, theirs in ((a, b), (b, a))
    ]
    outputs = [child.communicate(timeout=30)[0].strip() for child in children]
    assert outputs == [str(entries.path(KEY))] * 2
    assert log.read_text() == "built\n"


@pytest.fixture
def holder(entries: Entries) -> Iterator[subprocess.Popen[str]]:
    """A process that holds KEY's lock."""
    child = start(
        """
        with Entries(Path(argv[0])).locked(argv[1]):
            print("held", flush=True)
            sys.stdin.read()
        """,
        entries.folder,
        KEY,
        stdin=subprocess.PIPE,
    )
    assert child.stdout is not None and child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.communicate()


def test_the_waiter_goes_on_when_the_locks_holder_is_killed(
    entries: Entries, holder: subprocess.Popen[str]
) -> None:
    got: list[Path] = []
    waiter = threading.Thread(target=lambda: got.append(entries.obtain(KEY, writer())))
    waiter.start()
    waiter.join(0.3)
    assert waiter.is_alive() and not got, "it waits while the holder lives"
    holder.kill()
    waiter.join(20)
    assert got == [entries.path(KEY)]


def test_a_lock_that_is_not_had_in_time_is_named(
    entries: Entries, holder: subprocess.Popen[str]
) -> None:
    hasty = Entries(entries.folder, lock_seconds=0.2)
    with pytest.raises(StoreError, match=rf"lock {entries.folder}/{KEY}\.lock") as caught:
        hasty.obtain(KEY, writer())
    assert "another process" in str(caught.value)
    assert hasty.obtain(OTHER, writer()), "another key's lock is free"


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


@pytest.mark.parametrize("damage", [flip, truncate, Path.unlink])
def test_damage_is_found_set_aside_and_rebuilt(entries: Entries, damage: Any) -> None:
    damage(entries.obtain(KEY, writer("first")) / "inner" / "model.safetensors")
    with pytest.raises(DamagedEntry, match=r"model\.safetensors does not match.*set aside as"):
        entries.verified(KEY)
    assert visible(entries) == []
    assert (next((entries.folder / ".damaged").iterdir()) / "entry" / "config.json").exists()
    damage(entries.obtain(KEY, writer("second")) / "inner" / "model.safetensors")
    folder = entries.obtain(KEY, writer("third"))
    assert (folder / "inner" / "model.safetensors").read_text() == "third"


def test_without_verify_the_manifest_is_enough(entries: Entries) -> None:
    flip(entries.obtain(KEY, writer()) / "inner" / "model.safetensors")
    assert entries.obtain(KEY, never, verify=False) == entries.path(KEY)


def test_two_readers_may_set_the_same_damage_aside(entries: Entries) -> None:
    entries.obtain(KEY, writer())
    assert entries.set_aside(KEY).is_dir()
    entries.set_aside(KEY)  # a second reader that saw the same damage, and comes late
    assert entries.verified(KEY) is None


@pytest.mark.parametrize(
    "key",
    [
        *("", "../../x", "/etc/x", "a" * 15, "a" * 65, "A" * 64, "a" * 63 + "/"),
        *("a\0" + "a" * 30, "a" * 64 + "\n", "x" * 300, ".." + "a" * 30),
    ],
)
def test_a_key_that_is_no_digest_is_refused(tmp_path: Path, key: str) -> None:
    entries = Entries(tmp_path / "deep" / "adapters")
    for use in (entries.path, entries.manifest, entries.verified):
        with pytest.raises(StoreError, match="is no key"):
            use(key)
    with pytest.raises(StoreError, match="is no key"):
        entries.obtain(key, writer())
    assert list(tmp_path.iterdir()) == []


@given(st.text(max_size=80))
def test_a_path_never_leaves_its_folder(key: str) -> None:
    folder = Path("/cache/adapters")
    try:
        path = Entries(folder).path(key)
    except StoreError:
        return
    assert path.parent == folder and path.name == key


def test_a_folder_that_is_a_link_is_not_written_through(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "adapters").symlink_to(outside)
    entries = Entries(tmp_path / "adapters")
    with pytest.raises(StoreError, match="is a link to"):
        entries.obtain(KEY, writer())
    with pytest.raises(StoreError, match="is a link to"):
        entries.set_aside(KEY)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("exists", [True, False])
def test_an_entry_that_is_a_link_is_replaced_not_followed(
    entries: Entries, tmp_path: Path, exists: bool
) -> None:
    outside = tmp_path / "outside"
    if exists:
        outside.mkdir()
    entries.folder.mkdir()
    entries.path(KEY).symlink_to(outside)
    folder = entries.obtain(KEY, writer())
    assert not folder.is_symlink() and entries.verified(KEY) == folder
    assert not exists or list(outside.iterdir()) == []


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a file system here; the file size limit is tested instead")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_names_the_path_and_spares_what_is_there(tiny_disk: Path) -> None:
    entries = Entries(tiny_disk / "adapters")
    entries.obtain(KEY, writer())
    with pytest.raises(StoreError, match=rf"cannot write to {tiny_disk}.*No space") as caught:
        entries.obtain(OTHER, writer("x" * 100_000))
    assert isinstance(caught.value.__cause__, OSError)
    assert entries.verified(KEY) and entries.verified(OTHER) is None
    assert visible(entries) == [KEY]
    entries.obtain(OTHER, writer())  # there is room again


@pytest.mark.parametrize("how", ["plain", "safetensors"])
def test_a_refused_write_names_the_path_and_spares_what_is_there(
    entries: Entries, how: str
) -> None:
    entries.obtain(KEY, writer())
    child = start(
        """
        import resource, numpy
        from safetensors.numpy import save_file
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        def build(folder):
            if argv[2] == "plain":
                (folder / "x").write_bytes(bytes(10_000))
            else:
                save_file({"a": numpy.zeros(10_000)}, folder / "x")
        try:
            Entries(Path(argv[0])).obtain(argv[1], build)
        except StoreError as error:
            print(error)
        """,
        entries.folder,
        OTHER,
        how,
    )
    said = child.communicate(timeout=30)[0]
    assert f"cannot write to {entries.folder}" in said and "File too large" in said
    assert entries.verified(KEY) and visible(entries) == [KEY]


def test_an_error_that_is_not_the_disks_stays_what_it_is(entries: Entries) -> None:
    def reads_nothing(folder: Path) -> dict[str, Any]:
        (folder / "absent").read_text()
        return {}

    with pytest.raises(FileNotFoundError):
        entries.obtain(KEY, reads_nothing)
