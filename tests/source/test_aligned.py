"""Attention in bfloat16 that gives a token the same bits in every batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import AttentionInterface, DynamicCache

from ethogram.measure.engine import LocalEngine
from ethogram.measure.probes import choice
from ethogram.plan import Query, Value, ask
from ethogram.source import aligned as module
from ethogram.source.aligned import BLOCK, QUERIES, aligned, attention, sizes
from ethogram.source.load import ALIGNED, Loaded, cached, load_base, ready, sees_all
from ethogram.source.precision import native_bfloat16
from ethogram.source.reading import to_read
from ethogram.source.trunk import Memo, Trunked, trunked
from ethogram.specs.models import Source

SOURCE = Source(folder=".", device="cpu")
SCALE = 0.4
"""Of the scores; not what torch takes where it is told none."""
TOPICS = [
    "a dog",
    "the bridge that the town has wanted for years",
    "rain",
    "an old friend's letter",
]
QUERIES_OF_ALL_KINDS = [
    *(
        query
        for topic in TOPICS
        for query in choice(
            f"What do you make of {topic}?",
            [f"I like {topic}.", "Nothing at all, I am afraid."],
            [{}],
            topic,
        ).queries
    ),
    *(Query("answer", ask(f"Is {topic} good?"), ("Yes", "No")) for topic in TOPICS),
    *(Query("generate", ask(f"Tell me about {topic}."), ("8",)) for topic in TOPICS),
]


@pytest.fixture
def threads() -> Iterator[None]:
    """Afterwards there are as many as before."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def mixed(folder: Path, source: Source) -> Loaded:
    return to_read(load_base(folder, source), source)


def score(
    loaded: Loaded, tokens: int, prompts: int, threads: int, step: int = 1
) -> dict[Query, Value]:
    torch.set_num_threads(threads)
    engine = LocalEngine(loaded)
    engine.tokens, engine.prompts = tokens, prompts
    asked = QUERIES_OF_ALL_KINDS[::step]
    return {query: value for batch in engine.score(asked) for query, value in batch.items()}


@pytest.mark.skipif(
    not native_bfloat16(), reason="what was measured of other processors is nothing"
)
def test_the_embedded_model_gives_the_same_bits_in_every_batch(
    embedded: Path, native: Source, threads: None
) -> None:
    loaded = mixed(embedded, native)
    usual = score(loaded, 2048, 64, 2)
    assert score(loaded, 512, 3, 1, -1) == usual
    assert score(loaded, 4096, 1, 2) == usual
    memo = Memo()
    for _ in range(2):
        part = trunked(mixed(embedded, native), 15, memo)
        assert isinstance(part.model, Trunked)
        assert score(part, 2048, 64, 2) == usual
        assert memo.held, "and the second reads what the first has kept"


def test_the_tiny_model_says_in_it_what_it_says_without(
    tiny_folder: Path, native: Source, threads: None
) -> None:
    plain = ready(load_base(tiny_folder, native), native)
    before = score(plain, 2048, 64, 1)
    model = mixed(tiny_folder, native)
    assert model.model.config._attn_implementation == ALIGNED
    assert sees_all(model.model)
    after = score(model, 2048, 64, 1)
    for query, value in before.items():
        if query.kind != "generate":
            assert after[query] == pytest.approx(value, abs=0.1), query


