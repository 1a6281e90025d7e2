"""Which weights a recipe trains on a model: an adapter's, on whole or quantised weights, or all."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterable
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from transformers.pytorch_utils import Conv1D

from ethogram.source.load import device_of
from ethogram.specs.errors import did_you_mean
from ethogram.specs.models import Lora, Recipe, Source
from ethogram.train.errors import FinetuneError


def check_available(recipe: Recipe, source: Source) -> None:
    """Raise FinetuneError when the recipe needs what this machine lacks."""
    if recipe.quantize is None:
        return
    need = f"'quantize: {recipe.quantize}' needs"
    if not torch.cuda.is_available() or device_of(source).type != "cuda":
        raise FinetuneError(f"{need} a CUDA GPU, and there is none here: leave 'quantize' out")
    if importlib.util.find_spec("bitsandbytes") is None:
        raise FinetuneError(f"{need} the package bitsandbytes: pip install bitsandbytes")


def trainable(model: Any, recipe: Recipe) -> Any:
    """The model as it is trained: all weights in float32, or an adapter around frozen ones.

    Steps of a full finetune are too small for the digits of bfloat16; peft holds adapters in
    float32 by itself.
    """
    if recipe.full:
        return model.float().requires_grad_(True)
    if recipe.quantize:
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return get_peft_model(model, lora_config(model, recipe.lora))


def lora_config(model: Any, lora: Lora) -> LoraConfig:
    """The adapter's shape on this model. Embeddings and head stay out: they are often tied."""
    layers = model.config.get_text_config().num_hidden_layers
    upper = None
    if lora.layers != "all":
        if lora.layers > layers:
            raise FinetuneError(f"the recipe adapts {lora.layers} layers; the model has {layers}")
        upper = list(range(layers - lora.layers, layers))
    linear = linear_names(model)
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha or 2 * lora.rank,
        lora_dropout=lora.dropout,
        target_modules=linear if lora.targets == "linear" else _named(lora.targets, linear),
        layers_to_transform=upper,
        task_type="CAUSAL_LM",
    )


def linear_names(model: Any) -> list[str]:
    """Last parts of the names of all linear layers but the embeddings and the head."""
    heads = {id(model.get_output_embeddings()), id(model.get_input_embeddings())}
    return sorted(
        {
            name.rpartition(".")[2]
            for name, module in model.named_modules()
            if isinstance(module, (torch.nn.Linear, Conv1D)) and id(module) not in heads
        }
    )


def _named(targets: Iterable[str], known: list[str]) -> list[str]:
    for name in targets:
        if name.rpartition(".")[2] not in known:
            hint = did_you_mean(name, known)
            raise FinetuneError(
                f"no linear layer of this model is called {name!r}{hint}; "
                f"'targets' can be {', '.join(known)}"
            )
    return list(targets)
