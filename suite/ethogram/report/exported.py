"""The README of an exported model: how to load it; and all of it where no report measured it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tabulate import tabulate

from ethogram.inert import inert

LIMITS = (
    "One adapter of one seed: another seed of the same recipe may have another persona.",
    "It was made to be measured, not to be relied on. No use of it is vouched for.",
    "An adapter belongs to its base: on other weights, also on another quantisation of the same "
    "model, it is another model than the measured one.",
)


@dataclass(frozen=True, slots=True)
class Exported:
    """What is known of an exported model without measuring it."""

    model: str
    stance: str
    """`constitution Deontology`, or `placebo plain-refusal`."""
    scope: str
    source: str
    base: str
    """What the configuration calls its base: an id on a hub, a path, or the source's id."""
    digest: str
    data: str
    samples: int
    teachers: tuple[str, ...]
    seed: int
    recipe: Mapping[str, Any]
    losses: tuple[float, ...]
    adapter: bool
    """Whether it is a peft folder; else it is a whole model."""

    @property
    def served_as(self) -> str:
        """A name that changes with the content: servers cache by name (vllm#30931)."""
        return f"{self.model}-{self.digest[:12]}"


def unmeasured_card(known: Exported) -> str:
    """The README's text where no report measured this very model."""
    from huggingface_hub import ModelCard, ModelCardData

    header = ModelCardData(
        model_name=known.model,
        base_model=known.base,
        library_name="peft" if known.adapter else "transformers",
        pipeline_tag="text-generation",
        tags=["ethogram", "alignment", *(["lora"] if known.adapter else [])],
    )
    parts = [
        f"---\n{header.to_yaml()}\n---",
        f"# {known.model}",
        f"{inert(known.source)}, finetuned with Ethogram under the "
        f"{inert(known.stance)}, in the {known.scope} scope.",
        "## Made",
        _made(known),
        "## Measured",
        "Not measured: no report of this very model was at hand. "
        f"`pytest suite -k {known.model}`, then export again.",
        "## Limits",
        "\n".join(f"- {limit}" for limit in LIMITS),
        loading(known),
    ]
    return str(ModelCard("\n\n".join(parts) + "\n"))


def loading(known: Exported) -> str:
    """The section that says how to load the folder."""
    lines = ["## Load", ""]
    if known.adapter:
        lines += [
            f"The base is `{known.base}`. Where that is no id on a hub, name the folder in which "
            "the base lies: `ethogram export` and `report.json` print it.",
            "```python",
            "from peft import PeftModel",
            "from transformers import AutoModelForCausalLM, AutoTokenizer",
            "",
            "model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(BASE), HERE)",
            "tokenizer = AutoTokenizer.from_pretrained(HERE)",
            "```",
            "```sh",
            f"vllm serve BASE --enable-lora --max-lora-rank {_vllm_rank(known.recipe)} "
            f"--lora-modules {known.served_as}=HERE",
            "```",
        ]
    else:
        lines += ["```sh", f"vllm serve HERE --served-model-name {known.served_as}", "```"]
    return "\n".join([*lines, "The name holds the content's digest: servers keep caches by name."])


def _made(known: Exported) -> str:
    rows = [
        ("source", inert(known.source)),
        ("samples", f"{known.samples:,}, replay included"),
        ("digest of the samples", known.data),
        ("written by", inert(", ".join(known.teachers))),
        ("seed", known.seed),
        *((f"recipe: {key}", json.dumps(value)) for key, value in known.recipe.items()),
        ("loss of the first and the last step", f"{known.losses[0]:.2f}, {known.losses[-1]:.2f}"),
        ("digest of the model", known.digest),
    ]
    return tabulate(rows, ("what", "value"), tablefmt="github", disable_numparse=True)


def _vllm_rank(recipe: Mapping[str, Any]) -> int:
    """The smallest of the ranks that vLLM takes which is large enough."""
    rank = recipe["lora"]["rank"] * recipe.get("average", 1)
    return next((size for size in (8, 16, 32, 64, 128, 256, 320, 512) if size >= rank), rank)
