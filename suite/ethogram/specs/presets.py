"""Recipes that every models file may name; a recipe of the same name in the file goes first."""

from __future__ import annotations

from ethogram.specs.models import Lora, Preference, Recipe

PRESETS = {
    # Two cores and a model of 135 million weights: what the shipped models.yaml says.
    "laptop": Recipe(
        lora=Lora(rank=8, layers=15),
        epochs=2,
        learning_rate=1e-3,
        samples=112,
        replay=0.6,
        preference=Preference(over={"rivals": 1.0}),
    ),
    # One GPU and a model of about eight thousand million weights in bfloat16. Not measured here.
    "gpu-8b": Recipe(
        lora=Lora(rank=16),
        epochs=3,
        learning_rate=2e-4,
        samples=128,
        replay=0.6,
        preference=Preference(over={"rivals": 1.0}),
        batch=4,
        accumulate=4,
        max_length=1024,
    ),
}
