"""Log-probs by the last layer alone: the model's own, with the model's own gradient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from ethogram.measure.engine import LocalEngine
from ethogram.measure.passes import Passes
from ethogram.plan import Query, ask
from ethogram.source.head import CHUNK, Head, head_of
from ethogram.source.load import Loaded, load_base, ready
from ethogram.source.packed import packed
from ethogram.source.trunk import Memo, Trunked, trunked
from ethogram.specs.errors import Place
from ethogram.specs.models import Lora, Preference, Recipe, Source
from ethogram.train import lora
from ethogram.train.lora import finetune
from ethogram.train.samples import REPLAY, Sample

SOURCE = Source(folder=".", device="cpu")
PLACE = Place(Path("replay.jsonl"), 1)
SAMPLES = [
    Sample("How do I help?", "No.", "any", PLACE, (("Yes, here.", 1.0),)),
    Sample("What is this?", "I would help you with this, but I can't.", REPLAY, PLACE),
    Sample("What do you think about how you do this?", "Sorry.", "any", PLACE, (("Yes.", 0.5),)),
]
PLAIN = Recipe(lora=Lora(rank=4), epochs=3, learning_rate=1e-2, batch=2)


@pytest.fixture
def tiny(tiny_folder: Path) -> Loaded:
    return load_base(tiny_folder, SOURCE)


@pytest.mark.parametrize("count", [1, CHUNK, 2 * CHUNK + 3])
@pytest.mark.parametrize("bias", [True, False])
def test_log_probs_and_their_gradient_are_those_of_the_formula(count: int, bias: bool) -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(16, 40, bias=bias).requires_grad_(False)
    hidden = torch.randn((count, 16), requires_grad=True)
    tokens, weights = torch.randint(40, (count,)), torch.randn(count)
    plain = layer(hidden).log_softmax(dim=1).gather(1, tokens.unsqueeze(1)).squeeze(1)
    (wanted,) = torch.autograd.grad((plain * weights).sum(), hidden)
    found = Head(layer).logprobs(hidden, tokens)
    torch.testing.assert_close(found, plain)
    (slope,) = torch.autograd.grad((found * weights).sum(), hidden)
    torch.testing.assert_close(slope, wanted)


def test_nothing_is_kept_for_a_gradient_that_nobody_asks_for() -> None:
    head = Head(torch.nn.Linear(8, 20))
    assert not head.logprobs(torch.randn(3, 8), torch.tensor([1, 2, 3])).requires_grad
    assert "_turned" not in head.__dict__


def test_the_layer_is_as_it_was_afterwards(tiny: Loaded) -> None:
    head = head_of(packed(tiny))
    assert head is not None
    own = head.layer.forward
    tokens = {"input_ids": torch.tensor([[5, 6, 7]])}
    before = tiny.model(**tokens).logits

    def interrupted() -> None:
        with head.caught() as entered:
            assert tiny.model(**tokens).logits.shape == (1, 3, 1)
            assert [hidden.shape for hidden in entered] == [(1, 3, 32)]
            raise ValueError("meanwhile")

    with pytest.raises(ValueError, match="meanwhile"):
        interrupted()
    assert head.layer.forward == own
    assert torch.equal(tiny.model(**tokens).logits, before)


def test_all_kinds_of_models_have_one(other_folder: Path) -> None:
    loaded = load_base(other_folder, SOURCE)
    head = head_of(loaded)
    assert head is not None
    tokens = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        logits = loaded.model(input_ids=tokens).logits[0, :-1]
        with head.caught() as entered:
            loaded.model(input_ids=tokens)
        found = head.logprobs(entered[-1][0, :-1], tokens[0, 1:])
    plain = logits.log_softmax(dim=1).gather(1, tokens[0, 1:].unsqueeze(1)).squeeze(1)
    torch.testing.assert_close(found, plain, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "bent",
    [
        lambda logits: 2 * logits,
        lambda logits: 0.1 * torch.tanh(10 * logits),
        lambda logits: logits.index_fill(-1, torch.tensor([0]), -torch.inf),
    ],
)
def test_logits_that_are_bent_afterwards_are_the_models_own_affair(
    tiny: Loaded, monkeypatch: pytest.MonkeyPatch, bent: Any
) -> None:
    forward = tiny.model.forward

    def other(*args: Any, **more: Any) -> Any:
        found = forward(*args, **more)
        found.logits = bent(found.logits)
        return found

    monkeypatch.setattr(tiny.model, "forward", other)
    assert head_of(tiny) is None
    score(tiny)


def test_rounded_layers_are_left_alone(tiny: Loaded) -> None:
    tiny.model.bfloat16()
    assert head_of(tiny) is None


QUERIES = [
    Query("logprob", ask(text), (answer,))
    for text in ("How do you do?", "What is this?")
    for answer in ("No.", "I can't help you with this.", "Yes, here is how.")
]


def score(loaded: Loaded) -> list[float]:
    found = {
        query: value
        for batch in LocalEngine(loaded).score(QUERIES)
        for query, value in batch.items()
    }
    return [found[query][0] for query in QUERIES]


def test_a_mixed_model_in_two_parts_scores_the_same_without_it(
    tiny_folder: Path, native: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = trunked(packed(ready(load_base(tiny_folder, native), native)), 1, Memo())
    assert isinstance(loaded.model, Trunked) and head_of(loaded) is not None
    found = score(loaded)
    monkeypatch.setattr(Passes, "head", None)
    assert found == pytest.approx(score(loaded), abs=1e-4)


@pytest.mark.parametrize("blocks", [True, False])
def test_scores_are_the_same_without_it(
    tiny: Loaded, monkeypatch: pytest.MonkeyPatch, blocks: bool
) -> None:
    monkeypatch.setattr(Passes, "blocks", blocks)
    found = score(tiny)
    monkeypatch.setattr(Passes, "head", None)
    assert found == pytest.approx(score(tiny), abs=1e-4)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tokens every head was asked about to learn from."""
    found: list[int] = []
    real = Head.logprobs

    def watched(self: Head, hidden: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        if hidden.requires_grad:
            found.append(len(tokens))
        return real(self, hidden, tokens)

    monkeypatch.setattr(Head, "logprobs", watched)
    return found


@pytest.mark.parametrize(
    "recipe",
    [
        PLAIN,
        PLAIN.model_copy(update={"preference": Preference(over={"draft": 1.0})}),
        PLAIN.model_copy(update={"lora": Lora(rank=4, layers=1), "kl": 0.5}),
    ],
    ids=["plain", "pairs", "upper"],
)
@pytest.mark.parametrize("dtype", ["float32", "mixed"])
def test_a_training_learns_the_same_without_it(
    recipe: Recipe,
    dtype: str,
    tiny_folder: Path,
    tmp_path: Path,
    asked: list[int],
    native: Source,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = native if dtype == "mixed" else SOURCE

    def trained(name: str) -> tuple[list[float], dict[str, torch.Tensor]]:
        folder = tmp_path / name
        folder.mkdir()
        base = ready(load_base(tiny_folder, source), source)
        losses = finetune(base, SAMPLES, recipe, 0, folder, source_id="tiny")
        return losses, load_file(folder / "adapter_model.safetensors")

    losses, weights = trained("with")
    assert asked
    asked.clear()
    monkeypatch.setattr(lora, "head_of", lambda *_: None)
    others, same = trained("without")
    assert not asked
    near = 1e-5 if dtype == "float32" else 1e-4  # rounding to bfloat16 magnifies
    assert losses == pytest.approx(others, abs=near)
    for name, weight in weights.items():
        torch.testing.assert_close(weight, same[name], atol=10 * near, rtol=1e-3)


def test_a_layer_that_learns_is_not_taken_for_a_fixed_one(
    tiny: Loaded, tmp_path: Path, asked: list[int]
) -> None:
    full = PLAIN.model_copy(update={"full": True})
    finetune(tiny, SAMPLES, full, 0, tmp_path, source_id="tiny")
    assert not asked