def random_pass(
    rows: int, tokens: int, keys: int, heads: int = 6, kept: int = 2, size: int = 16
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(rows + tokens + keys)
    return (
        torch.randn((rows, heads, tokens, size), generator=chance).bfloat16(),
        torch.randn((rows, kept, keys, size), generator=chance).bfloat16(),
        torch.randn((rows, kept, keys, size), generator=chance).bfloat16(),
    )


def expected(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, seen: torch.Tensor
) -> torch.Tensor:
    """By the formula, in float32: (rows, tokens, heads, size)."""
    times = query.shape[1] // key.shape[1]
    key, value = (kept.float().repeat_interleave(times, dim=1) for kept in (key, value))
    scores = query.float() @ key.transpose(2, 3) * SCALE
    chances = scores.masked_fill(~seen, -torch.inf).softmax(dim=-1)
    return (chances @ value).transpose(1, 2)


@pytest.mark.parametrize("tokens", [1, 2, 9, 33])
@pytest.mark.parametrize("masked", ["not", "bool", "numbers"])
def test_it_is_attention(tokens: int, masked: str) -> None:
    keys = 70
    query, key, value = random_pass(3, tokens, keys)
    seen = torch.ones((3, 1, tokens, keys), dtype=torch.bool).tril(keys - tokens)
    given = None
    if masked != "not":
        seen[1, :, :, :21] = False  # padding before what is real
        seen[2, :, :, 30:40] = False  # and between
        given = (
            seen if masked == "bool" else torch.zeros(seen.shape).masked_fill(~seen, -1e38 * 3.4)
        )
    with torch.inference_mode():
        found, _ = attention(None, query, key, value, given, scaling=SCALE)
    assert found.shape == (3, tokens, 6, 16)
    assert found.is_contiguous()
    torch.testing.assert_close(
        found.float(), expected(query, key, value, seen), atol=0.03, rtol=0.03
    )


def test_padding_before_a_row_changes_no_bit() -> None:
    query, key, value = random_pass(2, 12, 40)
    with torch.inference_mode():
        alone, _ = attention(None, query, key, value, None, scaling=SCALE)
        more = 7
        wide = [torch.nn.functional.pad(kept, (0, 0, more, 0), value=3.0) for kept in (key, value)]
        seen = torch.ones((2, 1, 12, 40), dtype=torch.bool).tril(28)
        seen = torch.nn.functional.pad(seen, (more, 0), value=False)
        padded, _ = attention(None, query, *wide, seen, scaling=SCALE)
    assert torch.equal(alone, padded)


def test_two_passes_with_masks_of_one_shape_have_a_layout_each() -> None:
    query, key, value = random_pass(1, 4, 20)
    seen = torch.ones((1, 1, 4, 20), dtype=torch.bool)
    other = seen.clone()
    other[..., :10] = False
    with torch.inference_mode():
        for mask in (seen, other, seen):
            found, _ = attention(None, query, key, value, mask, scaling=SCALE)
            wanted = expected(query, key, value, mask)
            torch.testing.assert_close(found.float(), wanted, atol=0.03, rtol=0.03)


def test_numbers_of_slots_are_those_that_multiply_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    known = sizes(16)
    assert known[-1] == BLOCK
    assert set(known) <= set(range(64, BLOCK + 1, 64))
    real = module._padded

    def odd(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, slots: int
    ) -> torch.Tensor:
        return real(query, key, value, slots) + (slots in (64, 256))

    monkeypatch.setattr(module, "_padded", odd)
    sizes.cache_clear()
    try:
        assert not {64, 256} & set(sizes(16))
        assert module._slots(1, 16) == min(sizes(16))
        assert module._slots(BLOCK, 16) == BLOCK
        assert module._slots(BLOCK + 1, 16) == BLOCK + min(sizes(16))
    finally:
        sizes.cache_clear()


def test_other_models_keep_their_attention(
    tiny_folder: Path, native: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = aligned(load_base(tiny_folder, SOURCE))
    assert whole.model.config._attn_implementation == "sdpa"
    eager = ready(load_base(tiny_folder, native), native)
    eager.model.set_attn_implementation("eager")
    assert aligned(eager).model.config._attn_implementation == "eager"
    window = ready(load_base(tiny_folder, native), native)
    monkeypatch.setattr(window.model.config, "sliding_window", 4, raising=False)
    assert aligned(window).model.config._attn_implementation == "sdpa"


def test_a_model_in_which_it_comes_to_something_else_keeps_its_own(
    tiny_folder: Path, native: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(*asked: object, **more: object) -> tuple[torch.Tensor, None]:
        made, _ = attention(*asked, **more)  # type: ignore[arg-type]
        return made * 2, None

    def broken(*_: object, **__: object) -> tuple[torch.Tensor, None]:
        raise ValueError("not like this")

    for wrong in (other, broken):
        with monkeypatch.context() as patch:
            patch.setattr(module, "attention", wrong)
            found = mixed(tiny_folder, native)
        assert found.model.config._attn_implementation == "sdpa"
        assert AttentionInterface()[ALIGNED] is wrong, "what was put there to try is gone"
        AttentionInterface.register(ALIGNED, attention)
        assert torch.isfinite(found.model(input_ids=torch.arange(5, 9)[None]).logits).all()


def test_a_model_with_a_layer_that_sees_what_comes_after_keeps_its_own(
    tiny_folder: Path, native: Source
) -> None:
    loaded = ready(load_base(tiny_folder, native), native)
    loaded.model.model.layers[-1].self_attn.is_causal = False
    assert aligned(loaded).model.config._attn_implementation == "sdpa"


def test_a_model_whose_passes_all_go_to_transformers_keeps_its_own(
    tiny_folder: Path, native: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_plain", lambda *_: False)
    assert mixed(tiny_folder, native).model.config._attn_implementation == "sdpa"


def test_what_is_no_plain_pass_in_bfloat16_goes_to_transformers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[torch.dtype] = []

    def own(
        _module: object, query: torch.Tensor, *_: object, **__: object
    ) -> tuple[torch.Tensor, None]:
        asked.append(query.dtype)
        return query, None

    monkeypatch.setattr(module, "sdpa_attention_forward", own)
    query, key, value = random_pass(1, 2, 4)
    attention(None, query, key, value, None)  # where gradients flow
    with torch.inference_mode():
        attention(None, query.float(), key.float(), value.float(), None)
        assert asked == [torch.bfloat16, torch.float32]
        with torch.autocast("cpu", torch.bfloat16):
            found, _ = attention(None, query.float(), key, value, None, scaling=SCALE)
    assert found.dtype == torch.bfloat16
    assert len(asked) == 2


def test_a_mask_with_weights_of_its_own_is_refused() -> None:
    query, key, value = random_pass(1, 4, 4)
    weights = torch.zeros((1, 1, 4, 4)) - 0.5
    with torch.inference_mode(), pytest.raises(ValueError, match="no layout"):
        attention(None, query, key, value, weights)


def test_queries_are_padded_to_whole_groups(threads: None) -> None:
    query, key, _ = random_pass(1, QUERIES + 1, 20)
    seen = torch.ones((1, 1, QUERIES + 1, 20), dtype=torch.bool)
    for number, wanted in ((1, 2 * QUERIES), (2, 2 * QUERIES), (5, 3 * QUERIES), (8, 32)):
        torch.set_num_threads(number)
        assert module.Layout.by(seen, query, key).mask.shape[2] == wanted


def test_a_cache_is_read_as_it_grows(tiny_folder: Path, native: Source) -> None:
    loaded = mixed(tiny_folder, native)
    tokens = torch.arange(5, 25).reshape(1, 20)
    with torch.inference_mode():
        whole = loaded.model(input_ids=tokens).logits[:, -1]
        cache = DynamicCache(config=loaded.model.config)
        for start, end in ((0, 9), (9, 18), (18, 20)):
            found = loaded.model(
                input_ids=tokens[:, start:end],
                attention_mask=torch.ones_like(tokens[:, :end]),
                position_ids=torch.arange(start, end)[None],
                **cached(loaded.model, cache),
            ).logits[:, -1]
    torch.testing.assert_close(found, whole, atol=0.05, rtol=0)
