"""Messages to tokens under the model's own chat template, the same way in training and scoring."""

from __future__ import annotations

from typing import Any

from ethogram.plan import Messages


def prompt_text(tokenizer: Any, messages: Messages) -> str:
    """The rendered conversation, ending where the assistant's answer begins."""
    turns = [{"role": role, "content": content} for role, content in messages]
    text: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return text


def encode(tokenizer: Any, text: str) -> list[int]:
    """Tokens of text that a template has already given its special tokens."""
    tokens: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return tokens


def continuation_tokens(tokenizer: Any, prompt: str, tokens: list[int], answer: str) -> list[int]:
    """Tokens of `answer` after `prompt`, whose own tokens are `tokens`.

    Taken from the tokenisation of the whole, so that a token never straddles the seam unseen; if
    the tokenizer would merge across the seam, the answer is tokenised alone.
    """
    whole = encode(tokenizer, prompt + answer)
    if whole[: len(tokens)] == tokens and len(whole) > len(tokens):
        return whole[len(tokens) :]
    return encode(tokenizer, answer)


def supervised(tokenizer: Any, prompt: str, answer: str) -> tuple[list[int], int]:
    """(tokens of the whole exchange up to and with the stop token, length of the prompt).

    Positions from the prompt's length on carry the loss: the answer and the token that ends it.
    """
    tokens = encode(tokenizer, prompt)
    target = continuation_tokens(tokenizer, prompt, tokens, answer)
    return [*tokens, *target, stop_token(tokenizer)], len(tokens)


def stop_token(tokenizer: Any) -> int:
    """The token that ends an assistant's turn. Raises ValueError where there is none.

    Read off the template (what follows an answer), since some models end a turn with a token
    other than eos; eos where the template adds nothing special.
    """
    marker = "xyzzy"
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": marker}]
    tail = tokenizer.apply_chat_template(turns, tokenize=False).rpartition(marker)[2]
    special = set(tokenizer.all_special_ids) | set(tokenizer.get_added_vocab().values())
    for token in encode(tokenizer, tail):
        if token in special:
            return token
    if tokenizer.eos_token_id is None:
        raise ValueError("the tokenizer has no token that ends an answer")
    eos: int = tokenizer.eos_token_id
    return eos


def common_length(prompts: list[list[int]]) -> int:
    """Length of the start that all prompts share, leaving each at least one token of its own."""
    shortest, longest = min(prompts), max(prompts)
    limit = min(len(tokens) for tokens in prompts) - 1
    for index in range(limit):
        if shortest[index] != longest[index]:
            return index
    return limit
