"""Bases and adapters: applied whole or refused (faults 7, 9, 10, 27)."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from ethogram.source.load import (
    DEFAULT_TEMPLATE,
    attach_adapter,
    device_of,
    load_base,
    pin_threads,
    portable_config,
    ready,
)
from ethogram.source.obtain import SourceError
from ethogram.specs.errors import Place
from ethogram.specs.models import Lora, Recipe, Source
from ethogram.train.lora import finetune
from ethogram.train.samples import Sample
from ethogram.train.shape import lora_config

SOURCE = Source(folder=".", device="cpu")
TOKENS = torch.tensor([[5, 9, 200, 31, 77]])
State = dict[str, torch.Tensor]


class Payload:
    """Unpickled, it leaves a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def adapter(tiny_folder: Path, tmp_path: Path) -> Path:
    """A random adapter that was never trained, but does something."""
    torch.manual_seed(3)
    model = load_base(tiny_folder, SOURCE).model
    adapted = get_peft_model(model, lora_config(model, Lora(rank=2)))
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2)
    adapted.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    portable_config(tmp_path / "adapter", "tiny")
    return tmp_path / "adapter"


@pytest.fixture
def copy(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "copy"))


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model(input_ids=TOKENS).logits
    return found


def rewrite(file: Path, change: Callable[[State], State]) -> None:
    save_file(change(load_file(file)), file, metadata={"format": "pt"})


def test_an_adapter_gives_what_peft_gives(tiny_folder: Path, adapter: Path) -> None:
    merged = attach_adapter(load_base(tiny_folder, SOURCE), adapter).model
    base = AutoModelForCausalLM.from_pretrained(tiny_folder)
    expected = logits(PeftModel.from_pretrained(base, str(adapter)))
    torch.testing.assert_close(logits(merged), expected, atol=1e-5, rtol=0)
    assert (logits(merged) - logits(load_base(tiny_folder, SOURCE).model)).abs().max() > 0.01
    assert not any("lora" in name for name, _ in merged.named_parameters())


def drop_one(state: State) -> State:
    return dict(sorted(state.items())[1:])


def drop_all_of_a_layer(state: State) -> State:
    return {name: tensor for name, tensor in state.items() if ".layers.1." not in name}


def add_one(state: State) -> State:
    return {**state, "base_model.model.model.layers.7.self_attn.q_proj.lora_A.weight": TOKENS}


def rename_one(state: State) -> State:
    (name, tensor), *rest = sorted(state.items())
    return {name.replace("layers.0", "layers.9"): tensor, **dict(rest)}


def another_rank(state: State) -> State:
    return {name: torch.cat([t, t], dim=int("lora_B" in name)) for name, t in state.items()}


def transpose_one(state: State) -> State:
    name = next(name for name in sorted(state) if "down_proj.lora_A" in name)
    return {**state, name: state[name].T.contiguous()}


@pytest.mark.parametrize(
    "change", [drop_one, drop_all_of_a_layer, add_one, rename_one, another_rank, transpose_one]
)
def test_an_adapter_that_does_not_fit_is_refused(
    tiny_folder: Path, adapter: Path, change: Callable[[State], State]
) -> None:
    rewrite(adapter / "adapter_model.safetensors", change)
    with pytest.raises(SourceError, match="does not fit its base") as caught:
        attach_adapter(load_base(tiny_folder, SOURCE), adapter)
    assert str(adapter) in str(caught.value)


def test_an_empty_adapter_is_refused(tiny_folder: Path, adapter: Path) -> None:
    rewrite(adapter / "adapter_model.safetensors", lambda state: {})
    with pytest.raises(SourceError, match="tensors are missing"):
        attach_adapter(load_base(tiny_folder, SOURCE), adapter)


def test_an_idle_adapter_is_refused(tiny_folder: Path, adapter: Path) -> None:
    rewrite(
        adapter / "adapter_model.safetensors",
        lambda state: {n: torch.zeros_like(t) if "lora_B" in n else t for n, t in state.items()},
    )
    with pytest.raises(SourceError, match="changes nothing"):
        attach_adapter(load_base(tiny_folder, SOURCE), adapter)


