"""The job *finetune*, with the adapter kept at several steps on the way: one entry of the store.

A point is loaded and scored as a candidate, a LoRA adapter in a folder, so that its scores are kept
by the digest of its weights as any model's are.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ethogram.jobs.identity import Identities
from ethogram.jobs.progress import Progress
from ethogram.specs.catalogue import Model
from ethogram.specs.errors import count
from ethogram.specs.models import Candidate
from ethogram.store import digest_of
from ethogram.train.samples import steps_of


@dataclass(frozen=True)
class Trajectory:
    """One training: its adapter at every kept step, the loss of every step, and what it took."""

    model: Model
    folder: Path
    steps: Mapping[int, float]
    """Epochs by kept step."""
    per_epoch: int
    losses: tuple[float, ...]
    seconds: float

    def point(self, step: int) -> Model:
        """The model as it was after the step."""
        found = self.model
        adapter = Candidate(
            source=found.source_id,
            constitution=found.constitution or "plain-refusal",
            adapter=str(self.folder / _name(step)),
        )
        named = f"{found.id}@{step}"
        return replace(found, id=named, kind="candidate", candidate=adapter, recipe=None)

    def loss(self, step: int) -> float:
        """Mean loss of the epoch that ended with the step, in nats per supervised token."""
        last = self.losses[max(0, step - self.per_epoch) : step]
        return sum(last) / len(last)


def kept_steps(model: Model, samples: int, epochs: Sequence[float]) -> dict[int, float]:
    """Epochs by step, in order: the asked ones within the training, and its end."""
    assert model.recipe is not None
    per_epoch, total = steps_of(model.recipe, samples)
    steps = {max(1, round(point * per_epoch)) for point in epochs}
    return {step: step / per_epoch for step in sorted({*steps, total}) if step <= total}


def trajectory_of(
    model: Model, epochs: Sequence[float], identities: Identities, progress: Progress
) -> Trajectory:
    """The training from the store; trains under a lock when the store has none.

    Raises as `adapter_of` does.
    """
    assert model.recipe is not None
    samples = identities.samples(model)
    steps = kept_steps(model, len(samples), epochs)
    key = digest_of({"trajectory": identities.adapter_key(model), "steps": list(steps)})

    def build(folder: Path) -> dict[str, Any]:
        from ethogram.source.load import load_base, ready
        from ethogram.train.lora import finetune
        from ethogram.train.steps import Step

        assert model.recipe is not None and model.seed is not None
        begun = time.monotonic()
        with progress.phase(f"finetuned {model.id}") as details:
            folder_of = identities.obtain(model.source, progress.say)
            loaded = load_base(folder_of, model.source)
            trained_on = model.recipe.source(model.source)
            base = ready(loaded, trained_on, whole=model.recipe.full)
            with progress.bar(f"finetune {model.id}", 1, "step") as bar:

                def on_step(step: Step) -> None:
                    bar.total = step.total
                    bar.update()

                losses = finetune(
                    base,
                    samples,
                    model.recipe,
                    model.seed,
                    folder / _name(max(steps)),
                    source_id=model.source_id,
                    on_step=on_step,
                    keep={step: folder / _name(step) for step in steps if step < max(steps)},
                )
            details += [count(len(samples), "sample"), count(len(losses), "step")]
        return {
            "model": model.id,
            "losses": losses,
            "seconds": round(time.monotonic() - begun, 1),
            "recipe": model.recipe.model_dump(mode="json"),
        }

    folder = identities.store.adapters.obtain(key, build)
    notes = identities.store.adapters.manifest(key) or {}
    per_epoch = steps_of(model.recipe, len(samples))[0]
    return Trajectory(model, folder, steps, per_epoch, tuple(notes["losses"]), notes["seconds"])


def _name(step: int) -> str:
    return f"step-{step:05}"
