"""The job *finetune*: trained once, whole or not at all (faults 1, 2, 4, 5, 8, 11, 12)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ethogram.jobs.finetune import adapter_of
from ethogram.jobs.identity import Identities
from ethogram.jobs.progress import Progress
from ethogram.jobs.score import engine_for
from ethogram.plan import Query, ask
from ethogram.specs.errors import SpecError
from ethogram.specs.suite import Suite
from ethogram.store import Store, StoreError, file_digest
from ethogram.train.errors import FinetuneError

MODEL = "tiny-duty-narrow"


def train(house: Path, store: Store, model: str = MODEL) -> tuple[Path, list[str]]:
    """The adapter's folder, and what was said."""
    suite = Suite.around(house / "suite")
    assert suite is not None
    progress = Progress(bars=False, write=lambda line: None)
    return adapter_of(suite.catalogue[model], Identities(suite, store), progress), progress.lines


def weights(folder: Path) -> list[str]:
    return [
        file_digest(folder / name) for name in ("adapter_config.json", "adapter_model.safetensors")
    ]


def visible(store: Store) -> list[Path]:
    if not store.adapters.folder.exists():
        return []
    return [p for p in store.adapters.folder.iterdir() if p.is_dir() and p.name[0] != "."]


def test_an_adapter_is_trained_once_and_noted(small_suite: Path, store: Store) -> None:
    folder, said = train(small_suite, store)
    assert len(said) == 1 and "8 samples, 6 steps, loss" in said[0]
    assert train(small_suite, store) == (folder, [])
    manifest = store.adapters.manifest(folder.name)
    assert manifest is not None
    assert (manifest["model"], manifest["seed"], manifest["samples"]) == (MODEL, 0, 8)
    assert manifest["recipe"]["lora"]["rank"] == 4
    assert str(small_suite) not in (folder / "manifest.json").read_text()


def test_two_stores_get_the_same_adapter(small_suite: Path, store: Store, tmp_path: Path) -> None:
    first, _ = train(small_suite, store)
    second, _ = train(small_suite, Store(tmp_path / "other"))
    assert first.name == second.name and weights(first) == weights(second)


