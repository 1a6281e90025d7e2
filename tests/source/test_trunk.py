"""Lower layers computed once: the same scores as the whole model's, and less work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ethogram.measure.engine import LocalEngine
from ethogram.measure.probes import choice
from ethogram.plan import Query, Value, ask
from ethogram.source import trunk as module
from ethogram.source.load import Loaded, attach_adapter, load_base
from ethogram.source.trunk import Memo, Trunked, trunked
from ethogram.specs.errors import Place
from ethogram.specs.models import Lora, Recipe, Source
from ethogram.train.lora import finetune
from ethogram.train.samples import Sample

SOURCE = Source(folder=".", device="cpu")
STORIES = ["You think about what this is.", "I can't help you with this, but how do you do?"]
QUERIES = [
    *(
        q
        for text in STORIES
        for q in choice(text, ["Yes here", "No", "I would"], [{}], text).queries
    ),
    *(Query("answer", ask(text), ("Yes", "No")) for text in STORIES),
    *(Query("generate", ask(text), ("6",)) for text in STORIES),
]


def score(loaded: Loaded, queries: list[Query] = QUERIES, **settings: int) -> dict[Query, Value]:
    engine = LocalEngine(loaded)
    for name, value in settings.items():
        setattr(engine, name, value)
    return {query: value for batch in engine.score(queries) for query, value in batch.items()}


def adapter(tiny_folder: Path, folder: Path, layers: int) -> Path:
    samples = [Sample(f"What is {n}?", f"It is {n}.", "any", Place(Path("x"), 1)) for n in range(4)]
    recipe = Recipe(
        lora=Lora(rank=4, layers=layers), epochs=8, learning_rate=5e-2, batch=4, warmup=0
    )
    folder.mkdir()
    finetune(load_base(tiny_folder, SOURCE), samples, recipe, 0, folder, source_id="tiny")
    return folder


def same(found: dict[Query, Value], expected: dict[Query, Value]) -> None:
    assert found.keys() == expected.keys()
    for query, value in expected.items():
        if query.kind == "generate":
            assert found[query] == value
        else:
            assert found[query] == pytest.approx(value, abs=1e-4), query


def test_an_adapted_model_takes_its_lower_layers_from_the_source(
    tiny_folder: Path, tmp_path: Path, lower: list[int]
) -> None:
    folder = adapter(tiny_folder, tmp_path / "upper", 1)

    def tuned() -> Loaded:
        return attach_adapter(load_base(tiny_folder, SOURCE), folder)

    assert (load_base(tiny_folder, SOURCE).shared, tuned().shared) == (2, 1)
    memo, scored = Memo(), QUERIES[:-2]
    base = trunked(load_base(tiny_folder, SOURCE), 1, memo)
    assert isinstance(base.model, Trunked)
    same(score(base), score(load_base(tiny_folder, SOURCE)))
    parts = trunked(tuned(), 1, memo)
    assert isinstance(parts.model, Trunked)
    before = len(lower)
    assert LocalEngine(parts).passes.blocks
    tried = len(lower) - before
    found = score(parts, scored)
    assert len(lower) == before + 2 * tried, "nothing below is computed again, but what is tried"
    whole = score(tuned())
    same(found, {query: whole[query] for query in scored})
    same(score(parts), whole)
    assert len(lower) > before, "what is generated differs from model to model"
    assert found[QUERIES[0]] != pytest.approx(score(base)[QUERIES[0]], abs=1e-3)


def test_other_batches_are_computed_anew(tiny_folder: Path, lower: list[int]) -> None:
    memo = Memo()
    expected = score(load_base(tiny_folder, SOURCE))
    for settings in ({}, {"prompts": 3}, {"tokens": 50}):
        same(score(trunked(load_base(tiny_folder, SOURCE), 1, memo), **settings), expected)
    fewer = len(memo.held)
    same(score(trunked(load_base(tiny_folder, SOURCE), 1, memo)), expected)
    assert len(memo.held) == fewer > 3


@pytest.mark.parametrize(
    ("first", "then"), [(slice(0, None), slice(6, 12)), (slice(6, 12), slice(0, None))]
)
def test_models_that_are_asked_other_things_first_share_what_is_alike(
    tiny_folder: Path, first: slice, then: slice
) -> None:
    """What the engine tries before its first batch is no part of that batch."""
    expected = score(load_base(tiny_folder, SOURCE))
    memo = Memo()
    for part in (first, then):
        found = score(trunked(load_base(tiny_folder, SOURCE), 1, memo), QUERIES[part])
        same(found, {query: expected[query] for query in QUERIES[part]})


def test_answers_as_long_as_what_is_tried_are_not_taken_for_it(tiny_folder: Path) -> None:
    prompt = ask("Yes?")
    one, other = (Query("logprob", prompt, (text,)) for text in ("No.", "Sorry, but I can't help"))
    expected = score(load_base(tiny_folder, SOURCE), [one, other])
    memo = Memo()
    score(trunked(load_base(tiny_folder, SOURCE), 1, memo), [other])
    same(score(trunked(load_base(tiny_folder, SOURCE), 1, memo), [one, other]), expected)
    same(score(trunked(load_base(tiny_folder, SOURCE), 1, memo), [other]), {other: expected[other]})


def test_out_of_memory_lets_go_of_what_was_kept(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memo = Memo()
    expected = score(trunked(load_base(tiny_folder, SOURCE), 1, memo))
    assert memo.held
    loaded = trunked(load_base(tiny_folder, SOURCE), 1, memo)
    engine = LocalEngine(loaded)
    real, failed = engine._logprobs, [False]

    def once(batch: Any) -> Any:
        if not failed[0]:
            failed[0] = True
            raise torch.OutOfMemoryError("out")
        return real(batch)

    monkeypatch.setattr(engine, "_logprobs", once)
    found = {q: v for batch in engine.score(QUERIES[:12]) for q, v in batch.items()}
    same(found, {query: expected[query] for query in QUERIES[:12]})
    assert memo.held == {} and memo.free == 0


def test_what_does_not_fit_is_computed_for_every_model(tiny_folder: Path, lower: list[int]) -> None:
    memo = Memo(free=0)
    expected = score(load_base(tiny_folder, SOURCE))
    for _ in range(2):
        before = len(lower)
        same(score(trunked(load_base(tiny_folder, SOURCE), 1, memo)), expected)
        assert len(lower) > before + 3
    assert memo.held == {}


def test_a_batch_that_failed_is_not_kept(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memo = Memo()
    loaded = trunked(load_base(tiny_folder, SOURCE), 1, memo)
    monkeypatch.setattr(
        "ethogram.measure.passes._picked", lambda *_: (_ for _ in ()).throw(ValueError("broken"))
    )
    with pytest.raises(ValueError, match="broken"):
        score(loaded, QUERIES[:6])
    assert memo.held == {}


@pytest.mark.parametrize("depth", [0, 2, 5])
def test_there_are_two_parts_or_none(tiny_folder: Path, depth: int) -> None:
    loaded = load_base(tiny_folder, SOURCE)
    assert trunked(loaded, depth, Memo()) is loaded


def test_a_model_whose_lower_layers_are_adapted_shares_none(
    tiny_folder: Path, tmp_path: Path
) -> None:
    folder = adapter(tiny_folder, tmp_path / "all", 2)
    loaded = attach_adapter(load_base(tiny_folder, SOURCE), folder)
    assert loaded.shared == 0
    assert trunked(loaded, 1, Memo()) is loaded


def test_a_model_that_cannot_be_parted_is_left_as_it_was(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = score(load_base(tiny_folder, SOURCE))
    parted = module._parted

    def scaled(model: Any, depth: int) -> tuple[Any, Any]:
        below, above = parted(model, depth)
        below.norm = torch.nn.Linear(32, 32)
        return below, above

    monkeypatch.setattr(module, "_parted", scaled)
    loaded = load_base(tiny_folder, SOURCE)
    assert trunked(loaded, 1, Memo()) is loaded
    same(score(loaded), expected)


def test_every_other_architecture_is_parted_or_left_whole(other_folder: Path) -> None:
    expected = score(load_base(other_folder, SOURCE))
    layers = load_base(other_folder, SOURCE).shared
    same(score(trunked(load_base(other_folder, SOURCE), layers // 2, Memo())), expected)


def test_mixed_products_are_mixed_in_both_parts(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ethogram.source.precision.native_bfloat16", lambda: True)
    from ethogram.source.load import ready

    mixed = SOURCE.model_copy(update={"dtype": "mixed"})
    whole = score(ready(load_base(tiny_folder, mixed), mixed), QUERIES[:6])
    loaded = trunked(ready(load_base(tiny_folder, mixed), mixed), 1, Memo())
    assert isinstance(loaded.model, Trunked)
    for query, value in score(loaded, QUERIES[:6]).items():
        assert value == pytest.approx(whole[query], abs=0.05)
