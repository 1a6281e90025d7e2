"""The job *finetune*: an adapter from the store, trained if it is not there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ethogram.asks import TeachError
from ethogram.jobs.identity import Identities
from ethogram.jobs.progress import Progress
from ethogram.specs.catalogue import Model
from ethogram.specs.errors import count


def adapter_of(model: Model, identities: Identities, progress: Progress) -> Path:
    """The folder of the model's adapter. Trains it under a lock when the store has none.

    Raises SpecError on leakage or too few samples, FinetuneError when training stops.
    """
    store = identities.store
    teaching = taught(model, identities, progress)
    samples = identities.samples(model)
    key = identities.adapter_key(model)
    checkpoints = store.checkpoints(key)
    resumed: list[int] = []

    def build(folder: Path) -> dict[str, Any]:
        from ethogram.source.load import load_base, ready
        from ethogram.train.lora import finetune
        from ethogram.train.shape import check_available
        from ethogram.train.steps import Step

        recipe, seed = model.recipe, model.seed
        assert recipe is not None and seed is not None
        check_available(recipe, model.source)
        with progress.phase(f"finetuned {model.id}") as details:
            base = load_base(
                identities.obtain(model.source, progress.say),
                model.source,
                quantize=recipe.quantize,
            )
            if recipe.quantize is None:
                base = ready(base, recipe.source(model.source), whole=recipe.full)
            with progress.bar(f"finetune {model.id}", 1, "step") as bar:

                def on_step(step: Step) -> None:
                    bar.total = step.total
                    bar.set_postfix_str(f"loss {step.loss:.2f}", refresh=False)
                    bar.update()

                def on_resume(step: int, total: int) -> None:
                    bar.total, bar.initial, bar.n = total, step, step
                    resumed.append(step)
                    progress.say(f"{model.id}: resumed at step {step} of {total}")

                losses = finetune(
                    base,
                    samples,
                    recipe,
                    seed,
                    folder,
                    source_id=model.source_id,
                    on_step=on_step,
                    on_resume=on_resume,
                    say=progress.say,
                    checkpoints=checkpoints,
                )
            details += [count(len(samples), "sample"), count(len(losses), "step")]
            words = " ".join(f"{loss:.2f}" for loss in _by_epoch(losses, recipe.epochs))
            details.append(f"loss by epoch {words}")
        return {
            "model": model.id,
            "source": model.source_id,
            "source_identity": identities.source(model),
            "recipe": json.loads(recipe.model_dump_json()),
            "seed": seed,
            "samples": len(samples),
            "resumed_at": resumed,
            **teaching,
        }

    folder = store.adapters.obtain(key, build)
    checkpoints.clear()
    return folder


def taught(model: Model, identities: Identities, progress: Progress) -> dict[str, Any]:
    """Make the transcripts and replay answers that the model lacks; what to note of them.

    Raises TeachError when some could not be made: a model is never trained on what happens to
    be there.
    """
    if model.teaching is None:
        return {}
    from ethogram.jobs.replay import answer_replay
    from ethogram.jobs.teach import Classroom

    course = identities.course(model)
    failed = Classroom(identities, progress).teach(course)
    if failed:
        reasons = ", ".join(f"{count} x {why}" for why, count in failed.most_common(3))
        raise TeachError(
            f"{model.id}: {count(failed.total(), 'transcript')} could not be made ({reasons}); "
            "the next run makes these alone"
        )
    if model.teaching.replay == "own":
        source = identities.suite.catalogue.source_of(model)
        prompts, tokens = identities.suite.replay(), model.teaching.replay_tokens
        answer_replay(source, prompts, tokens, identities, progress)
    sifted = identities.sifted(model)
    found = {
        "id": model.teaching_id,
        "teacher": course.by,
        "made": len(sifted.kept) + len(sifted.dropped),
        "kept": len(sifted.kept),
        "dropped": sifted.drops,
    }
    return {"teaching": found}


def _by_epoch(losses: Sequence[float], epochs: float) -> list[float]:
    """Mean loss of every epoch; single steps differ by what their batch happens to hold."""
    size = max(1, round(len(losses) / epochs))
    parts = [losses[start : start + size] for start in range(0, len(losses), size)]
    return [sum(part) / len(part) for part in parts]
