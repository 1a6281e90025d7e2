"""A training in the middle: all that its next step depends on, to disk and back.

Batches are drawn by seed and epoch alone, so the number of steps done tells where to go on.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from ethogram.store import Checkpoints, StoreError
from ethogram.train.errors import FinetuneError

FORMAT = 1
"""Raised when what is written here changes: older checkpoints are then not gone on with."""
SECONDS_VARIABLE = "ETHOGRAM_CHECKPOINT_SECONDS"
SECONDS = 60.0
SHARE = 20
"""Saving may take one part in so many of the time; large models are saved less often."""
TENSORS, NUMBERS = "state.safetensors", "state.json"


@dataclass
class Training:
    """A model, its optimiser and schedule, the loss of every step done, and past weights.

    `ends`: the trained weights at the ends of the epochs that will be averaged.
    """

    model: Any
    optimiser: Any
    schedule: Any
    device: torch.device
    losses: list[float] = field(default_factory=list)
    ends: list[dict[str, torch.Tensor]] = field(default_factory=list)

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        """What is trained, by name."""
        return {n: p.detach() for n, p in self.model.named_parameters() if p.requires_grad}

    def save(self, folder: Path) -> dict[str, Any]:
        """Write everything into `folder`; what to note in the manifest."""
        optimiser = self.optimiser.state_dict()
        tensors = {f"weight/{name}": weight for name, weight in self.weights.items()}
        for index, state in optimiser["state"].items():
            tensors |= {f"optimiser/{index}/{name}": value for name, value in state.items()}
        for index, end in enumerate(self.ends):
            tensors |= {f"end/{index}/{name}": weight for name, weight in end.items()}
        tensors["chance/cpu"] = torch.get_rng_state()
        if self.device.type == "cuda":
            tensors["chance/cuda"] = torch.cuda.get_rng_state(self.device)
        save_file({n: t.detach().cpu().contiguous() for n, t in tensors.items()}, folder / TENSORS)
        numbers = {
            "made_on": self._made_on,
            "losses": self.losses,
            "groups": optimiser["param_groups"],
            "schedule": self.schedule.state_dict(),
        }
        (folder / NUMBERS).write_text(json.dumps(numbers), encoding="utf-8")
        return {"step": len(self.losses)}

    def load(self, folder: Path) -> bool:
        """Go back to what `folder` holds; False where another format, torch or device wrote it."""
        numbers = json.loads((folder / NUMBERS).read_text(encoding="utf-8"))
        if numbers["made_on"] != self._made_on:
            return False
        parts: dict[str, dict[str, dict[str, torch.Tensor]]] = {"optimiser": {}, "end": {}}
        own, chances = self.weights, {}
        for path, tensor in load_file(folder / TENSORS).items():
            what, _, rest = path.partition("/")
            index, _, name = rest.partition("/")
            if what == "weight":
                own[rest].copy_(tensor)
            elif what == "chance":
                chances[rest] = tensor
            else:
                parts[what].setdefault(index, {})[name] = tensor.clone()
        state = {int(index): values for index, values in parts["optimiser"].items()}
        self.optimiser.load_state_dict({"state": state, "param_groups": numbers["groups"]})
        self.schedule.load_state_dict(numbers["schedule"])
        self.losses[:] = numbers["losses"]
        self.ends[:] = [parts["end"][index] for index in sorted(parts["end"], key=int)]
        # Last: nothing may draw from them before the next step does.
        torch.set_rng_state(chances["cpu"])
        if "cuda" in chances:
            torch.cuda.set_rng_state(chances["cuda"], self.device)
        return True

    @property
    def _made_on(self) -> dict[str, Any]:
        return {"format": FORMAT, "torch": torch.__version__, "device": self.device.type}


@dataclass
class Saver:
    """Saves a training once in a while, and takes up one that was cut short."""

    checkpoints: Checkpoints | None
    say: Callable[[str], None]

    def __post_init__(self) -> None:
        self.seconds = _seconds()
        self._due = time.monotonic() + self.seconds

    def resume(self, training: Training) -> int:
        """Go back to the newest checkpoint, if there is one; the number of steps done."""
        found = self.checkpoints.newest() if self.checkpoints else None
        if found is None or self.checkpoints is None:
            return 0
        if not training.load(found[1]):
            self.checkpoints.clear()
        return len(training.losses)

    def after_step(self, training: Training) -> None:
        """Save if it is time. A disk that refuses costs the checkpoint, not the training."""
        if self.checkpoints is None or time.monotonic() < self._due:
            return
        begun = time.monotonic()
        try:
            self.checkpoints.save(len(training.losses), training.save)
        except StoreError as error:
            self.say(f"no checkpoint: {error}")
        now = time.monotonic()
        self._due = now + max(self.seconds, SHARE * (now - begun))


def _seconds() -> float:
    said = os.environ.get(SECONDS_VARIABLE)
    try:
        return float(said) if said else SECONDS
    except ValueError:
        raise FinetuneError(f"{SECONDS_VARIABLE} must be a number, not {said!r}") from None
