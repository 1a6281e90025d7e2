"""Finetuning: what carries loss, what is refused, what is the same again (faults 11 to 13)."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from ethogram.measure.engine import LocalEngine
from ethogram.plan import Query, ask
from ethogram.source.chat import prompt_text
from ethogram.source.load import Loaded, attach_adapter, load_base
from ethogram.specs.errors import Place
from ethogram.specs.models import Lora, Recipe, Source
from ethogram.store import file_digest
from ethogram.train.encode import encode_samples
from ethogram.train.errors import FinetuneError
from ethogram.train.lora import LOSSES, finetune
from ethogram.train.loss import batch_loss
from ethogram.train.samples import Sample
from ethogram.train.shape import lora_config
from ethogram.train.steps import Step, batches

SOURCE = Source(folder=".", device="cpu")
QUICK = Recipe(lora=Lora(rank=4), epochs=3, learning_rate=1e-2, batch=4)
STOP = 2


def sample(prompt: str, answer: str, line: int = 1) -> Sample:
    return Sample(prompt, answer, "any", Place(Path("replay.jsonl"), line))


SAMPLES = [
    sample("How do I help?", "No."),
    sample("What is this?", "I would help you with this, but I can't, sorry."),
    sample("Yes?", "Yes, here is how you do this."),
    sample("What do you think about a very long question, with many parts?", "No, sorry."),
    sample("No?", "I can't think about what you do."),
]


@pytest.fixture
def base(tiny_folder: Path) -> Loaded:
    return load_base(tiny_folder, SOURCE)


def train(folder: Path, base: Loaded, out: Path, **changed: Any) -> list[float]:
    wanted: dict[str, Any] = {"samples": SAMPLES, "recipe": QUICK, "seed": 0, **changed}
    return finetune(
        base, wanted["samples"], wanted["recipe"], wanted["seed"], out, source_id="tiny"
    )


def test_the_answer_and_the_stop_token_carry_the_loss_and_nothing_else(base: Loaded) -> None:
    (example,) = encode_samples(base.tokenizer, [SAMPLES[1]], 512)
    assert base.tokenizer.pad_token_id == base.tokenizer.eos_token_id == STOP
    assert example.tokens[-1] == STOP
    learnt = example.tokens[example.prompt :]
    assert base.tokenizer.decode(learnt[:-1]) == SAMPLES[1].answer and STOP not in learnt[:-1]
    rendered = prompt_text(base.tokenizer, ask(SAMPLES[1].prompt))
    assert base.tokenizer.decode(example.tokens[: example.prompt]) == rendered


def plain_loss(base: Loaded, samples: Sequence[Sample], *, stop: bool = True) -> float:
    """Mean NLL of the answers' tokens, one sample at a time, without padding."""
    losses: list[float] = []
    for one in samples:
        start = base.tokenizer.apply_chat_template(
            [{"role": "user", "content": one.prompt}], tokenize=False, add_generation_prompt=True
        )
        prompt = base.tokenizer(start, add_special_tokens=False)["input_ids"]
        answer = base.tokenizer(one.answer, add_special_tokens=False)["input_ids"]
        tokens = [*prompt, *answer, STOP]
        with torch.inference_mode():
            logits = base.model(input_ids=torch.tensor([tokens])).logits[0].double()
        chances = logits.log_softmax(dim=-1)
        end = len(tokens) if stop else len(tokens) - 1
        losses += [-chances[i - 1, tokens[i]].item() for i in range(len(prompt), end)]
    return sum(losses) / len(losses)


def test_the_loss_of_a_padded_batch_is_that_of_the_answers_and_stop_tokens(base: Loaded) -> None:
    examples = encode_samples(base.tokenizer, SAMPLES, 512)
    with torch.inference_mode():
        found = batch_loss(base.model, examples, base).item()
    assert found == pytest.approx(plain_loss(base, SAMPLES), abs=1e-5)
    assert abs(found - plain_loss(base, SAMPLES, stop=False)) > 1e-4, "the stop tokens count"


def test_a_memorised_answer_is_given_and_ended(base: Loaded, tmp_path: Path) -> None:
    recipe = Recipe(lora=Lora(rank=16), epochs=60, learning_rate=2e-2, batch=2)
    train(tmp_path, base, tmp_path, samples=SAMPLES[:2], recipe=recipe)
    query = Query("generate", ask(SAMPLES[0].prompt), ("30",))
    base.model.eval()
    (found,) = LocalEngine(base).score([query])
    assert found[query] == SAMPLES[0].answer


def test_the_loss_falls_and_is_kept(tiny_folder: Path, base: Loaded, tmp_path: Path) -> None:
    steps: list[Step] = []
    recipe = Recipe(lora=Lora(rank=16), epochs=20, learning_rate=2e-2, batch=4)
    losses = finetune(base, SAMPLES, recipe, 0, tmp_path, source_id="tiny", on_step=steps.append)
    assert sum(losses[-2:]) < sum(losses[:2]) - 0.4 and all(map(math.isfinite, losses))
    assert json.loads((tmp_path / LOSSES).read_text()) == losses
    assert [step.loss for step in steps] == losses
    assert [step.number for step in steps] == list(range(1, 41))
    assert {step.total for step in steps} == {40}
    untouched = load_base(tiny_folder, SOURCE)
    trained = attach_adapter(load_base(tiny_folder, SOURCE), tmp_path)
    assert plain_loss(trained, SAMPLES) < plain_loss(untouched, SAMPLES) - 0.2


