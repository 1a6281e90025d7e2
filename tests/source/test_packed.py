"""Packed weights: the same numbers, on the CPU in float32 alone, and undone where they are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ethogram.source import packed as module
from ethogram.source.load import Loaded, load_base
from ethogram.source.packed import packed
from ethogram.specs.models import Source

SOURCE = Source(folder=".", device="cpu")
TOKENS = torch.arange(5, 45).reshape(2, 20)


def logits(loaded: Loaded) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = loaded.model(input_ids=TOKENS).logits
    return found


def layers(loaded: Loaded) -> list[torch.nn.Linear]:
    return [part for part in loaded.model.modules() if isinstance(part, torch.nn.Linear)]


def changed(loaded: Loaded) -> int:
    return sum("forward" in part.__dict__ for part in layers(loaded))


def test_every_linear_layer_is_packed_and_no_logit_moves(tiny_folder: Path) -> None:
    loaded = load_base(tiny_folder, SOURCE)
    before = logits(loaded)
    assert packed(loaded) is loaded
    assert changed(loaded) == len(layers(loaded)) == 15
    torch.testing.assert_close(logits(loaded), before, atol=1e-5, rtol=1e-5)


def test_the_embedded_model_says_the_same(embedded: Path) -> None:
    loaded = load_base(embedded, SOURCE)
    before = logits(loaded)
    assert changed(packed(loaded)) == len(layers(loaded)) > 200
    torch.testing.assert_close(logits(loaded), before, atol=1e-3, rtol=0)


def test_other_architectures_say_the_same(other_folder: Path) -> None:
    loaded = load_base(other_folder, SOURCE)
    before = logits(loaded)
    torch.testing.assert_close(logits(packed(loaded)), before, atol=1e-5, rtol=1e-5)


def test_a_bias_is_added() -> None:
    layer = torch.nn.Linear(32, 8)
    loaded = Loaded(torch.nn.Sequential(layer), None, torch.device("cpu"))
    entered = torch.randn(3, 32)
    before = layer(entered)
    packed(loaded)
    assert changed(loaded) == 1
    with torch.no_grad():
        torch.testing.assert_close(layer(entered), before)


def test_gradients_flow_as_before() -> None:
    layer = torch.nn.Linear(32, 8)
    packed(Loaded(torch.nn.Sequential(layer), None, torch.device("cpu")))
    layer(torch.randn(3, 32)).sum().backward()
    assert layer.weight.grad is not None and layer.weight.grad.any()


@pytest.mark.parametrize(
    "loaded",
    [
        lambda model: Loaded(model, None, torch.device("meta")),
        lambda model: Loaded(model.bfloat16(), None, torch.device("cpu")),
        lambda model: Loaded(model.double(), None, torch.device("cpu")),
    ],
)
def test_other_devices_and_numbers_are_left_alone(loaded: Any) -> None:
    found = packed(loaded(torch.nn.Sequential(torch.nn.Linear(32, 8))))
    assert changed(found) == 0


def test_what_would_take_too_much_memory_is_left_alone(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BYTES", 1000)
    assert changed(packed(load_base(tiny_folder, SOURCE))) == 0


@pytest.mark.parametrize("how", ["absent", "wrong"])
def test_an_operation_that_fails_or_errs_is_not_used(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def multiplied(entered: torch.Tensor, weight: Any, *_: Any) -> torch.Tensor:
        if how == "absent":
            raise RuntimeError("no such operation")
        return torch.zeros((*entered.shape[:-1], weight.shape[0])) + 0.1

    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", multiplied, raising=False)
    loaded = load_base(tiny_folder, SOURCE)
    before = logits(loaded)
    assert changed(packed(loaded)) == 0
    assert torch.equal(logits(loaded), before)
