"""The mean of what was trained at the ends of several epochs.

An adapter adds B A to a weight, and the mean of products is not the product of means: averaging A
and B apart would mix the A of one epoch with the B of another. The mean of k products is exactly
[B1 ... Bk] / k times [A1; ...; Ak], an adapter of k times the rank with the same scale alpha/rank
(what peft calls `cat`); it loads like any other. Weights trained in full are averaged as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model_state_dict
from safetensors.torch import save_file


def mean_weights(ends: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The plain mean, weight by weight."""
    return {name: torch.stack([end[name] for end in ends]).mean(dim=0) for name in ends[0]}


def joined(adapters: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Tensors of the adapter that adds the mean of what the adapters add."""
    made = {}
    for name in adapters[0]:
        parts = [adapter[name] for adapter in adapters]
        if ".lora_A." in name:
            made[name] = torch.cat(parts, dim=0).contiguous()
        elif ".lora_B." in name:
            made[name] = (torch.cat(parts, dim=1) / len(parts)).contiguous()
        else:
            raise ValueError(f"{name} is no tensor of a LoRA adapter")
    return made


def save_mean_adapter(model: Any, ends: Sequence[dict[str, torch.Tensor]], folder: Path) -> None:
    """Write the mean of the adapters as a peft folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    states = [
        get_peft_model_state_dict(model, state_dict=end, save_embedding_layers=False)
        for end in ends
    ]
    save_file(joined(states), folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = model.peft_config["default"]
    config.r, config.lora_alpha = config.r * len(ends), config.lora_alpha * len(ends)
    config.inference_mode = True
    config.save_pretrained(folder)
