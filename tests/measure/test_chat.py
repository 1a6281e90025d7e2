"""Asking a chat endpoint, over real HTTP on the loopback (faults 15-17 and 24)."""

from __future__ import annotations

import time
from typing import Any

import pytest
from chat_server import USAGE, ChatServer, in_json

from ethogram.asks import Ask, TeachError
from ethogram.measure.chat import ChatEndpoint
from ethogram.plan import ask
from ethogram.specs.teaching import Sampling, Teacher

KEY = "sk-never-to-be-seen-4711"
SAMPLING = Sampling(max_tokens=20, temperature=0.3, top_p=0.9)
ASKS = [Ask(ask(f"What is {n}?"), n) for n in range(6)]


def endpoint(chat: ChatServer, **more: Any) -> ChatEndpoint:
    return ChatEndpoint(Teacher(endpoint=chat.url, model="tutor", **{"retries": 0, **more}))


def test_answers_come_in_the_order_of_the_asks_and_several_at_once(chat: ChatServer) -> None:
    def slowly(asked: dict[str, Any]) -> str:
        time.sleep(0.1)
        return str(asked["messages"][0]["content"])

    chat.say = slowly
    said = endpoint(chat, concurrency=3).answer(ASKS, SAMPLING)
    assert [one.text for one in said] == [one.messages[0][1] for one in ASKS]
    assert all(one.finished and not one.error for one in said)
    assert 1 < chat.most_at_once <= 3
    sent = next(asked for asked in chat.asked if asked["seed"] == 4)
    named = ("model", "temperature", "top_p", "max_tokens")
    assert [sent[name] for name in named] == ["tutor", 0.3, 0.9, 20]


def test_an_answer_that_met_the_limit_says_so(chat: ChatServer) -> None:
    chat.finish = "length"
    (said,) = endpoint(chat).answer(ASKS[:1], SAMPLING)
    assert said.text and not said.finished


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ((400, {}, b"{}"), "BadRequestError (HTTP 400)"),
        ((401, {}, b"secret"), "AuthenticationError (HTTP 401)"),
        ((500, {}, b""), "InternalServerError (HTTP 500)"),
        ((200, {"Content-Type": "text/html"}, b"<html>"), "the reply holds no choice"),
        ((200, {"Content-Type": "application/json"}, b"<html>"), "the reply is not JSON"),
        (in_json({}), "the reply holds no choice"),
        (in_json([1]), "the reply holds no choice"),
        (in_json({"choices": []}), "the reply holds no choice"),
        (in_json({"choices": None}), "the reply holds no choice"),
        (
            in_json({"choices": [{"message": {"content": None}}]}),
            "the reply's choice holds no text",
        ),
        (in_json({"choices": [{}]}), "the reply's choice holds no text"),
    ],
)
def test_a_faulty_reply_is_a_counted_error_and_no_traceback(
    chat: ChatServer, reply: Any, error: str
) -> None:
    chat.fault = lambda asked: reply if asked["seed"] == 1 else None
    said = endpoint(chat).answer(ASKS[:3], SAMPLING)
    assert [one.error for one in said] == ["", error, ""]
    assert said[0].text and said[2].text


def test_retry_after_is_waited_for(chat: ChatServer) -> None:
    chat.fault = lambda asked: (429, {"Retry-After": "1"}, b"") if len(chat.asked) == 1 else None
    (said,) = endpoint(chat, retries=2).answer(ASKS[:1], SAMPLING)
    assert not said.error and chat.times[1] - chat.times[0] >= 0.95


def test_an_hour_of_retry_after_is_not_waited_for(chat: ChatServer) -> None:
    chat.fault = lambda asked: (429, {"Retry-After": "3600"}, b"") if len(chat.asked) == 1 else None
    begun = time.monotonic()
    (said,) = endpoint(chat, retries=1).answer(ASKS[:1], SAMPLING)
    # Older SDKs ask again after their own delay, newer ones give up at once.
    assert said.error in ("", "RateLimitError (HTTP 429)") and time.monotonic() - begun < 60


def test_retries_are_bounded(chat: ChatServer) -> None:
    chat.fault = lambda asked: (500, {"Retry-After": "0.01"}, b"")
    (said,) = endpoint(chat, retries=2).answer(ASKS[:1], SAMPLING)
    assert said.error == "InternalServerError (HTTP 500)" and len(chat.asked) == 3


def test_a_server_that_hangs_or_is_not_there_is_an_error(chat: ChatServer) -> None:
    chat.say = lambda asked: time.sleep(1.5) or "late"  # type: ignore[func-returns-value]
    (said,) = endpoint(chat, timeout=0.2).answer(ASKS[:1], SAMPLING)
    assert said.error == "APITimeoutError"
    nowhere = Teacher(endpoint="http://127.0.0.1:9/v1", model="tutor", retries=0)
    (said,) = ChatEndpoint(nowhere).answer(ASKS[:1], SAMPLING)
    assert said.error == "APIConnectionError"


def test_tokens_are_counted_as_reported_else_estimated(chat: ChatServer) -> None:
    asked = endpoint(chat)
    asked.answer(ASKS[:2], SAMPLING)
    assert (asked.spent.requests, asked.spent.tokens, asked.spent.estimated) == (2, 30, 0)
    assert USAGE["total_tokens"] == 15
    chat.usage = False
    asked.answer(ASKS[:1], SAMPLING)
    assert asked.spent.estimated == 1 and asked.spent.tokens > 30 and asked.spent.reserved == 0


def test_a_budget_is_never_passed(chat: ChatServer) -> None:
    asked = endpoint(chat, budget=75, concurrency=4)
    said = asked.answer(ASKS, SAMPLING)
    over = [one for one in said if one.error]
    assert over and {one.error for one in over} == {"the budget of 75 tokens is used up"}
    assert len(chat.asked) == len(ASKS) - len(over) and asked.spent.tokens <= 75


def test_the_key_comes_from_the_environment_and_is_never_said(
    chat: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TeachError, match="SOME_KEY is not set"):
        endpoint(chat, api_key_env="SOME_KEY")
    monkeypatch.setenv("SOME_KEY", KEY)
    chat.fault = lambda asked: (401, {}, f"wrong key {KEY}".encode())
    said = endpoint(chat, api_key_env="SOME_KEY").answer(ASKS[:2], SAMPLING)
    assert chat.keys == {f"Bearer {KEY}"} and KEY not in str(said)