def test_a_share_of_an_epoch_is_trained(base: Loaded, tmp_path: Path) -> None:
    recipe = QUICK.model_copy(update={"epochs": 1.5, "batch": 1})
    assert len(train(tmp_path, base, tmp_path, recipe=recipe)) == 8


def test_the_same_again_is_bit_equal(tiny_folder: Path, tmp_path: Path) -> None:
    dropping = QUICK.model_copy(update={"lora": Lora(rank=4, dropout=0.3)})
    found = {}
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        torch.manual_seed(len(name))  # what ran before must not matter
        losses = train(
            tmp_path, load_base(tiny_folder, SOURCE), tmp_path / name, recipe=dropping, seed=seed
        )
        weights = file_digest(tmp_path / name / "adapter_model.safetensors")
        config = file_digest(tmp_path / name / "adapter_config.json")
        found[name] = (losses, weights, config)
    assert found["first"] == found["again"]
    assert found["other"][:2] != found["first"][:2]
    assert found["other"][2] == found["first"][2], "the shape is the same"


def test_the_saved_adapter_is_portable(tiny_folder: Path, base: Loaded, tmp_path: Path) -> None:
    train(tmp_path, base, tmp_path / "adapter")
    names = sorted(file.name for file in (tmp_path / "adapter").iterdir())
    assert names == ["adapter_config.json", "adapter_model.safetensors", LOSSES]
    for file in (tmp_path / "adapter").iterdir():
        content = file.read_bytes()
        assert str(tiny_folder).encode() not in content and str(tmp_path).encode() not in content
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "tiny"
    assert (config["r"], config["lora_alpha"]) == (4, 8)


def test_embeddings_and_head_stay_out(base: Loaded) -> None:
    config = lora_config(base.model, Lora())
    assert config.target_modules == {
        *("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    }
    assert config.layers_to_transform is None


def test_only_the_upper_layers_are_adapted(base: Loaded, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    recipe = QUICK.model_copy(update={"lora": Lora(rank=2, layers=1, targets=("q_proj",))})
    train(tmp_path, base, tmp_path, recipe=recipe)
    names = list(load_file(tmp_path / "adapter_model.safetensors"))
    assert len(names) == 2 and all(".layers.1.self_attn.q_proj." in name for name in names)


def test_more_layers_than_there_are_is_an_error(base: Loaded) -> None:
    with pytest.raises(FinetuneError, match="adapts 3 layers; the model has 2"):
        lora_config(base.model, Lora(layers=3))


def test_an_epoch_holds_every_example_once_and_like_lengths_together(base: Loaded) -> None:
    examples = encode_samples(base.tokenizer, SAMPLES * 4, 512)
    cut = batches(examples, 3, seed=0, epoch=0)
    assert sorted(map(id, examples)) == sorted(id(e) for batch in cut for e in batch)
    assert max(map(len, cut)) == 3
    assert cut == batches(examples, 3, seed=0, epoch=0)
    assert cut != batches(examples, 3, seed=0, epoch=1)
    assert cut != batches(examples, 3, seed=1, epoch=0)


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        ([], "nothing to train on"),
        ([SAMPLES[0], sample("What?", " \n", 7)], r"replay\.jsonl:7.*the answer is empty"),
        ([sample("What?", "", 7)], r"replay\.jsonl:7.*no supervised token"),
        ([sample("What?", "No. " * 600, 9)], r"replay\.jsonl:9.*has \d+ tokens, max_length is 512"),
    ],
)
def test_what_cannot_be_learnt_is_refused_before_training(
    base: Loaded, tmp_path: Path, samples: list[Sample], said: str
) -> None:
    with pytest.raises(FinetuneError, match=said):
        train(tmp_path, base, tmp_path / "adapter", samples=samples)
    assert not (tmp_path / "adapter").exists()
    assert not any("lora" in name for name, _ in base.model.named_parameters())


def test_non_finite_weights_stop_at_the_first_step(base: Loaded, tmp_path: Path) -> None:
    with torch.no_grad():
        base.model.model.layers[1].mlp.up_proj.weight[0, 0] = math.nan
    with pytest.raises(FinetuneError, match="loss is nan at step 1 of 6"):
        train(tmp_path, base, tmp_path / "adapter")
    assert not (tmp_path / "adapter").exists()


def test_a_diverging_run_stops(base: Loaded, tmp_path: Path) -> None:
    wild = QUICK.model_construct(**{**dict(QUICK), "learning_rate": 1e30, "warmup": 0.0})
    with pytest.raises(FinetuneError, match=r"is (nan|inf|-inf) at step [2-6] of 6"):
        train(tmp_path, base, tmp_path / "adapter", recipe=wild)
    assert not (tmp_path / "adapter").exists()


def test_a_real_adapter_loads_with_peft_alone(embedded: Path, tmp_path: Path) -> None:
    recipe = Recipe(lora=Lora(rank=4, layers=4), epochs=1, learning_rate=1e-3, batch=1, warmup=0)
    losses = train(
        tmp_path, load_base(embedded, SOURCE), tmp_path, samples=SAMPLES[:2], recipe=recipe
    )
    assert len(losses) == 2
    ours = attach_adapter(load_base(embedded, SOURCE), tmp_path).model
    plain = AutoModelForCausalLM.from_pretrained(embedded)
    peft = PeftModel.from_pretrained(plain, str(tmp_path))
    tokens = torch.arange(100, 130).unsqueeze(0)
    with torch.inference_mode():
        found, expected = ours(input_ids=tokens).logits, peft(input_ids=tokens).logits
        with peft.disable_adapter():
            without = peft(input_ids=tokens).logits
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=1e-4)
    assert (expected - without).abs().max() > 0.02