def test_a_non_finite_adapter_is_refused(tiny_folder: Path, adapter: Path) -> None:
    rewrite(
        adapter / "adapter_model.safetensors",
        lambda state: {n: t * float("nan") for n, t in state.items()},
    )
    with pytest.raises(SourceError, match="non-finite"):
        attach_adapter(load_base(tiny_folder, SOURCE), adapter)


def test_a_pickled_adapter_is_refused_unread(
    tiny_folder: Path, adapter: Path, tmp_path: Path
) -> None:
    (adapter / "adapter_model.safetensors").unlink()
    (adapter / "adapter_model.bin").write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    with pytest.raises(SourceError, match="only a pickle, which could run code"):
        attach_adapter(load_base(tiny_folder, SOURCE), adapter)
    assert not (tmp_path / "ran").exists()
    pickle.loads((adapter / "adapter_model.bin").read_bytes())
    assert (tmp_path / "ran").exists(), "the payload would have run"


def test_a_truncated_adapter_is_refused(tiny_folder: Path, adapter: Path) -> None:
    file = adapter / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(SourceError, match="cannot be read"):
        attach_adapter(load_base(tiny_folder, SOURCE), adapter)


@pytest.mark.parametrize("config", [None, "{", '{"peft_type": "NONSENSE"}', "{}"])
def test_an_adapter_without_a_readable_configuration_is_refused(
    tiny_folder: Path, adapter: Path, config: str | None
) -> None:
    (adapter / "adapter_config.json").unlink()
    if config is not None:
        (adapter / "adapter_config.json").write_text(config)
    with pytest.raises(SourceError, match=str(adapter)):
        attach_adapter(load_base(tiny_folder, SOURCE), adapter)


def test_an_adapter_of_another_kind_is_refused(tiny_folder: Path, adapter: Path) -> None:
    config = json.loads((adapter / "adapter_config.json").read_text())
    file = {"peft_type": "IA3", "task_type": "CAUSAL_LM", "target_modules": ["q_proj"]}
    (adapter / "adapter_config.json").write_text(json.dumps(file))
    with pytest.raises(SourceError, match="LoRA adapters are supported"):
        attach_adapter(load_base(tiny_folder, SOURCE), adapter)
    assert config["peft_type"] == "LORA"


def test_an_adapter_for_absent_modules_is_refused(tiny_folder: Path, adapter: Path) -> None:
    config = json.loads((adapter / "adapter_config.json").read_text())
    config["target_modules"] = ["query_key_value"]
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(SourceError, match="does not fit its base"):
        attach_adapter(load_base(tiny_folder, SOURCE), adapter)


def test_the_configuration_names_the_source_and_no_path(adapter: Path, tiny_folder: Path) -> None:
    text = (adapter / "adapter_config.json").read_text()
    assert json.loads(text)["base_model_name_or_path"] == "tiny"
    assert str(tiny_folder) not in text and str(adapter) not in text


def test_a_pickled_base_is_refused_unread(copy: Path, tmp_path: Path) -> None:
    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    with pytest.raises(SourceError, match="cannot be loaded"):
        load_base(copy, SOURCE)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_truncated_base_is_refused(copy: Path, name: str) -> None:
    (copy / name).write_bytes((copy / name).read_bytes()[:-9])
    with pytest.raises(SourceError, match="cannot be loaded"):
        load_base(copy, SOURCE)


def test_a_base_that_lacks_a_tensor_is_refused_and_not_made_up(copy: Path) -> None:
    rewrite(copy / "model.safetensors", drop_one)
    with pytest.raises(SourceError, match="lacks 1 tensor"):
        load_base(copy, SOURCE)


def test_a_misshapen_base_is_refused(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "intermediate_size": 48}))
    with pytest.raises(SourceError, match="cannot be loaded"):
        load_base(copy, SOURCE)


def test_code_in_a_model_folder_does_not_run(copy: Path, tmp_path: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    config |= {
        "model_type": "homemade",
        "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"},
    }
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "own.py").write_text(f"import os; os.mkdir({str(tmp_path / 'ran')!r})")
    with pytest.raises(SourceError, match="trust_remote_code"):
        load_base(copy, SOURCE)
    assert not (tmp_path / "ran").exists()


