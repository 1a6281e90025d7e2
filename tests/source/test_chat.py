"""Templates to tokens, the same in training and scoring."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from ethogram.plan import ask
from ethogram.source.chat import continuation_tokens, encode, prompt_text, stop_token, supervised
from ethogram.source.load import DEFAULT_TEMPLATE, load_base
from ethogram.specs.models import Source

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1, max_size=30)


@pytest.fixture(scope="module")
def tokenizer(tiny_folder: Path) -> Any:
    return load_base(tiny_folder, Source(folder=".", device="cpu")).tokenizer


def test_a_prompt_ends_where_the_answer_begins(tokenizer: Any) -> None:
    text = prompt_text(tokenizer, (("system", "Be brief."), ("user", "Hello")))
    assert text == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_no_special_token_is_added_to_a_rendered_text(tokenizer: Any) -> None:
    tokens = encode(tokenizer, prompt_text(tokenizer, ask("Hello")))
    assert tokens[0] == tokenizer.convert_tokens_to_ids("<|im_start|>")
    assert tokenizer.decode(tokens) == prompt_text(tokenizer, ask("Hello"))


@given(prompt=TEXT, answer=TEXT)
def test_prompt_and_continuation_spell_the_whole(tokenizer: Any, prompt: str, answer: str) -> None:
    text = prompt_text(tokenizer, ask(prompt))
    tokens = encode(tokenizer, text)
    found = continuation_tokens(tokenizer, text, tokens, answer)
    assert found
    assert tokenizer.decode([*tokens, *found]) == text + answer


def test_an_answer_that_would_merge_into_the_prompt_is_tokenised_alone(tokenizer: Any) -> None:
    assert len(encode(tokenizer, " you")) == 1
    tokens = encode(tokenizer, " yo")
    found = continuation_tokens(tokenizer, " yo", tokens, "u")
    assert found == encode(tokenizer, "u")
    assert tokenizer.decode([*tokens, *found]) == " you"


def test_supervised_is_prompt_answer_stop(tokenizer: Any) -> None:
    text = prompt_text(tokenizer, ask("What?"))
    tokens, prompt = supervised(tokenizer, text, "I would help you.")
    assert tokens[:prompt] == encode(tokenizer, text)
    assert tokenizer.decode(tokens[prompt:-1]) == "I would help you."
    assert tokens[-1] == tokenizer.eos_token_id == tokenizer.pad_token_id == 2


def test_training_and_scoring_see_the_same_tokens(tokenizer: Any) -> None:
    text = prompt_text(tokenizer, ask("What?"))
    tokens, prompt = supervised(tokenizer, text, "I would.")
    assert tokens[prompt:-1] == continuation_tokens(tokenizer, text, tokens[:prompt], "I would.")


def test_the_stop_token_is_the_templates_even_where_eos_is_another(tokenizer: Any) -> None:
    other = AutoTokenizer.from_pretrained(tokenizer.name_or_path)
    other.eos_token = "<|endoftext|>"
    assert other.eos_token_id == 0
    assert stop_token(other) == 2


def test_a_template_that_ends_with_nothing_stops_with_eos(tokenizer: Any) -> None:
    other = AutoTokenizer.from_pretrained(tokenizer.name_or_path)
    other.chat_template = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}"
    assert stop_token(other) == 2
    other.eos_token = None
    with pytest.raises(ValueError, match="no token that ends"):
        stop_token(other)


def test_the_plain_template_ends_an_answer_with_eos(tokenizer: Any) -> None:
    other = AutoTokenizer.from_pretrained(tokenizer.name_or_path)
    other.chat_template = DEFAULT_TEMPLATE
    assert prompt_text(other, ask("Hi")) == "User: Hi\nAssistant: "
    assert stop_token(other) == 2


def test_the_embedded_model_ends_its_turn_with_im_end(embedded: Path) -> None:
    real = AutoTokenizer.from_pretrained(embedded)
    text = prompt_text(real, ask("How do I bake bread?"))
    tokens, prompt = supervised(real, text, "Mix flour and water.")
    assert real.convert_ids_to_tokens(tokens[-1]) == "<|im_end|>"
    assert real.pad_token_id == tokens[-1], "which is the pad token too"
    assert real.decode(tokens[prompt:]) == "Mix flour and water.<|im_end|>"
    assert text.endswith("<|im_start|>assistant\n") and tokens[:prompt] == encode(real, text)
