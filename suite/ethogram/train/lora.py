"""Finetuning of a LoRA adapter: a short explicit loop."""

from __future__ import annotations

import json
import math
import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import get_scheduler
from transformers.pytorch_utils import Conv1D

from ethogram.plan import ask
from ethogram.source.chat import prompt_text, stop_token, supervised
from ethogram.source.load import Loaded, portable_config
from ethogram.specs.models import Lora, Recipe
from ethogram.train.loss import Example, batch_loss, preference_loss, reference_logprobs
from ethogram.train.samples import Sample, steps_of

LOSSES = "loss.json"


class FinetuneError(Exception):
    """Training cannot start or had to stop; says nothing about any persona."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one optimiser step did."""

    number: int
    total: int
    loss: float


def finetune(
    base: Loaded,
    samples: Sequence[Sample],
    recipe: Recipe,
    seed: int,
    folder: Path,
    *,
    source_id: str,
    on_step: Callable[[Step], None] = lambda step: None,
    keep: Mapping[int, Path] | None = None,
) -> list[float]:
    """Train an adapter on `base` (which is changed) and save it into `folder`.

    `keep`: folders for the adapter as it is after the steps named. Returns the loss of every step
    (nats per supervised token). Raises FinetuneError on an empty set, a sample that is too long or
    has nothing to learn, or a non-finite loss.
    """
    examples = encode_samples(base.tokenizer, samples, recipe.max_length)
    reference = reference_logprobs(base.model, examples, base)
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = get_peft_model(base.model, lora_config(base.model, recipe.lora))

    def stepped(step: Step) -> None:
        on_step(step)
        if keep and step.number in keep:
            _save(model, keep[step.number], source_id)

    losses = _train(model, examples, recipe, seed, base, reference, stepped)
    _save(model, folder, source_id)
    (folder / LOSSES).write_text(json.dumps(losses) + "\n", encoding="utf-8")
    return losses


def _save(model: Any, folder: Path, source_id: str) -> None:
    model.save_pretrained(folder, save_embedding_layers=False)
    portable_config(folder, source_id)
    (folder / "README.md").unlink(missing_ok=True)


def encode_samples(tokenizer: Any, samples: Sequence[Sample], max_length: int) -> list[Example]:
    """Tokenise, with the stop token at the end of every answer."""
    if not samples:
        raise FinetuneError("there is nothing to train on: the set of samples is empty")
    return [
        replace(
            _encoded(tokenizer, sample, sample.answer, max_length),
            rejected=tuple(
                replace(_encoded(tokenizer, sample, answer, max_length), weight=weight)
                for answer, weight in sample.rejected
            ),
        )
        for sample in samples
    ]


def _encoded(tokenizer: Any, sample: Sample, answer: str, max_length: int) -> Example:
    if not answer.strip():
        raise FinetuneError(f"{sample.place}: no supervised token: the answer is empty")
    tokens, prompt = supervised(tokenizer, prompt_text(tokenizer, ask(sample.prompt)), answer)
    if len(tokens) > max_length:
        raise FinetuneError(
            f"{sample.place}: the sample has {len(tokens)} tokens, max_length is {max_length}"
        )
    if tokens[-1] != stop_token(tokenizer) or len(tokens) - prompt < 2:
        raise FinetuneError(f"{sample.place}: no supervised token before the stop token")
    return Example(tuple(tokens), prompt)


def lora_config(model: Any, lora: Lora) -> LoraConfig:
    """The adapter's shape on this model. Embeddings and head stay out: they are often tied."""
    layers = model.config.get_text_config().num_hidden_layers
    upper = None
    if lora.layers != "all":
        if lora.layers > layers:
            raise FinetuneError(f"the recipe adapts {lora.layers} layers; the model has {layers}")
        upper = list(range(layers - lora.layers, layers))
    if lora.targets == "linear":
        heads = {id(model.get_output_embeddings()), id(model.get_input_embeddings())}
        targets = sorted(
            {
                name.rpartition(".")[2]
                for name, module in model.named_modules()
                if isinstance(module, (torch.nn.Linear, Conv1D)) and id(module) not in heads
            }
        )
    else:
        targets = list(lora.targets)
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha or 2 * lora.rank,
        lora_dropout=lora.dropout,
        target_modules=targets,
        layers_to_transform=upper,
        task_type="CAUSAL_LM",
    )


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


def _train(
    model: Any,
    examples: Sequence[Example],
    recipe: Recipe,
    seed: int,
    base: Loaded,
    reference: dict[Example, float],
    on_step: Callable[[Step], None],
) -> list[float]:
    _, total = steps_of(recipe, len(examples))
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(
        trained, lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = get_scheduler(
        recipe.schedule, optimiser, round(recipe.warmup * total), num_training_steps=total
    )
    model.train()
    losses: list[float] = []
    for epoch in range(math.ceil(recipe.epochs)):
        for batch in batches(examples, recipe.batch, seed, epoch):
            if len(losses) == total:
                break
            if recipe.preference is None:
                loss = batch_loss(model, batch, base)
            else:
                loss = preference_loss(model, batch, base, reference, recipe.preference.beta)
            if not torch.isfinite(loss):
                raise FinetuneError(
                    f"the loss is {loss.item()} at step {len(losses) + 1} of {total}"
                )
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(trained, recipe.clip)
            if not torch.isfinite(norm):
                raise FinetuneError(f"the gradient is {norm} at step {len(losses) + 1} of {total}")
            optimiser.step()
            schedule.step()
            optimiser.zero_grad(set_to_none=True)
            losses.append(loss.item())
            on_step(Step(len(losses), total, losses[-1]))
    model.eval()
    return losses
