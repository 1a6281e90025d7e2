"""Recipes that every models file may name; a recipe of the same name in the file goes first."""

from __future__ import annotations

from ethogram.specs.models import Lora, Recipe

PRESETS = {
    # Two cores and SmolLM2-135M: the upper 20 of its 30 layers take two thirds of the time of all.
    "laptop": Recipe(
        lora=Lora(rank=8, layers=20), epochs=3, learning_rate=5e-4, samples=96, replay=0.5
    ),
    # One GPU and a model of about eight thousand million weights in bfloat16. Not measured here.
    "gpu-8b": Recipe(
        lora=Lora(rank=16),
        epochs=3,
        learning_rate=2e-4,
        samples=128,
        replay=0.5,
        batch=4,
        accumulate=4,
        max_length=1024,
    ),
}
