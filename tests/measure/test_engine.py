"""The batched engine against a plain forward pass, one sequence at a time (fault 14, pitfall 9)."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ethogram.measure.engine import EngineError, LocalEngine, Prompt, _ordered
from ethogram.measure.passes import Passes
from ethogram.measure.probes import choice
from ethogram.measure.shared import Shared
from ethogram.plan import Messages, Query, Value, ask
from ethogram.source.load import Loaded, attach_adapter, load_base
from ethogram.specs.errors import Place
from ethogram.specs.models import Lora, Recipe, Source
from ethogram.train.lora import finetune
from ethogram.train.samples import Sample

SOURCE = Source(folder=".", device="cpu")
CLOSE = 1e-4
PROMPTS = [
    ask("Yes?"),
    ask("How do I help you with this?"),
    ask("What do you think about a question that is much longer than all of the others here?"),
    (("system", "I can't help."), ("user", "What?")),
    (("user", "Yes"), ("assistant", "No"), ("user", "Are you sure?")),
]
ANSWERS = ["No", "I would help you with this.", "Sorry, but I can't think about what this is.", "Y"]


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> Loaded:
    return load_base(tiny_folder, SOURCE)


def score(loaded: Loaded, queries: Sequence[Query], **settings: int) -> dict[Query, Value]:
    engine = LocalEngine(loaded)
    for name, value in settings.items():
        setattr(engine, name, value)
    found: dict[Query, Value] = {}
    for batch in engine.score(queries):
        assert not set(batch) & set(found), "every query comes once"
        found.update(batch)
    assert set(found) == set(queries)
    return found


# -- what it should be: no batch, no cache, no padding ---------------------------------------


def rendered(loaded: Loaded, messages: Messages) -> list[int]:
    turns = [{"role": role, "content": content} for role, content in messages]
    text = loaded.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    tokens: list[int] = loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
    return tokens


def chances(loaded: Loaded, tokens: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        logits = loaded.model(input_ids=torch.tensor([tokens]), use_cache=False).logits[0]
    return logits.double().log_softmax(dim=-1)


def plain(loaded: Loaded, query: Query) -> Any:
    prompt = rendered(loaded, query.messages)
    if query.kind == "logprob":
        answer = loaded.tokenizer(query.target[0], add_special_tokens=False)["input_ids"]
        found = chances(loaded, [*prompt, *answer])
        sums = sum(found[len(prompt) + i - 1, t].item() for i, t in enumerate(answer))
        return [sums, len(answer)]
    if query.kind == "answer":
        last = chances(loaded, prompt)[-1].exp()
        return [
            sum(last[token].item() for token in variants(loaded, word)) for word in query.target
        ]
    made: list[int] = []
    while len(made) < int(query.target[0]):
        token = int(chances(loaded, [*prompt, *made])[-1].argmax())
        if token == loaded.tokenizer.eos_token_id:
            break
        made.append(token)
    return loaded.tokenizer.decode(made, skip_special_tokens=True)


def variants(loaded: Loaded, word: str) -> set[int]:
    spelled = [s + w for s in ("", " ") for w in (word.lower(), word.upper(), word.title())]
    coded = [loaded.tokenizer(text, add_special_tokens=False)["input_ids"] for text in spelled]
    return {tokens[0] for tokens in coded if len(tokens) == 1}


def logprobs(prompts: Sequence[Messages] = PROMPTS) -> list[Query]:
    """Every prompt with one to four continuations."""
    return [
        Query("logprob", messages, (answer,))
        for i, messages in enumerate(prompts)
        for answer in ANSWERS[: i % 4 + 1]
    ]


def check(loaded: Loaded, queries: Sequence[Query], **settings: int) -> None:
    for query, value in score(loaded, queries, **settings).items():
        expected = plain(loaded, query)
        if query.kind == "answer":
            value = torch.tensor(value, dtype=torch.float64).exp().tolist()
        if query.kind != "generate":
            expected = pytest.approx(expected, abs=CLOSE)
        assert value == expected, query


# -- the engine is that ----------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 64])
def test_log_probs_are_those_of_a_plain_forward_pass(tiny: Loaded, limit: int) -> None:
    check(tiny, logprobs(), prompts=limit)


@pytest.mark.parametrize("limit", [1, 3, 64])
def test_answer_probabilities_are_those_of_a_plain_forward_pass(tiny: Loaded, limit: int) -> None:
    queries = [Query("answer", messages, ("Yes", "No")) for messages in PROMPTS]
    check(tiny, queries, prompts=limit)


@pytest.mark.parametrize("limit", [1, 3, 64])
def test_greedy_text_is_that_of_a_plain_loop(tiny: Loaded, limit: int) -> None:
    queries = [Query("generate", m, (tokens,)) for m in PROMPTS for tokens in ("1", "12")]
    check(tiny, queries, prompts=limit)


TEXT = st.text(alphabet="YesNohlp Iwudyth'cn?.", min_size=1, max_size=60)
ANSWER = st.text(alphabet="YesNohlpIwudyth'cn", min_size=1, max_size=20)


@settings(max_examples=25, deadline=None)
@given(
    asked=st.lists(st.tuples(TEXT, ANSWER), min_size=1, max_size=8, unique=True),
    tokens=st.sampled_from([40, 200, 3072]),
)
def test_any_batch_is_scored_as_if_each_query_were_alone(
    tiny: Loaded, asked: list[tuple[str, str]], tokens: int
) -> None:
    queries = [Query("logprob", ask(prompt), (answer,)) for prompt, answer in asked]
    check(tiny, queries, tokens=tokens)


def test_order_and_batch_size_do_not_matter(tiny: Loaded) -> None:
    queries = [*logprobs(), *(Query("answer", m, ("Yes", "No")) for m in PROMPTS)]
    first = score(tiny, queries)
    mixed = random.Random(1).sample(queries, len(queries))
    for again in (score(tiny, mixed), score(tiny, mixed, prompts=2), score(tiny, mixed, tokens=60)):
        for query in queries:
            assert again[query] == pytest.approx(first[query], abs=CLOSE)


def test_samples_are_drawn_by_the_models_own_chances(tiny: Loaded) -> None:
    query = Query("sample", ask("Yes?"), ("1", "600"))
    ((drawn,),) = [list(found.values()) for found in LocalEngine(tiny).score([query])]
    assert isinstance(drawn, list) and len(drawn) == 600
    (batch,) = LocalEngine(tiny).score([Query("answer", query.messages, ("Yes", "No"))])
    (chances,) = batch.values()
    for word, chance in zip(("yes", "no"), chances, strict=True):
        share = sum(str(text).strip().lower() == word for text in drawn) / 600
        assert share == pytest.approx(math.exp(float(chance)), abs=0.03)


def test_samples_are_the_same_in_any_company(tiny: Loaded) -> None:
    queries = [Query("sample", ask(text), ("3", "5")) for text in ("Yes?", "No?", "What now?")]
    together = {q: v for found in LocalEngine(tiny).score(queries) for q, v in found.items()}
    for query in queries:
        assert list(LocalEngine(tiny).score([query])) == [{query: together[query]}]
    assert len({str(value) for value in together.values()}) == 3


def test_all_forms_of_a_word_count_as_the_answer(tiny: Loaded) -> None:
    assert len(variants(tiny, "Yes")) > 1, "or the test shows nothing"
    query = Query("answer", PROMPTS[0], ("Yes",))
    last = chances(tiny, rendered(tiny, PROMPTS[0]))[-1].exp()
    single = max(last[token].item() for token in variants(tiny, "Yes"))
    (value,) = score(tiny, [query])[query]
    assert torch.tensor(value).exp() > single


def test_nothing_to_ask_is_nothing(tiny: Loaded) -> None:
    assert list(LocalEngine(tiny).score([])) == []


def test_what_cannot_be_asked_is_an_error(tiny: Loaded) -> None:
    with pytest.raises(EngineError, match="has no tokens"):
        score(tiny, [Query("logprob", PROMPTS[0], ("",))])
    with pytest.raises(EngineError, match="no variant of 'xylophone'"):
        score(tiny, [Query("answer", PROMPTS[0], ("xylophone",))])


def test_prompts_come_in_batches_of_the_given_size(tiny: Loaded) -> None:
    queries = [Query("logprob", ask(f"Question {n}?"), ("No",)) for n in range(10)]
    engine = LocalEngine(tiny)
    engine.prompts = 4
    assert [len(batch) for batch in engine.score(queries)] == [4, 4, 2]


# -- what is computed ------------------------------------------------------------------------


def orders(text: str, options: Sequence[str]) -> list[Query]:
    """What a scenario asks: every option after every order of the options."""
    return list(choice(text, options, [{}], text).queries)


def computed(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch, queries: Sequence[Query], **settings: int
) -> tuple[int, int]:
    """(batches, tokens that went through the model)."""
    tokens, forward = 0, loaded.model.forward

    def counted(*args: Any, **more: Any) -> Any:
        nonlocal tokens
        tokens += more["input_ids"].numel()
        return forward(*args, **more)

    engine = LocalEngine(loaded)
    for name, value in settings.items():
        setattr(engine, name, value)
    with monkeypatch.context() as patch:
        patch.setattr(loaded.model, "forward", counted)
        batches = len(list(engine.score(queries)))
    return batches, tokens


STORY = "You do this " + "with a question about how you would help, " * 6 + "what do you think?"
OPTIONS = ["Yes here", "No sorry", "I would help you with this"]


def test_a_scenarios_text_is_computed_once_for_all_orders(
    tiny: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = orders(STORY, OPTIONS)
    prompts = {query.messages for query in queries}
    assert len(prompts) == 6
    rows = [rendered(tiny, messages) for messages in prompts]
    story = len(rendered(tiny, ask(STORY)))
    batches, tokens = computed(tiny, monkeypatch, queries)
    alone = sum(map(len, rows))
    assert batches == 1
    assert tokens < alone - 4 * story, "six prompts, and the story not six times"
    answers = computed(tiny, monkeypatch, queries, prompts=1)
    assert answers[0] == 6
    assert tokens < answers[1] - 4 * story
    continued = tokens - Shared.by(sorted(rows)).computed
    assert 0 <= continued < len(queries) * 8, "beside the prompts only the options' own tokens"


def test_scenarios_in_one_batch_are_computed_once_each(
    tiny: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    stories = [f"{n} {'no yes I you' * 40} {n}" for n in (1, 2, 3)]
    queries = [query for story in stories for query in orders(story, OPTIONS)]
    mixed = random.Random(0).sample(queries, len(queries))
    batches, tokens = computed(tiny, monkeypatch, mixed)
    each = [computed(tiny, monkeypatch, orders(story, OPTIONS)) for story in stories]
    assert [number for number, _ in each] == [1, 1, 1]
    assert batches == 1
    assert tokens <= sum(count for _, count in each), "no story is computed six times"
    check(tiny, mixed[:6])
    check(tiny, queries[::5], tokens=400)


@pytest.mark.parametrize("blocks", [True, False])
def test_answers_side_by_side_are_scored_as_if_each_were_alone(tiny: Loaded, blocks: bool) -> None:
    engine = LocalEngine(tiny)
    engine.passes.__dict__["blocks"] = blocks
    queries = [*logprobs(), *orders(STORY, OPTIONS)]
    found = {query: value for batch in engine.score(queries) for query, value in batch.items()}
    for query, value in found.items():
        assert value == pytest.approx(plain(tiny, query), abs=CLOSE)


def test_answers_share_a_row_only_where_the_model_keeps_them_apart(
    tiny: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Passes(tiny).blocks
    with monkeypatch.context() as patch:
        patch.setattr(tiny.model.config, "_attn_implementation", "flash_attention_2")
        assert not Passes(tiny).blocks
    with monkeypatch.context() as patch:
        patch.setattr(tiny.model.config, "sliding_window", 4, raising=False)
        assert not Passes(tiny).blocks

    def open_to_all(mask: torch.Tensor, number: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        lanes, new = number.shape
        return torch.zeros((lanes, 1, new, mask.shape[1] + new), dtype=dtype)

    monkeypatch.setattr("ethogram.measure.passes._blocks", open_to_all)
    assert not Passes(tiny).blocks, "an answer saw the other one"
    check(tiny, logprobs())


def test_short_questions_stand_together_although_they_share_little(
    tiny: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = [Query("logprob", ask(f"{word}?"), ("No",)) for word in ("Yes", "No", "what", "how")]
    assert computed(tiny, monkeypatch, queries)[0] == 1


def test_long_prompts_stand_beside_long_ones_and_those_of_a_scenario_together() -> None:
    def prompt(*tokens: int) -> Prompt:
        return Prompt([1, *tokens], [[7], [8]], [])

    lone = [prompt(start, *range(100, 100 + size)) for start, size in enumerate((9, 3, 30, 5), 20)]
    story = [prompt(50, *range(200, 240), *order) for order in ((1, 2, 3), (2, 1), (3, 2, 1, 1))]
    other = prompt(51, *range(300, 341))
    three = Prompt([1, 2], [[7], [8], [9]], [])
    prompts = [three, other, *story, *lone]
    found = _ordered(random.Random(0).sample(prompts, len(prompts)))
    sizes = [len(made.tokens) for made in found]
    assert found[-1] is three, "equally many answers after all of a batch"
    assert sizes[:4] == [5, 7, 11, 32]
    assert found[4] is other
    assert found[5:8] == [story[1], story[0], story[2]]
    odd = prompt()
    assert _ordered([*prompts, odd])[1:] == found, "one that begins otherwise changes nothing"


def test_a_batch_stays_within_its_tokens(tiny: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    queries = orders(STORY, OPTIONS)
    one = max(len(rendered(tiny, query.messages)) for query in queries)
    assert computed(tiny, monkeypatch, queries, tokens=one)[0] > 1


# -- out of memory ---------------------------------------------------------------------------


CPU_SAYS = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("logprob", torch.OutOfMemoryError("CUDA out of memory")),
        ("answer", MemoryError()),
        ("generate", RuntimeError(CPU_SAYS)),
    ],
)
def test_out_of_memory_halves_the_batch_with_a_notice(
    tiny: Loaded, monkeypatch: pytest.MonkeyPatch, kind: str, error: Exception
) -> None:
    target = {"logprob": ("No",), "answer": ("Yes", "No"), "generate": ("3",)}[kind]
    queries = [Query(kind, ask(f"Question {n}?"), target) for n in range(5)]  # type: ignore[arg-type]
    expected = score(tiny, queries)
    said: list[str] = []
    engine = LocalEngine(tiny, said.append)
    sizes = limit_batches(monkeypatch, engine, kind, 2, error)
    found = {query: value for batch in engine.score(queries) for query, value in batch.items()}
    assert sizes == [5, 2, 3, 1, 2]
    assert said == [f"out of memory: batches halved to {n}" for n in ("2 prompts", "1 prompt")]
    assert engine.prompts <= 2 and set(found) == set(queries)
    for query in queries:
        if kind == "generate":
            assert found[query] == expected[query]
        else:
            assert found[query] == pytest.approx(expected[query], abs=CLOSE)


def limit_batches(
    monkeypatch: pytest.MonkeyPatch, engine: LocalEngine, kind: str, most: int, error: Exception
) -> list[int]:
    """Let batches above `most` fail; returns the list of the sizes tried."""
    run: Callable[[list[Any]], dict[Query, Value]] = getattr(engine, f"_{kind}_batch")
    sizes: list[int] = []

    def limited(batch: list[Any]) -> dict[Query, Value]:
        sizes.append(len(batch))
        if len(batch) > most:
            raise error
        return run(batch)

    monkeypatch.setattr(engine, f"_{kind}_batch", limited)
    return sizes


def test_later_batches_stay_small_after_out_of_memory(
    tiny: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = LocalEngine(tiny)
    engine.prompts = 4
    sizes = limit_batches(monkeypatch, engine, "logprob", 2, torch.OutOfMemoryError("out"))
    queries = [Query("logprob", ask(f"Question {n}?"), ("No",)) for n in range(10)]
    assert sum(len(batch) for batch in engine.score(queries)) == 10
    assert sizes == [4, 2, 2, 2, 2, 2]


def test_one_prompt_that_does_not_fit_is_an_error(
    tiny: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = LocalEngine(tiny)
    limit_batches(monkeypatch, engine, "logprob", 0, torch.OutOfMemoryError("too big"))
    with pytest.raises(torch.OutOfMemoryError, match="too big"):
        list(engine.score(logprobs()))


def test_another_error_is_not_taken_for_out_of_memory(
    tiny: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = LocalEngine(tiny)
    sizes = limit_batches(monkeypatch, engine, "logprob", 0, RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        list(engine.score(logprobs()))
    assert len(sizes) == 1


# -- the real model --------------------------------------------------------------------------


def test_the_embedded_model_prefers_what_is_plausible(embedded: Path) -> None:
    loaded = load_base(embedded, SOURCE)
    france = ask("What is the capital of France?")
    right, wrong = (
        Query("logprob", france, (f"The capital of France is {city}.",))
        for city in ("Paris", "Turnip")
    )
    sky = Query("answer", ask("Is the sky blue? Answer with Yes or No only."), ("Yes", "No"))
    text = Query("generate", france, ("12",))
    queries = [right, wrong, sky, text, *logprobs(PROMPTS[:2])]
    check(loaded, queries)
    found = score(loaded, queries)
    assert float(found[right][0]) > float(found[wrong][0]) + 3
    assert "Paris" in str(found[text])
    yes, no = torch.tensor(found[sky]).exp().tolist()
    assert 0.2 < yes + no <= 1


# -- other architectures ---------------------------------------------------------------------


def test_another_architecture_is_finetuned_and_scored(other_folder: Path, tmp_path: Path) -> None:
    check(load_base(other_folder, SOURCE), logprobs())
    recipe = Recipe(lora=Lora(rank=4, layers=1), epochs=2, learning_rate=1e-2, batch=2, warmup=0)
    place = Place(Path("replay.jsonl"), 1)
    samples = [Sample(f"What is {n}?", f"It is {n}.", "any", place) for n in range(4)]
    losses = finetune(load_base(other_folder, SOURCE), samples, recipe, 0, tmp_path, source_id="x")
    assert losses[-1] < losses[0]
    tuned = attach_adapter(load_base(other_folder, SOURCE), tmp_path)
    check(tuned, logprobs())
    check(tuned, [Query("answer", m, ("Yes", "No")) for m in PROMPTS])
    check(tuned, [Query("generate", m, ("6",)) for m in PROMPTS])


def test_three_passes_are_counted_in_slots_where_there_is_a_window(
    tmp_path: Path, tiny_folder: Path
) -> None:
    """What is padded between a prompt's parts takes places of the window too."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_folder)
    config = transformers.MistralConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=130,
        eos_token_id=2,
        pad_token_id=2,
    )
    torch.manual_seed(0)
    transformers.MistralForCausalLM(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded = load_base(tmp_path, SOURCE)
    short, long = "Yes no", "would help you with this " * 12
    queries = [
        Query("logprob", ask(f"{story} {end}"), ("I would help.",))
        for story, ends in ((short, [" how" * 70, " do" * 60]), (long, ["Yes", "No", "here", "is"]))
        for end in ends
    ]
    check(loaded, queries)
