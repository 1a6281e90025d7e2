"""Folders by key, each with a manifest that names every file's digest."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ethogram.store.digest import file_digest

MANIFEST = "manifest.json"
LOCK_SECONDS = 3 * 3600.0
"""A waiter outlasts the slowest finetune, but never waits for good (soft locks can hang on NFS)."""
_KEY = re.compile(r"[0-9a-f]{16,64}\Z")
_REFUSALS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO),
    *(errno.EROFS, errno.EACCES, errno.EPERM),
}


class StoreError(Exception):
    """The cache cannot be read or written; the message names the path."""


class DamagedEntry(StoreError):
    """An entry's files do not match its manifest; it has been set aside."""


@dataclass(frozen=True, slots=True)
class Entries:
    """All entries of one kind, below `folder`."""

    folder: Path
    lock_seconds: float = LOCK_SECONDS

    def path(self, key: str) -> Path:
        """Where the entry lies. Raises StoreError for a key that is no digest."""
        if not _KEY.match(key):
            raise StoreError(f"{key!r} is no key of the cache")
        return self.folder / key

    def manifest(self, key: str) -> dict[str, Any] | None:
        """What was noted when the entry was finished, or None where there is no whole entry."""
        try:
            found = json.loads((self.path(key) / MANIFEST).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError, UnicodeDecodeError):
            return None
        return found if isinstance(found, dict) and "files" in found else None

    def verified(self, key: str) -> Path | None:
        """The entry's folder if every file has its digest; None where there is no entry.

        Raises DamagedEntry after setting aside an entry whose files differ.
        """
        manifest = self.manifest(key)
        if manifest is None:
            return None
        folder = self.path(key)
        for name, digest in manifest["files"].items():
            file = folder / name
            if not file.is_file() or file_digest(file) != digest:
                aside = self.set_aside(key)
                raise DamagedEntry(f"{file} does not match its digest; set aside as {aside}")
        return folder

    def obtain(
        self, key: str, build: Callable[[Path], dict[str, Any]], *, verify: bool = True
    ) -> Path:
        """The entry's folder, built by `build(folder)` under a lock if there is none.

        `build` writes its files into the folder that it is given and returns what to note in the
        manifest. Two processes that want one entry build it once. Raises StoreError when the disk
        fails or the lock is not had in time.
        """
        try:
            found = self.verified(key) if verify else self._present(key)
        except DamagedEntry:
            found = None
        if found:
            return found
        with self.locked(key):
            return self._present(key) or self._build(key, build)

    def _present(self, key: str) -> Path | None:
        return self.path(key) if self.manifest(key) is not None else None

    def _build(self, key: str, build: Callable[[Path], dict[str, Any]]) -> Path:
        final = self.path(key)
        with writing(self.folder):
            for left in self.folder.glob(f".{key}-*"):  # by a process that was killed
                shutil.rmtree(left, ignore_errors=True)
            aside = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=self.folder))
            try:
                notes = build(aside)
                files = {
                    file.relative_to(aside).as_posix(): file_digest(file)
                    for file in sorted(aside.rglob("*"))
                    if file.is_file()
                }
                write_json(aside / MANIFEST, {"files": files, **notes})
                if os.path.lexists(final):
                    self.set_aside(key)
                aside.rename(final)
            except BaseException:
                shutil.rmtree(aside, ignore_errors=True)
                raise
        return final

    def set_aside(self, key: str) -> Path:
        """Move a damaged or incomplete entry out of the way and return where it went."""
        with writing(self.folder):
            refuse_link(self.folder)
            grave = self.folder / ".damaged"
            grave.mkdir(exist_ok=True)
            target = Path(tempfile.mkdtemp(prefix=f"{key[:16]}-", dir=grave)) / "entry"
            # Another reader may have seen the damage too and been first.
            with suppress(FileNotFoundError):
                self.path(key).rename(target)
        return target

    @contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Hold the entry's lock. It is the kernel's, so it falls with the process that held it."""
        file = self.path(key).with_suffix(".lock")
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            refuse_link(self.folder)
            try:
                held = FileLock(file).acquire(timeout=self.lock_seconds)
            except Timeout:
                raise StoreError(
                    f"waited {self.lock_seconds:.0f} s for the lock {file}; "
                    "another process holds it"
                ) from None
        with held:
            yield


def write_json(file: Path, value: Any) -> None:
    """Write JSON and flush it to the disk, so that a rename never precedes the content."""
    with file.open("w", encoding="utf-8") as stream:
        json.dump(value, stream, indent=1, sort_keys=True, allow_nan=False)
        stream.flush()
        os.fsync(stream.fileno())


def refuse_link(folder: Path) -> None:
    """Raise StoreError if `folder` is a link, so that nothing is written outside the cache."""
    if folder.resolve() != folder.absolute():
        raise StoreError(f"{folder} is a link to {folder.resolve()}; not used")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a disk's refusal into a StoreError that names the path."""
    try:
        yield
    except Exception as error:
        code = _refusal(error)
        if code not in _REFUSALS:
            raise
        where = getattr(error, "filename", None) or path
        raise StoreError(f"cannot write to {where}: {os.strerror(code)}") from error


def _refusal(error: Exception) -> int:
    """The disk's errno. safetensors, written in Rust, gives it in its message only."""
    if isinstance(error, OSError):
        return error.errno or 0
    told = re.search(r"\(os error (\d+)\)", str(error))
    return int(told.group(1)) if told and not isinstance(error, StoreError) else 0
