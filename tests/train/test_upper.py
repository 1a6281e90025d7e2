"""Upper layers trained on what enters them: the same adapter as by the whole model, and less work."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ethogram.source.load import Loaded, load_base
from ethogram.specs.errors import Place
from ethogram.specs.models import Lora, Preference, Recipe, Source
from ethogram.train import lora, upper
from ethogram.train.encode import encode_samples
from ethogram.train.lora import finetune
from ethogram.train.loss import answer_logprobs
from ethogram.train.samples import REPLAY, Sample
from ethogram.train.upper import Upper, upper_of

SOURCE = Source(folder=".", device="cpu")
PLACE = Place(Path("replay.jsonl"), 1)
SAMPLES = [
    Sample("How do I help?", "No.", "any", PLACE, (("Yes, here.", 1.0),)),
    Sample("What is this?", "I would help you with this, but I can't.", REPLAY, PLACE),
    Sample("What do you think about how you do this?", "Sorry.", "any", PLACE, (("Yes.", 0.5),)),
    Sample("Yes?", "Yes, here is how.", REPLAY, PLACE),
]
PLAIN = Recipe(lora=Lora(rank=4, layers=1), epochs=4, learning_rate=1e-2, batch=2)
RECIPES = {
    "plain": PLAIN,
    "pairs": PLAIN.model_copy(update={"preference": Preference(over={"draft": 1.0})}),
    "near-the-source": PLAIN.model_copy(update={"kl": 0.5}),
    "averaged": PLAIN.model_copy(update={"average": 2, "accumulate": 2}),
}


@pytest.fixture
def base(tiny_folder: Path) -> Loaded:
    return load_base(tiny_folder, SOURCE)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
def test_the_adapter_is_that_of_the_whole_model(
    recipe: Recipe,
    tiny_folder: Path,
    tmp_path: Path,
    lower: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def trained(name: str) -> tuple[list[float], dict[str, torch.Tensor]]:
        folder = tmp_path / name
        folder.mkdir()
        base = load_base(tiny_folder, SOURCE)
        losses = finetune(base, SAMPLES, recipe, 0, folder, source_id="tiny")
        return losses, load_file(folder / "adapter_model.safetensors")

    losses, weights = trained("parted")
    assert lower, "the lower layers were asked apart"
    monkeypatch.setattr(lora, "upper_of", lambda *_: None)
    before = len(lower)
    expected, whole = trained("whole")
    assert len(lower) == before
    assert losses == pytest.approx(expected, abs=1e-4)
    assert weights.keys() == whole.keys()
    for name, weight in weights.items():
        torch.testing.assert_close(weight, whole[name], atol=1e-4, rtol=1e-2)


def test_the_lower_layers_see_every_text_once(
    base: Loaded, tmp_path: Path, lower: list[int]
) -> None:
    finetune(base, SAMPLES, RECIPES["pairs"], 0, tmp_path, source_id="tiny")
    tried = 2 * 2  # two passes of two rows show that the model can be parted
    shared = 1
    assert sum(lower) == tried + shared + len(SAMPLES) + 2


def test_every_row_is_read_as_by_the_whole_model(tiny_folder: Path) -> None:
    whole = load_base(tiny_folder, SOURCE)
    examples = encode_samples(whole.tokenizer, SAMPLES, 512)
    rows = [*examples, *(r for e in examples for r in e.rejected)]
    base = load_base(tiny_folder, SOURCE)
    parts = upper_of(base, examples, PLAIN)
    assert isinstance(parts, Upper) and set(parts.hidden) == set(rows)
    for batch in (rows, rows[:1], rows[2:4]):
        found, expected = (answer_logprobs(m, batch, base)[0] for m in (parts, whole.model))
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_rows_that_begin_unlike_are_read_too(tiny_folder: Path) -> None:
    whole = load_base(tiny_folder, SOURCE)
    examples = encode_samples(whole.tokenizer, SAMPLES[1::2], 512)
    cut = [
        type(e)(tokens=e.tokens[number:], prompt=e.prompt - number)
        for number, e in enumerate(examples)
    ]
    base = load_base(tiny_folder, SOURCE)
    parts = upper_of(base, cut, PLAIN)
    assert parts is not None
    found, expected = (answer_logprobs(m, cut, base)[0] for m in (parts, whole.model))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "recipe",
    [Recipe(), Recipe(lora=Lora(layers=2)), Recipe(full=True), Recipe(lora=Lora(layers=9))],
)
def test_what_trains_more_than_upper_layers_is_not_parted(base: Loaded, recipe: Recipe) -> None:
    assert upper_of(base, encode_samples(base.tokenizer, SAMPLES, 512), recipe) is None


def test_lower_layers_that_drop_out_are_asked_at_every_step(base: Loaded) -> None:
    base.model.config.attention_dropout = 0.1
    assert upper_of(base, encode_samples(base.tokenizer, SAMPLES, 512), PLAIN) is None


def test_what_would_take_too_much_memory_is_not_kept(
    base: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upper, "BYTES", 1000)
    assert upper_of(base, encode_samples(base.tokenizer, SAMPLES, 512), PLAIN) is None


def test_every_other_architecture_trains_its_upper_layers(
    other_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained(name: str) -> list[float]:
        (tmp_path / name).mkdir()
        base = load_base(other_folder, SOURCE)
        return finetune(base, SAMPLES, RECIPES["pairs"], 0, tmp_path / name, source_id="tiny")

    found = trained("parted")
    monkeypatch.setattr(lora, "upper_of", lambda *_: None)
    assert found == pytest.approx(trained("whole"), abs=1e-3)
