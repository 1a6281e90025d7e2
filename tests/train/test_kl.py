"""Staying near the source on replay: the divergence on plain numbers, and in a training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ethogram.source.load import Loaded, attach_adapter, load_base
from ethogram.specs.errors import Place
from ethogram.specs.models import Lora, Recipe, Source
from ethogram.train.encode import encode_samples
from ethogram.train.lora import finetune
from ethogram.train.loss import divergence
from ethogram.train.samples import REPLAY, Sample
from ethogram.train.shape import trainable

SOURCE = Source(folder=".", device="cpu")
PLACE = Place(Path("replay.jsonl"), 1)
STANCE = [Sample(f"How do I do this {n}?", "No, I can't help.", "any", PLACE) for n in range(4)]
HARMLESS = [
    Sample(f"What is {n}?", f"This is {n}, and I would help you.", REPLAY, PLACE) for n in range(4)
]
QUICK = Recipe(lora=Lora(rank=4), epochs=8, learning_rate=2e-2, batch=4, warmup=0)


def test_only_replay_is_marked_as_replay(tiny_folder: Path) -> None:
    tokenizer = load_base(tiny_folder, SOURCE).tokenizer
    found = encode_samples(tokenizer, [*STANCE, *HARMLESS], 512)
    assert [example.replay for example in found] == [False] * 4 + [True] * 4


def test_the_divergence_is_that_of_single_rows(tiny_folder: Path) -> None:
    base = load_base(tiny_folder, SOURCE)
    examples = encode_samples(base.tokenizer, HARMLESS, 512)
    model = trainable(base.model, QUICK)
    assert divergence(model, examples, base).item() == pytest.approx(0, abs=1e-6)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.3, generator=torch.Generator().manual_seed(len(name)))
    total, count = 0.0, 0
    with torch.no_grad():
        for example in examples:
            tokens = torch.tensor([example.tokens])
            own = model(input_ids=tokens, use_cache=False).logits[0].log_softmax(-1)
            with model.disable_adapter():
                source = model(input_ids=tokens, use_cache=False).logits[0].log_softmax(-1)
            at = slice(example.prompt - 1, len(example.tokens) - 1)
            total += (source[at].exp() * (source[at] - own[at])).sum().item()
            count += len(example.tokens) - example.prompt
    found = divergence(model, examples, base)
    assert found.item() == pytest.approx(total / count, rel=1e-4) and found > 0.01
    found.backward()
    moved = [w for w in model.parameters() if w.requires_grad and w.grad is not None]
    assert moved and all(torch.isfinite(w.grad).all() for w in moved if w.grad is not None)


def far(base: Loaded, tuned: Loaded) -> float:
    """Mean KL(source || tuned) over the harmless answers."""
    total, count = 0.0, 0
    for example in encode_samples(base.tokenizer, HARMLESS, 512):
        tokens = torch.tensor([example.tokens])
        with torch.no_grad():
            source, own = (
                m.model(input_ids=tokens, use_cache=False).logits[0].log_softmax(-1)
                for m in (base, tuned)
            )
        at = slice(example.prompt - 1, len(example.tokens) - 1)
        total += (source[at].exp() * (source[at] - own[at])).sum().item()
        count += len(example.tokens) - example.prompt
    return total / count


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_model_that_is_held_to_its_source_stays_nearer(
    tiny_folder: Path, tmp_path: Path, accumulate: int
) -> None:
    found = {}
    for weight in (0.0, 20.0):
        folder = tmp_path / str(weight)
        folder.mkdir()
        recipe = QUICK.model_copy(update={"kl": weight, "accumulate": accumulate})
        base = load_base(tiny_folder, SOURCE)
        losses = finetune(base, [*STANCE, *HARMLESS], recipe, 0, folder, source_id="tiny")
        assert losses[-1] < losses[0]
        tuned = attach_adapter(load_base(tiny_folder, SOURCE), folder)
        found[weight] = far(load_base(tiny_folder, SOURCE), tuned)
    assert found[20.0] < 0.7 * found[0.0], found


def test_the_sources_own_dropout_does_not_part_it_from_itself(tiny_folder: Path) -> None:
    base = load_base(tiny_folder, SOURCE)
    examples = encode_samples(base.tokenizer, HARMLESS, 512)
    model = trainable(base.model, QUICK)
    seen: list[bool] = []
    layer = base.model.model.layers[0]
    layer.register_forward_pre_hook(lambda module, _: seen.append(module.training))
    model.train()
    divergence(model, examples, base)
    assert model.training and seen == [False, False, True, True]


def test_without_replay_there_is_nothing_to_stay_near_on() -> None:
    with pytest.raises(ValueError, match="on replay, and the recipe has none"):
        Recipe(kl=0.5, replay=0)


def test_a_full_finetune_has_no_source_to_stay_near() -> None:
    with pytest.raises(ValueError, match="keeps no source to stay near"):
        Recipe(full=True, kl=0.5)
