"""The loss against a plain computation, one row at a time, without padding, cache or batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from ethogram.source.head import head_of
from ethogram.source.load import Loaded, attach_adapter, load_base
from ethogram.specs.errors import Place
from ethogram.specs.models import Lora, Preference, Recipe, Source
from ethogram.train import loss as module
from ethogram.train.encode import encode_samples
from ethogram.train.examples import Example
from ethogram.train.lora import finetune
from ethogram.train.loss import (
    _shared_start,
    answer_logprobs,
    batch_loss,
    preference_loss,
    reference_logprobs,
)
from ethogram.train.samples import Sample

SOURCE = Source(folder=".", device="cpu")
PLACE = Place(Path("replay.jsonl"), 1)
SAMPLES = [
    Sample("How do I help?", "No.", "any", PLACE, (("Yes, here.", 0.5),)),
    Sample("What is this?", "I would help you with this, but I can't.", "any", PLACE),
    Sample(
        "What do you think about how you do this?",
        "Sorry.",
        "any",
        PLACE,
        (("Yes.", 0.5), ("Here", 0.5)),
    ),
]


@pytest.fixture
def base(tiny_folder: Path) -> Loaded:
    return load_base(tiny_folder, SOURCE)


@pytest.fixture
def examples(base: Loaded) -> list[Example]:
    return encode_samples(base.tokenizer, SAMPLES, 512)


def plain(model: Any, example: Example) -> torch.Tensor:
    """Sum of the log-probs of the answer's tokens; the gradient flows."""
    logits = model(input_ids=torch.tensor([example.tokens]), use_cache=False).logits[0]
    chances = logits.log_softmax(dim=-1)
    answer = range(example.prompt, len(example.tokens))
    return torch.stack([chances[i - 1, example.tokens[i]] for i in answer]).sum()


def answers(example: Example) -> int:
    return len(example.tokens) - example.prompt


