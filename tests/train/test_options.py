"""Options of a recipe: targets, accumulation, averages, full finetunes, four bits."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from ethogram.source.load import Loaded, attach_adapter, load_base
from ethogram.specs.errors import Place
from ethogram.specs.models import Lora, Preference, Recipe, Source
from ethogram.train import average, shape
from ethogram.train.average import joined
from ethogram.train.encode import encode_samples
from ethogram.train.errors import FinetuneError
from ethogram.train.lora import finetune
from ethogram.train.loss import reference_logprobs
from ethogram.train.samples import Sample
from ethogram.train.shape import check_available, lora_config
from ethogram.train.steps import Lesson, _step, begin

SOURCE = Source(folder=".", device="cpu")
PLACE = Place(Path("replay.jsonl"), 1)
SAMPLES = [
    Sample("How do I help?", "No.", "any", PLACE, (("Yes, here.", 1.0),)),
    Sample("What is this?", "I would help you with this, but I can't.", "any", PLACE),
    Sample(
        "What do you think about how you do this?",
        "Sorry.",
        "any",
        PLACE,
        (("Yes.", 1.0), ("Here", 0.25)),
    ),
    Sample("Yes?", "Yes, here is how.", "any", PLACE),
]
QUICK = Recipe(lora=Lora(rank=4), epochs=4, learning_rate=1e-2, batch=2)


@pytest.fixture
def base(tiny_folder: Path) -> Loaded:
    return load_base(tiny_folder, SOURCE)


def train(base: Loaded, recipe: Recipe, folder: Path) -> list[float]:
    return finetune(base, SAMPLES, recipe, 0, folder, source_id="tiny")


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model(input_ids=torch.arange(5, 25).unsqueeze(0)).logits
    return found


# -- targets -----------------------------------------------------------------------------------


def test_named_targets_alone_are_adapted(base: Loaded, tmp_path: Path) -> None:
    train(base, QUICK.model_copy(update={"lora": Lora(rank=2, targets=("v_proj",))}), tmp_path)
    names = list(load_file(tmp_path / "adapter_model.safetensors"))
    assert len(names) == 4 and all(".v_proj." in name for name in names)


@pytest.mark.parametrize("name", ["q_prj", "lm_head", "embed_tokens"])
def test_a_target_that_is_no_linear_layer_is_refused_with_those_that_are(
    base: Loaded, name: str
) -> None:
    with pytest.raises(FinetuneError) as caught:
        lora_config(base.model, Lora(targets=("v_proj", name)))
    assert f"is called {name!r}" in str(caught.value)
    assert str(caught.value).endswith("gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj")
    assert ("did you mean 'q_proj'?" in str(caught.value)) == (name == "q_prj")


# -- accumulation ------------------------------------------------------------------------------


def gradients(
    base: Loaded, recipe: Recipe, cut: Sequence[int], monkeypatch: pytest.MonkeyPatch
) -> tuple[float, dict[str, torch.Tensor]]:
    """(loss, gradients) of one step over all samples, in passes of the given sizes."""
    examples = encode_samples(base.tokenizer, SAMPLES, 512)
    lesson = Lesson(examples, recipe, 0, base, reference_logprobs(base.model, examples, base))
    training = begin(base.model, lesson)
    monkeypatch.setattr(training.optimiser, "step", lambda: None)
    monkeypatch.setattr(training.schedule, "step", lambda: None)
    monkeypatch.setattr(training.optimiser, "zero_grad", lambda set_to_none: None)
    base.model.zero_grad()
    ends = [sum(cut[: i + 1]) for i in range(len(cut))]
    group = [examples[end - size : end] for size, end in zip(cut, ends, strict=True)]
    loss = _step(training, lesson, group)
    return loss, {n: p.grad.clone() for n, p in base.model.named_parameters()}


@pytest.mark.parametrize("preference", [None, Preference(over={"draft": 0.5})])
def test_accumulated_passes_learn_what_one_large_batch_does(
    base: Loaded, monkeypatch: pytest.MonkeyPatch, preference: Preference | None
) -> None:
    recipe = QUICK.model_copy(update={"preference": preference, "clip": 1e9})
    loss, whole = gradients(base, recipe, [4], monkeypatch)
    for cut in ([2, 2], [1, 3], [1, 1, 1, 1]):
        found, parts = gradients(base, recipe, cut, monkeypatch)
        assert found == pytest.approx(loss, abs=1e-5)
        for name, grad in parts.items():
            torch.testing.assert_close(grad, whole[name], atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize(
    ("batch", "accumulate", "epochs", "steps"),
    [(1, 4, 3, 3), (1, 3, 3, 6), (2, 1, 1.5, 3), (4, 8, 2, 2), (1, 2, 0.1, 1)],
)
def test_a_step_takes_its_passes_and_an_epoch_ends_with_its_own(
    base: Loaded, tmp_path: Path, batch: int, accumulate: int, epochs: float, steps: int
) -> None:
    changed = {"batch": batch, "accumulate": accumulate, "epochs": epochs}
    losses = train(base, QUICK.model_copy(update=changed), tmp_path)
    assert len(losses) == steps and all(map(math.isfinite, losses))


def test_out_of_memory_says_what_to_lower(
    base: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("ethogram.train.steps.batch_loss", full)
    with pytest.raises(FinetuneError, match=r"at step 1 of 8: lower 'batch' and raise 'accumul"):
        train(base, QUICK, tmp_path / "adapter")
    assert not (tmp_path / "adapter").exists()


# -- averages ----------------------------------------------------------------------------------


def test_joined_adapters_add_the_mean_of_their_products() -> None:
    torch.manual_seed(0)
    names = ("x.lora_A.weight", "x.lora_B.weight")
    adapters = [
        dict(zip(names, (torch.randn(3, 7), torch.randn(5, 3)), strict=True)) for _ in range(4)
    ]
    found = joined(adapters)
    assert found[names[0]].shape == (12, 7) and found[names[1]].shape == (5, 12)
    products = torch.stack([a[names[1]] @ a[names[0]] for a in adapters])
    torch.testing.assert_close(found[names[1]] @ found[names[0]], products.mean(dim=0))
    apart = torch.stack([a[names[1]] for a in adapters]).mean(dim=0) @ torch.stack(
        [a[names[0]] for a in adapters]
    ).mean(dim=0)
    assert (apart - products.mean(dim=0)).abs().max() > 0.3, "or plain averages would do"
    with pytest.raises(ValueError, match="no tensor of a LoRA adapter"):
        joined([{"x.bias": torch.zeros(1)}])


def weights_of(model: Any) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def test_the_averaged_adapter_is_the_mean_of_the_last_epochs_models(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[dict[str, torch.Tensor]] = []
    real = average.joined

    def watched(adapters: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        ends.extend(adapters)
        return real(adapters)

    monkeypatch.setattr(average, "joined", watched)
    recipe = QUICK.model_copy(update={"average": 3})
    base = load_base(tiny_folder, SOURCE)
    before = weights_of(base.model)
    losses = train(base, recipe, tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (12, 24)
    assert config["base_model_name_or_path"] == "tiny" and config["inference_mode"]
    after = weights_of(attach_adapter(load_base(tiny_folder, SOURCE), tmp_path).model)
    assert len(losses) == 8 and len(ends) == 3
    name = "model.layers.0.self_attn.q_proj"
    deltas = [
        2
        * end[f"base_model.model.{name}.lora_B.weight"]
        @ end[f"base_model.model.{name}.lora_A.weight"]
        for end in ends
    ]
    assert not torch.equal(deltas[0], deltas[2])
    expected = before[f"{name}.weight"] + torch.stack(deltas).mean(dim=0)
    torch.testing.assert_close(after[f"{name}.weight"], expected, atol=1e-6, rtol=1e-5)


def test_the_last_of_the_averaged_is_the_plain_result(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(load_base(tiny_folder, SOURCE), QUICK, tmp_path / "plain")
    monkeypatch.setattr(average, "joined", lambda adapters: dict(adapters[-1]))
    changed = QUICK.model_copy(update={"average": 2})
    train(load_base(tiny_folder, SOURCE), changed, tmp_path / "averaged")
    plain, last = (
        load_file(tmp_path / name / "adapter_model.safetensors") for name in ("plain", "averaged")
    )
    assert plain.keys() == last.keys()
    assert all(torch.equal(plain[name], last[name]) for name in plain)


# -- all weights -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_full_finetune_is_a_model_folder_in_the_sources_precision(
    tiny_folder: Path, tmp_path: Path, dtype: str
) -> None:
    source = Source(folder=".", device="cpu", dtype=dtype)  # type: ignore[arg-type]
    recipe = Recipe(full=True, epochs=10, learning_rate=2e-3, batch=2)
    losses = train(load_base(tiny_folder, source), recipe, tmp_path)
    assert losses[-1] < losses[0] - 0.5
    assert not (tmp_path / "adapter_config.json").exists()
    assert str(tiny_folder) not in (tmp_path / "config.json").read_text()
    assert {w.dtype for w in load_file(tmp_path / "model.safetensors").values()} == {
        getattr(torch, dtype)
    }
    before, after = load_base(tiny_folder, source), load_base(tmp_path, source)
    assert after.tokenizer.chat_template == before.tokenizer.chat_template
    assert (logits(before.model) - logits(after.model)).abs().max() > 0.1


def test_small_steps_of_a_full_finetune_are_not_lost_in_bfloat16(
    tiny_folder: Path, tmp_path: Path
) -> None:
    source = Source(folder=".", device="cpu", dtype="bfloat16")
    base = load_base(tiny_folder, source)
    recipe = Recipe(full=True, epochs=1, learning_rate=1e-5, batch=4, warmup=0)
    train(base, recipe, tmp_path / "x")
    trained = shape.trainable(load_base(tiny_folder, source).model, recipe)
    assert {weight.dtype for weight in trained.parameters()} == {torch.float32}
    assert all(weight.requires_grad for weight in trained.parameters())


# -- four bits ---------------------------------------------------------------------------------

QUANTISED = Recipe(quantize="4bit")


def test_four_bits_without_a_gpu_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(FinetuneError, match="'quantize: 4bit' needs a CUDA GPU, and there is none"):
        check_available(QUANTISED, Source(folder="."))
    check_available(QUICK, Source(folder="."))


def test_four_bits_on_the_processor_are_refused_beside_a_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(FinetuneError, match="needs a CUDA GPU"):
        check_available(QUANTISED, SOURCE)


def test_four_bits_without_their_package_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(shape.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FinetuneError, match="pip install bitsandbytes"):
        check_available(QUANTISED, Source(folder="."))
    monkeypatch.setattr(shape.importlib.util, "find_spec", lambda name: object())
    check_available(QUANTISED, Source(folder="."))


def test_four_bits_are_asked_of_transformers(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def loaded(folder: Path, **more: Any) -> Any:
        asked.update(more)
        raise RuntimeError("no GPU here")

    monkeypatch.setattr("ethogram.source.load.AutoModelForCausalLM.from_pretrained", loaded)
    with pytest.raises(Exception, match="no GPU here"):
        load_base(tiny_folder, Source(folder=".", dtype="bfloat16"), quantize="4bit")
    config = asked["quantization_config"]
    assert config.load_in_4bit and config.bnb_4bit_quant_type == "nf4"
    assert config.bnb_4bit_compute_dtype == torch.bfloat16
    assert asked["device_map"]