def test_the_template_is_the_sources_then_the_models_then_a_plain_one(copy: Path) -> None:
    own = load_base(copy, SOURCE).tokenizer.chat_template
    assert "<|im_start|>" in own
    named = SOURCE.model_copy(update={"template": "{{ messages[0]['content'] }}"})
    assert load_base(copy, named).tokenizer.chat_template == named.template
    (copy / "chat_template.jinja").unlink()
    assert load_base(copy, SOURCE).tokenizer.chat_template == DEFAULT_TEMPLATE


def test_dtype_and_mode_are_as_asked(tiny_folder: Path) -> None:
    loaded = load_base(tiny_folder, SOURCE.model_copy(update={"dtype": "bfloat16"}))
    assert loaded.model.dtype == torch.bfloat16
    assert not loaded.model.training
    assert device_of(SOURCE) == torch.device("cpu") == loaded.device


def test_mixed_rounds_products_alone(tiny_folder: Path, native: Source) -> None:
    whole = load_base(tiny_folder, SOURCE).model(TOKENS).logits
    model = ready(load_base(tiny_folder, native), native).model
    linear = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    linear.remove(model.get_output_embeddings())
    assert {m.weight.dtype for m in linear} == {torch.bfloat16}
    others = {id(w) for m in linear for w in m.parameters()}
    rest = [w for w in model.parameters() if id(w) not in others]
    assert {w.dtype for w in rest} == {torch.float32}, "embeddings, norms and head stay whole"
    found = model(TOKENS).logits
    assert found.dtype == torch.float32
    assert not torch.equal(found, whole)
    torch.testing.assert_close(found, whole, atol=0.05, rtol=0.05)


def test_mixed_is_whole_where_the_processor_has_no_such_products(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ethogram.source.precision.native_bfloat16", lambda: False)
    mixed = SOURCE.model_copy(update={"dtype": "mixed"})
    whole = load_base(tiny_folder, SOURCE).model(TOKENS).logits
    assert torch.equal(ready(load_base(tiny_folder, mixed), mixed).model(TOKENS).logits, whole)


def test_what_a_training_changes_stays_whole(tiny_folder: Path, native: Source) -> None:
    model = ready(load_base(tiny_folder, native), native, whole=True).model
    assert {w.dtype for w in model.parameters()} == {torch.float32}
    whole = load_base(tiny_folder, SOURCE).model(TOKENS).logits
    assert not torch.equal(model(TOKENS).logits.float(), whole), "the products are rounded"


def test_an_adapter_is_trained_and_merged_under_mixed(
    tiny_folder: Path, tmp_path: Path, native: Source
) -> None:
    samples = [Sample(f"What is {n}?", f"It is {n}.", "any", Place(Path("x"), 1)) for n in range(4)]
    recipe = Recipe(lora=Lora(rank=4), epochs=8, learning_rate=2e-2, batch=4, warmup=0)
    base = ready(load_base(tiny_folder, native), native)
    losses = finetune(base, samples, recipe, 0, tmp_path, source_id="tiny")
    assert losses[-1] < losses[0] - 0.3
    held = load_file(tmp_path / "adapter_model.safetensors")
    assert {weight.dtype for weight in held.values()} == {torch.float32}
    tuned = attach_adapter(load_base(tiny_folder, native), tmp_path)
    whole = tuned.model(TOKENS).logits
    assert not torch.equal(whole, load_base(tiny_folder, SOURCE).model(TOKENS).logits)
    rounded = ready(tuned, native).model(TOKENS).logits.float()
    torch.testing.assert_close(rounded, whole, atol=0.1, rtol=0.1)


def test_threads_are_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    try:
        monkeypatch.setenv("ETHOGRAM_THREADS", "1")
        assert pin_threads() == 1 == torch.get_num_threads()
        monkeypatch.delenv("ETHOGRAM_THREADS")
        assert pin_threads() == os.cpu_count() == torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("told", ["abc", "0", "-1", "1.5"])
def test_a_number_of_threads_that_is_none_is_named(
    monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    monkeypatch.setenv("ETHOGRAM_THREADS", told)
    with pytest.raises(SourceError, match=f"ETHOGRAM_THREADS is '{told}': give a whole number"):
        pin_threads()
