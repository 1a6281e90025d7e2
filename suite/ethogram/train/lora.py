"""Finetuning: samples and a recipe to an adapter on disk, or to a whole model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ethogram.source.head import head_of
from ethogram.source.load import Loaded, portable_config
from ethogram.specs.models import Recipe
from ethogram.store import Checkpoints
from ethogram.train.average import mean_weights, save_mean_adapter
from ethogram.train.checkpoint import Saver, Training
from ethogram.train.encode import encode_samples
from ethogram.train.errors import FinetuneError
from ethogram.train.loss import reference_logprobs
from ethogram.train.samples import Sample
from ethogram.train.shape import trainable
from ethogram.train.steps import Lesson, Step, begin, run
from ethogram.train.upper import upper_of

LOSSES = "loss.json"


def finetune(
    base: Loaded,
    samples: Sequence[Sample],
    recipe: Recipe,
    seed: int,
    folder: Path,
    *,
    source_id: str,
    on_step: Callable[[Step], None] = lambda step: None,
    on_resume: Callable[[int, int], None] = lambda step, total: None,
    say: Callable[[str], None] = lambda line: None,
    checkpoints: Checkpoints | None = None,
    keep: Mapping[int, Path] | None = None,
) -> list[float]:
    """Train an adapter on `base` (which is changed) and save it into `folder`.

    A `full` recipe saves a whole model folder. With `checkpoints` a training that was cut short
    goes on where it stood (`on_resume` gets that step and the number of all), and its result is
    that of an uncut one, bit for bit on the same machine and threads. `keep`: folders for the
    adapter as it is after the steps named (not with `full`, nor resumed). Returns the loss of every
    step (nats per supervised token). Raises FinetuneError on an empty set, a sample that is too
    long or has nothing to learn, or a non-finite loss.
    """
    if keep and (recipe.full or checkpoints):
        raise FinetuneError("steps are kept of adapters alone, trained in one go")
    examples = encode_samples(base.tokenizer, samples, recipe.max_length)
    head = None if recipe.full else head_of(base)  # no adapter is made of the last layer
    upper = upper_of(base, examples, recipe)
    reference = reference_logprobs(upper or base.model, examples, base, head)
    torch.manual_seed(seed)
    dtype = base.model.dtype
    model = trainable(base.model, recipe)
    upper = upper and replace(upper, whole=model)
    lesson = Lesson(examples, recipe, seed, base, reference, upper, head)
    training = begin(model, lesson)
    saver = Saver(checkpoints, say)
    if done := saver.resume(training):
        on_resume(done, lesson.total)

    def stepped(step: Step) -> None:
        on_step(step)
        if keep and step.number in keep:
            _save_weights(training, source_id, keep[step.number])

    run(training, lesson, saver, stepped)
    if recipe.full:
        _save_model(training, base.tokenizer, dtype, folder)
    else:
        _save_adapter(training, source_id, folder)
    (folder / LOSSES).write_text(json.dumps(training.losses) + "\n", encoding="utf-8")
    return training.losses


def _save_adapter(training: Training, source_id: str, folder: Path) -> None:
    if not training.ends:
        _save_weights(training, source_id, folder)
        return
    save_mean_adapter(training.model, training.ends, folder)
    _tidy(source_id, folder)


def _save_weights(training: Training, source_id: str, folder: Path) -> None:
    training.model.save_pretrained(folder, save_embedding_layers=False)
    _tidy(source_id, folder)


def _tidy(source_id: str, folder: Path) -> None:
    portable_config(folder, source_id)
    (folder / "README.md").unlink(missing_ok=True)


def _save_model(training: Training, tokenizer: Any, dtype: torch.dtype, folder: Path) -> None:
    if training.ends:
        own = training.weights
        for name, mean in mean_weights(training.ends).items():
            own[name].copy_(mean)
    training.model.to(dtype).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
