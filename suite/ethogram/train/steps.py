"""The steps of a training: an explicit loop that can be left and taken up again at any step."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from transformers import get_scheduler

from ethogram.source.head import Head
from ethogram.source.load import Loaded
from ethogram.specs.models import Recipe
from ethogram.train.checkpoint import Saver, Training
from ethogram.train.errors import FinetuneError
from ethogram.train.examples import Example, supervised_tokens
from ethogram.train.loss import batch_loss, divergence, preference_loss
from ethogram.train.samples import steps_of
from ethogram.train.upper import Upper


@dataclass(frozen=True, slots=True)
class Step:
    """What one optimiser step did."""

    number: int
    total: int
    loss: float


@dataclass(frozen=True)
class Lesson:
    """What is learnt and how. `reference`: log-probs on the base, for pairs.

    `upper`: what is called in place of the whole model where its upper layers alone learn.
    `head`: the model's last layer where it does not learn.
    """

    examples: Sequence[Example]
    recipe: Recipe
    seed: int
    base: Loaded
    reference: dict[Example, float] = field(default_factory=dict)
    upper: Upper | None = None
    head: Head | None = None

    @property
    def per_epoch(self) -> int:
        """Optimiser steps in one epoch."""
        return steps_of(self.recipe, len(self.examples))[0]

    @property
    def total(self) -> int:
        """Optimiser steps in all."""
        return steps_of(self.recipe, len(self.examples))[1]

    def steps(self) -> Iterator[list[list[Example]]]:
        """The batches of every step, in order."""
        size = self.recipe.accumulate
        for epoch in range(math.ceil(self.recipe.epochs)):
            cut = batches(self.examples, self.recipe.batch, self.seed, epoch)
            yield from (cut[start : start + size] for start in range(0, len(cut), size))


def batches(examples: Sequence[Example], size: int, seed: int, epoch: int) -> list[list[Example]]:
    """One epoch: shuffled, then cut so that a batch holds examples of like length."""
    order = list(examples)
    chance = random.Random(f"{seed}:{epoch}")
    chance.shuffle(order)
    window = size * 4
    cut: list[list[Example]] = []
    for start in range(0, len(order), window):
        near = sorted(order[start : start + window], key=lambda e: len(e.tokens))
        cut.extend(near[i : i + size] for i in range(0, len(near), size))
    chance.shuffle(cut)
    return cut


def begin(model: torch.nn.Module, lesson: Lesson) -> Training:
    """The training of the model's trainable weights before its first step."""
    recipe = lesson.recipe
    optimiser = torch.optim.AdamW(
        [weight for weight in model.parameters() if weight.requires_grad],
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
    )
    warmup = round(recipe.warmup * lesson.total)
    schedule = get_scheduler(recipe.schedule, optimiser, warmup, num_training_steps=lesson.total)
    return Training(model, optimiser, schedule, lesson.base.device)


def run(training: Training, lesson: Lesson, saver: Saver, on_step: Callable[[Step], None]) -> None:
    """Every step that is not done yet. Raises FinetuneError at the first non-finite number."""
    total, done = lesson.total, len(training.losses)
    averaged = {total - back * lesson.per_epoch for back in range(lesson.recipe.average)}
    training.model.train()
    for number, group in enumerate(lesson.steps(), start=1):
        if number > total:
            break
        if number <= done:
            continue
        training.losses.append(_step(training, lesson, group))
        if lesson.recipe.average > 1 and number in averaged:
            training.ends.append({n: w.to("cpu", copy=True) for n, w in training.weights.items()})
        on_step(Step(number, total, training.losses[-1]))
        if number < total:
            saver.after_step(training)
    training.model.eval()


def _step(training: Training, lesson: Lesson, group: Sequence[Sequence[Example]]) -> float:
    where = f"at step {len(training.losses) + 1} of {lesson.total}"
    found = 0.0
    try:
        for batch in group:
            loss = _loss(training, lesson, batch, group)
            if not torch.isfinite(loss):
                raise FinetuneError(f"the loss is {loss.item()} {where}")
            loss.backward()
            found += loss.item()
    except torch.OutOfMemoryError as error:
        raise FinetuneError(
            f"out of memory {where}: lower 'batch' and raise 'accumulate' as much, which learns "
            f"the same ({error})"
        ) from error
    trained = [weight for weight in training.model.parameters() if weight.requires_grad]
    norm = torch.nn.utils.clip_grad_norm_(trained, lesson.recipe.clip)
    if not torch.isfinite(norm):
        raise FinetuneError(f"the gradient is {norm} {where}")
    training.optimiser.step()
    training.schedule.step()
    training.optimiser.zero_grad(set_to_none=True)
    return found


def _loss(
    training: Training,
    lesson: Lesson,
    batch: Sequence[Example],
    group: Sequence[Sequence[Example]],
) -> torch.Tensor:
    """The batch's part of its step's loss; the parts add up to the loss of one large batch."""
    # Means over tokens are weighted by tokens: equal weights would favour short answers.
    tokens = supervised_tokens(batch) / sum(map(supervised_tokens, group))
    model, base = lesson.upper or training.model, lesson.base
    preference = lesson.recipe.preference
    if preference is None:
        loss = batch_loss(model, batch, base, lesson.head) * tokens
    else:
        share = tokens, len(batch) / sum(map(len, group))
        loss = preference_loss(
            model, batch, base, lesson.reference, preference.beta, share, lesson.head
        )
    replayed = [example for example in batch if example.replay]
    if lesson.recipe.kl and replayed:
        # Of the step's replay, as the likelihood is of its supervised tokens.
        whole = sum(supervised_tokens([e for e in part if e.replay]) for part in group)
        near = divergence(model, replayed, base) * (supervised_tokens(replayed) / whole)
        loss = loss + lesson.recipe.kl * near
    return loss