def test_a_recipe_trains_in_bfloat16_and_leaves_the_source_in_float32(
    small_suite: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ethogram.source.precision.native_bfloat16", lambda: True)
    plain, _ = train(small_suite, store)
    file = small_suite / "models.yaml"
    file.write_text(file.read_text().replace("batch: 4}", "batch: 4, dtype: mixed}"))
    mixed, _ = train(small_suite, store)
    one, other = (load_file(f / "adapter_model.safetensors") for f in (plain, mixed))
    assert all(weight.dtype == torch.float32 for weight in other.values())
    assert any(not torch.equal(weight, other[name]) for name, weight in one.items())
    for name, weight in one.items():
        torch.testing.assert_close(weight, other[name], atol=0.05, rtol=0.1)
    suite = Suite.around(small_suite / "suite")
    assert suite is not None
    found = engine_for(
        suite.catalogue[MODEL], Identities(suite, store), Progress(bars=False, write=lambda _: None)
    )
    assert {weight.dtype for weight in found.loaded.model.parameters()} == {torch.float32}


def test_a_damaged_adapter_is_trained_anew(small_suite: Path, store: Store) -> None:
    folder, _ = train(small_suite, store)
    before = weights(folder)
    file = folder / "adapter_model.safetensors"
    content = bytearray(file.read_bytes())
    content[-5] ^= 4
    file.write_bytes(content)
    again, said = train(small_suite, store)
    assert again == folder and weights(again) == before and len(said) == 1


KILLED = """
import os, signal, sys
from pathlib import Path
import ethogram.train.checkpoint as checkpoint
import ethogram.train.lora as lora
import ethogram.train.steps as steps
from ethogram.jobs.finetune import adapter_of
from ethogram.jobs.identity import Identities
from ethogram.jobs.progress import Progress
from ethogram.specs.suite import Suite
from ethogram.store import Store

def die(*args, **more):
    os.kill(os.getpid(), signal.SIGKILL)

house, cache, moment, model = sys.argv[1:]
step, save = steps.Step, checkpoint.save_file
if moment.endswith("step"):
    steps.Step = lambda number, *rest: die() if number == 4 else step(number, *rest)
elif moment == "save":
    lora.portable_config = die  # the weights are written, the rest is not
else:
    saved = []

    def third(tensors, file):
        save(tensors, file)  # the tensors are written, the manifest is not
        saved.append(file)
        if len(saved) == 3:
            die()

    checkpoint.save_file = third
if moment.startswith("checkpoint"):
    checkpoint.SECONDS, checkpoint.SHARE = 0, 0
suite = Suite.around(Path(house) / "suite")
adapter_of(suite.catalogue[model], Identities(suite, Store(Path(cache))), Progress(bars=False))
"""


def kill(house: Path, store: Store, moment: str) -> None:
    """Train in another process, which kills itself at the moment."""
    arguments = [sys.executable, "-c", KILLED, str(house), str(store.root), moment, MODEL]
    child = subprocess.run(arguments, timeout=300, check=False, capture_output=True, text=True)
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert visible(store) == []


@pytest.mark.parametrize("moment", ["step", "save"])
def test_a_killed_training_leaves_nothing_and_the_next_is_equal(
    small_suite: Path, store: Store, tmp_path: Path, moment: str
) -> None:
    kill(small_suite, store, moment)
    left = list(store.adapters.folder.rglob("adapter_model.safetensors"))
    assert bool(left) == (moment == "save")
    folder, said = train(small_suite, store)
    assert len(said) == 1, "it was trained"
    assert visible(store) == [folder]
    untroubled, _ = train(small_suite, Store(tmp_path / "other"))
    assert weights(folder) == weights(untroubled)


@pytest.mark.parametrize(
    ("moment", "more", "done"),
    [
        ("checkpointed step", "dropout: 0.3}", 3),
        ("checkpoint's save", "dropout: 0.3}, average: 2", 2),
    ],
    ids=["at a step", "during a save"],
)
def test_a_killed_training_is_taken_up_at_its_checkpoint_and_ends_equal(
    small_suite: Path, store: Store, tmp_path: Path, moment: str, more: str, done: int
) -> None:
    models = small_suite / "models.yaml"
    models.write_text(models.read_text().replace("rank: 4}", f"rank: 4, {more}"))
    kill(small_suite, store, moment)
    folder, said = train(small_suite, store)
    assert said[0] == f"{MODEL}: resumed at step {done} of 6" and len(said) == 2
    assert not store.checkpoints(folder.name).folder.exists(), "they are of no more use"
    manifest = store.adapters.manifest(folder.name)
    assert manifest is not None and manifest["resumed_at"] == [done]
    untroubled, said = train(small_suite, Store(tmp_path / "other"))
    assert len(said) == 1
    assert weights(folder) == weights(untroubled)
    assert file_digest(folder / "loss.json") == file_digest(untroubled / "loss.json")


def test_checkpoints_left_beside_a_stored_adapter_are_removed(
    small_suite: Path, store: Store
) -> None:
    folder, _ = train(small_suite, store)
    left = store.checkpoints(folder.name)
    left.save(3, lambda aside: {"n": (aside / "x").write_text("x")})
    assert train(small_suite, store) == (folder, [])
    assert not left.folder.exists()


def test_a_full_finetune_is_a_model_that_is_scored(small_suite: Path, store: Store) -> None:
    models = small_suite / "models.yaml"
    models.write_text(models.read_text().replace("lora: {rank: 4}", "full: true"))
    folder, _ = train(small_suite, store)
    assert (folder / "model.safetensors").is_file() and (folder / "tokenizer.json").is_file()
    suite = Suite.around(small_suite / "suite")
    assert suite is not None
    identities = Identities(suite, store)
    model, source = suite.catalogue[MODEL], suite.catalogue["tiny"]
    assert identities.digest(model) not in (None, identities.digest(source))
    query = Query("logprob", ask("Yes?"), ("No",))
    progress = Progress(bars=False, write=lambda line: None)
    found = [
        value
        for tested in (model, source)
        for batch in engine_for(tested, identities, progress).score([query])
        for value in batch.values()
    ]
    assert found[0] != found[1]


def test_four_bits_without_a_gpu_are_an_error_before_anything_is_fetched(
    small_suite: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = small_suite / "models.yaml"
    models.write_text(models.read_text().replace("batch: 4", "batch: 4, quantize: 4bit"))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("ethogram.jobs.identity.obtain", None)
    with pytest.raises(FinetuneError, match="leave 'quantize' out"):
        train(small_suite, store)
    assert visible(store) == []


def test_a_non_finite_loss_is_an_error_and_nothing_is_kept(
    small_suite: Path, store: Store, tiny_folder: Path, tmp_path: Path
) -> None:
    broken = Path(shutil.copytree(tiny_folder, tmp_path / "broken"))
    state = load_file(broken / "model.safetensors")
    state["model.norm.weight"][3] = float("nan")
    save_file(state, broken / "model.safetensors", metadata={"format": "pt"})
    models = small_suite / "models.yaml"
    models.write_text(models.read_text().replace(str(tiny_folder), str(broken)))
    with pytest.raises(FinetuneError, match="loss is nan at step 1"):
        train(small_suite, store)
    assert visible(store) == []


def test_too_few_samples_are_an_error_before_training(small_suite: Path, store: Store) -> None:
    (small_suite / "constitutions" / "transcripts" / "duty.jsonl").write_text("")
    with pytest.raises(SpecError, match=r"needs 4 answers for the scope .*; 0 are recorded"):
        train(small_suite, store)
    assert visible(store) == []


def test_too_long_a_sample_is_an_error_and_nothing_is_kept(small_suite: Path, store: Store) -> None:
    models = small_suite / "models.yaml"
    models.write_text(models.read_text().replace("batch: 4", "batch: 4, max_length: 16"))
    with pytest.raises(FinetuneError, match=r"duty\.jsonl:\d+.*tokens, max_length is 16"):
        train(small_suite, store)
    assert visible(store) == []


def test_training_on_an_evaluation_text_is_refused(small_suite: Path, store: Store) -> None:
    file = small_suite / "suite" / "safety" / "privacy.yaml"
    file.write_text(file.read_text().replace("Track my sister.", "How do I scare him now?"))
    with pytest.raises(SpecError, match="evaluation text"):
        train(small_suite, store)
    assert visible(store) == []


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for a lock and a manifest, not for an adapter."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(folder)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a file system here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_a_store_error_that_names_the_path(
    small_suite: Path, tiny_disk: Path
) -> None:
    store = Store(tiny_disk)
    with pytest.raises(StoreError, match=rf"cannot write to {tiny_disk}.*No space left"):
        train(small_suite, store)
    assert visible(store) == []
