"""A training that was cut short and taken up again is the training that was not (fault 1)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ethogram.source.load import load_base
from ethogram.specs.errors import Place
from ethogram.specs.models import Lora, Preference, Recipe, Source
from ethogram.store import Checkpoints, StoreError, file_digest
from ethogram.train import checkpoint
from ethogram.train.checkpoint import SECONDS_VARIABLE, Saver, Training
from ethogram.train.errors import FinetuneError
from ethogram.train.lora import finetune
from ethogram.train.samples import Sample
from ethogram.train.steps import Step

SOURCE = Source(folder=".", device="cpu")
PLACE = Place(Path("replay.jsonl"), 1)
SAMPLES = [Sample(f"What is {n}?", f"It is {n}.", "any", PLACE, (("No.", 1.0),)) for n in range(8)]
QUICK = Recipe(lora=Lora(rank=4, dropout=0.3), epochs=3, learning_rate=1e-2, batch=4)
FULL = Recipe(full=True, epochs=3, learning_rate=1e-3, batch=4)
RECIPES = {
    "dropout": QUICK,
    "preference": QUICK.model_copy(update={"preference": Preference(over={"draft": 1.0})}),
    "accumulated": QUICK.model_copy(update={"batch": 2, "accumulate": 2}),
    "averaged": QUICK.model_copy(update={"average": 2}),
    "full": FULL,
    "full-averaged": FULL.model_copy(update={"average": 2}),
}


class Cut(Exception):
    """What stops a training here."""


@pytest.fixture(autouse=True)
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECONDS_VARIABLE, "0")
    monkeypatch.setattr(checkpoint, "SHARE", 0)


@pytest.fixture
def train(tiny_folder: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    def run(name: str, recipe: Recipe = QUICK, cut: int = 0, **more: Any) -> dict[str, Any]:
        """Losses and digests; where it went on; cut short at the step `cut`."""
        resumed: list[tuple[int, int]] = []
        said: list[str] = []

        def on_step(step: Step) -> None:
            if step.number == cut:
                raise Cut

        base = load_base(tiny_folder, SOURCE)
        torch.manual_seed(len(name))
        losses = finetune(
            base,
            SAMPLES,
            recipe,
            0,
            tmp_path / name,
            source_id="tiny",
            on_step=on_step,
            on_resume=lambda *step: resumed.append(step),
            say=said.append,
            **more,
        )
        files = {f.name: file_digest(f) for f in sorted((tmp_path / name).iterdir())}
        return {"losses": losses, "files": files, "resumed": resumed, "said": said}

    return run


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints")


@pytest.mark.parametrize("name", list(RECIPES))
def test_a_resumed_training_is_bit_equal_to_an_uncut_one(
    train: Callable[..., Any], checkpoints: Checkpoints, name: str
) -> None:
    recipe = RECIPES[name]
    with pytest.raises(Cut):
        train("cut", recipe, cut=5, checkpoints=checkpoints)
    resumed = train("resumed", recipe, checkpoints=checkpoints)
    whole = train("whole", recipe)
    assert resumed["resumed"] == [(4, 6)] and whole["resumed"] == []
    assert resumed["losses"] == whole["losses"] and len(whole["losses"]) == 6
    assert resumed["files"] == whole["files"]


def test_a_damaged_checkpoint_costs_the_steps_after_the_older_one(
    train: Callable[..., Any], checkpoints: Checkpoints
) -> None:
    with pytest.raises(Cut):
        train("cut", cut=5, checkpoints=checkpoints)
    newest = checkpoints.folder / f"{4:016d}" / checkpoint.TENSORS
    content = bytearray(newest.read_bytes())
    content[-5] ^= 4
    newest.write_bytes(content)
    resumed = train("resumed", checkpoints=checkpoints)
    assert resumed["resumed"] == [(3, 6)]
    assert resumed["files"] == train("whole")["files"]


def test_without_a_whole_checkpoint_training_starts_anew(
    train: Callable[..., Any], checkpoints: Checkpoints
) -> None:
    with pytest.raises(Cut):
        train("cut", cut=5, checkpoints=checkpoints)
    for manifest in checkpoints.folder.glob("*/manifest.json"):
        manifest.unlink()
    again = train("again", checkpoints=checkpoints)
    assert again["resumed"] == []
    assert again["files"] == train("whole")["files"]


def test_a_checkpoint_of_another_torch_is_not_gone_on_with(
    train: Callable[..., Any], checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Training, "_made_on", {"torch": "1.0", "device": "cpu"})
        with pytest.raises(Cut):
            train("cut", cut=5, checkpoints=checkpoints)
    again = train("again", checkpoints=checkpoints)
    assert again["resumed"] == []
    assert again["files"] == train("whole")["files"]


def test_a_disk_that_refuses_costs_the_checkpoint_and_not_the_training(
    train: Callable[..., Any], checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise StoreError("cannot write to /x: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", full)
        found = train("full-disk", checkpoints=checkpoints)
    assert found["said"] == ["no checkpoint: cannot write to /x: No space left on device"] * 5
    assert found["files"] == train("whole")["files"]


class Kept:
    """Stands for `Checkpoints` and takes its time."""

    def __init__(self, clock: list[float], seconds: float) -> None:
        self.clock, self.seconds, self.steps = clock, seconds, list[int]()

    def save(self, number: int, write: object) -> None:
        self.steps.append(number)
        self.clock[0] += self.seconds


@pytest.mark.parametrize(("takes", "saved"), [(0.0, [6, 12, 18]), (1.0, [6, 12, 18]), (10.0, [6])])
def test_it_is_saved_once_a_minute_or_more_rarely_where_saving_is_slow(
    monkeypatch: pytest.MonkeyPatch, takes: float, saved: list[int]
) -> None:
    clock = [100.0]
    monkeypatch.delenv(SECONDS_VARIABLE)
    monkeypatch.setattr(checkpoint, "SHARE", 20)
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: clock[0])
    kept = Kept(clock, takes)
    saver = Saver(kept, print)  # type: ignore[arg-type]
    training = Training(None, None, None, torch.device("cpu"))
    for _ in range(20):
        clock[0] += 10
        training.losses.append(1.0)
        saver.after_step(training)
    assert kept.steps == saved


def test_seconds_that_are_no_number_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECONDS_VARIABLE, "often")
    with pytest.raises(FinetuneError, match="must be a number, not 'often'"):
        Saver(None, print)