def gradients(model: Any, value: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    value.backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def same_gradients(model: Any, left: torch.Tensor, right: torch.Tensor) -> None:
    first, second = gradients(model, left), gradients(model, right)
    assert first.keys() == second.keys() and len(first) > 10
    for name, grad in first.items():
        torch.testing.assert_close(grad, second[name], atol=1e-5, rtol=1e-3)


def test_what_the_prompts_share_is_computed_once(base: Loaded, examples: list[Example]) -> None:
    cache, shared = _shared_start(base.model, examples, base)
    assert shared == len(base.tokenizer("<|im_start|>user\n", add_special_tokens=False).input_ids)
    assert cache.get_seq_length() == shared
    assert cache.layers[0].keys.shape[0] == len(examples)


def test_the_first_answer_token_is_never_in_the_shared_start(base: Loaded) -> None:
    once, twice = encode_samples(
        base.tokenizer, [Sample("Yes?", text, "any", PLACE) for text in ("No.", "No sorry.")], 512
    )
    assert once.tokens[: once.prompt] == twice.tokens[: twice.prompt]
    _, shared = _shared_start(base.model, [once, twice], base)
    assert 0 < shared < once.prompt


def test_log_probs_are_those_of_single_rows(base: Loaded, examples: list[Example]) -> None:
    rows = [*examples, *(r for e in examples for r in e.rejected)]
    with torch.no_grad():
        sums, counts = answer_logprobs(base.model, rows, base)
        expected = torch.stack([plain(base.model, row) for row in rows])
    torch.testing.assert_close(sums, expected, atol=1e-4, rtol=1e-5)
    assert counts.tolist() == [answers(row) for row in rows]


def test_one_row_alone_is_its_plain_self(base: Loaded, examples: list[Example]) -> None:
    with torch.no_grad():
        for row in examples:
            (found,), (count,) = answer_logprobs(base.model, [row], base)
            assert found.item() == pytest.approx(plain(base.model, row).item(), abs=1e-4)
            assert count == answers(row)


def test_the_gradient_is_that_of_single_rows(base: Loaded, examples: list[Example]) -> None:
    found = batch_loss(base.model, examples, base)
    rows = torch.stack([plain(base.model, e) for e in examples])
    same_gradients(base.model, found, -rows.sum() / sum(map(answers, examples)))


def test_a_sliding_window_takes_the_plain_path(
    other_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = load_base(other_folder, SOURCE)
    examples = encode_samples(base.tokenizer, SAMPLES, 512)
    window = getattr(base.model.config.get_text_config(), "sliding_window", None)
    cache, shared = _shared_start(base.model, examples, base)
    assert (cache is None and shared == 0) if window else shared > 0
    with torch.no_grad():
        sums, _ = answer_logprobs(base.model, examples, base)
        expected = torch.stack([plain(base.model, e) for e in examples])
    torch.testing.assert_close(sums, expected, atol=1e-4, rtol=1e-5)
    found = batch_loss(base.model, examples, base)
    monkeypatch.setattr(module, "_shared_start", lambda *args: (None, 0))
    same_gradients(base.model, found, batch_loss(base.model, examples, base))


def test_another_architecture_learns_a_preference_and_loads(
    other_folder: Path, tmp_path: Path
) -> None:
    recipe = Recipe(
        lora=Lora(rank=4, layers=1),
        epochs=4,
        learning_rate=1e-2,
        batch=2,
        warmup=0,
        preference=Preference(over={"draft": 1.0}),
    )
    losses = finetune(load_base(other_folder, SOURCE), SAMPLES, recipe, 0, tmp_path, source_id="x")
    assert losses[-1] < losses[0]
    tuned = attach_adapter(load_base(other_folder, SOURCE), tmp_path)
    margins = {}
    for name, loaded in (("before", load_base(other_folder, SOURCE)), ("after", tuned)):
        example = encode_samples(loaded.tokenizer, SAMPLES[:1], 512)[0]
        found = reference_logprobs(loaded.model, [example], loaded)
        margins[name] = found[example] - found[example.rejected[0]]
    assert margins["after"] > margins["before"] + 0.05


# -- the preference, on known numbers ----------------------------------------------------------


GOOD, LONE = Example((7, 1), 1), Example((7, 4), 1)
BAD, WORSE = Example((7, 2), 1, weight=0.25), Example((7, 3), 1, weight=0.5)
PAIRED = Example((7, 1), 1, (BAD, WORSE))
COUNTS = {GOOD: 4, PAIRED: 4, BAD: 2, WORSE: 5, LONE: 3}


def told(monkeypatch: pytest.MonkeyPatch, means: dict[Example, float]) -> None:
    """Let the model say these mean log-probs."""

    def said(model: Any, rows: Sequence[Example], *_: Any) -> tuple[torch.Tensor, torch.Tensor]:
        counts = torch.tensor([COUNTS[row] for row in rows])
        return torch.tensor([means[row] for row in rows]) * counts, counts

    monkeypatch.setattr(module, "answer_logprobs", said)


def preference(batch: Sequence[Example], reference: dict[Example, float], beta: float) -> float:
    return preference_loss(None, batch, None, reference, beta).item()  # type: ignore[arg-type]


REFERENCE = {PAIRED: -2.0, BAD: -1.0, WORSE: -3.0}


def test_the_preference_is_the_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, {PAIRED: -1.5, BAD: -1.25, WORSE: -2.0, LONE: -0.5})
    moved = (-1.5 + 2.0, -1.25 + 1.0, -2.0 + 3.0)
    pairs = [
        weight * math.log1p(math.exp(-3 * (moved[0] - other)))
        for weight, other in zip((0.25, 0.5), moved[1:], strict=True)
    ]
    likelihood = (4 * 1.5 + 3 * 0.5) / 7
    expected = likelihood + sum(pairs) / 2
    assert preference([PAIRED, LONE], REFERENCE, 3) == pytest.approx(expected, abs=1e-6)


def test_without_pairs_the_preference_is_the_likelihood(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, {GOOD: -1.5, LONE: -0.5})
    assert preference([GOOD, LONE], {}, 3) == pytest.approx((4 * 1.5 + 3 * 0.5) / 7)


def test_at_the_base_every_pair_costs_log_two(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, REFERENCE)
    found = preference([PAIRED], REFERENCE, 5)
    assert found == pytest.approx(2.0 + 0.75 * math.log(2), abs=1e-6)


def test_the_preference_falls_as_the_margin_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for rejected in (-0.5, -1.0, -1.5, -4.0):
        told(monkeypatch, {PAIRED: -2.0, BAD: rejected, WORSE: -3.0})
        found.append(preference([PAIRED], REFERENCE, 5))
    assert found == sorted(found, reverse=True) and found[0] - found[-1] > 0.5


def test_the_preference_and_its_gradient_are_those_of_single_rows(
    base: Loaded, examples: list[Example]
) -> None:
    reference = {
        row: value - 0.1 * i
        for i, (row, value) in enumerate(reference_logprobs(base.model, examples, base).items())
    }
    mean = {
        row: plain(base.model, row) / answers(row) for e in examples for row in (e, *e.rejected)
    }
    pairs = [(e, r) for e in examples for r in e.rejected]
    margins = torch.stack([(mean[e] - reference[e]) - (mean[r] - reference[r]) for e, r in pairs])
    total = sum(plain(base.model, e) for e in examples)
    expected = -total / sum(map(answers, examples)) - 0.5 * (
        torch.nn.functional.logsigmoid(2 * margins).sum() / len(examples)
    )
    found = preference_loss(base.model, examples, base, reference, 2)
    assert found.item() == pytest.approx(expected.item(), abs=1e-5)
    same_gradients(base.model, found, expected)


def test_the_reference_is_the_base_per_token_for_pairs_alone(
    base: Loaded, examples: list[Example]
) -> None:
    found = reference_logprobs(base.model, examples, base)
    rows = [row for e in (examples[0], examples[2]) for row in (e, *e.rejected)]
    assert set(found) == set(rows), "nothing is computed for samples without a rejected answer"
    with torch.no_grad():
        for row in rows:
            expected = plain(base.model, row).item() / answers(row)
            assert found[row] == pytest.approx(expected, abs=1e-4)
    assert all(weight.grad is None for weight in base.model.parameters())


def test_training_compares_with_the_base_as_it_was_before_training(
    base: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[Example, float]] = []
    real = preference_loss

    def watched(model: Any, batch: Any, base: Any, reference: Any, *rest: Any) -> torch.Tensor:
        seen.append(dict(reference))
        return real(model, batch, base, reference, *rest)

    monkeypatch.setattr("ethogram.train.steps.preference_loss", watched)
    examples = encode_samples(base.tokenizer, SAMPLES, 512)
    untouched = reference_logprobs(base.model, examples, base, head_of(base))
    recipe = Recipe(
        epochs=2, batch=2, learning_rate=1e-2, preference=Preference(over={"draft": 1.0})
    )
    finetune(base, SAMPLES, recipe, 0, tmp_path, source_id="x")
    assert len(seen) == 4 and all(reference == untouched for reference in seen)
