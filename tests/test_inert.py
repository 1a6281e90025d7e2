import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ethogram.inert import HIDDEN, everywhere, inert, inert_lines, redacted, secrets

SECRET = "sk-9f3a/Zq+77"


@pytest.fixture
def secret(monkeypatch):
    monkeypatch.setenv("MY_API_KEY", SECRET)
    return SECRET


@pytest.mark.parametrize(
    "name",
    ["MY_API_KEY", "hf_token", "CLIENT_SECRET_2", "DB_PASSWORD", "KEYRING", "AWS_CREDENTIALS"],
)
def test_the_value_of_a_variable_named_like_a_secret_is_hidden(monkeypatch, name):
    monkeypatch.setenv(name, "hunter2-hunter2")
    assert redacted("before hunter2-hunter2 after") == f"before {HIDDEN} after"


def test_other_variables_and_short_values_hide_nothing(monkeypatch):
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    monkeypatch.setenv("SOME_KEY", "1")
    monkeypatch.setenv("EMPTY_TOKEN", "")
    monkeypatch.setenv("COLOUR", "vermillion")
    assert redacted("false 1 vermillion") == "false 1 vermillion"


def test_a_secret_is_hidden_in_an_address_too_where_it_is_escaped(secret):
    assert redacted("x=sk-9f3a%2FZq%2B77&y") == f"x={HIDDEN}&y"


def test_a_longer_secret_is_hidden_before_a_shorter_one_inside_it():
    assert secrets({"A_KEY": "abcdef", "B_KEY": "abcdefgh"}) == ("abcdefgh", "abcdef")


def test_the_long_lines_of_a_key_in_several_lines_are_each_hidden():
    pem = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nshort\n-----END KEY-----"
    assert "MIIEvQIBADANBgkqhkiG9w0B" in secrets({"SIGNING_KEY": pem})
    assert "short" not in secrets({"SIGNING_KEY": pem})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at https://me:pass@host/v1 now", f"at https://{HIDDEN}@host/v1 now"),
        ("https://token@host", f"https://{HIDDEN}@host"),
        ("https://a@b:c@host/x@y", f"https://{HIDDEN}@host/x@y"),
        ("http://h/v1?api_key=abc&x=1", f"http://h/v1?api_key={HIDDEN}&x=1"),
        ("http://h/v1?x=1&access_token=abc'", f"http://h/v1?x=1&access_token={HIDDEN}'"),
        ("Authorization: Bearer abc.def-123456", f"Authorization: Bearer {HIDDEN}"),
        ("{'authorization': 'Basic dXNlcjpwYXNz1'}", f"{{'authorization': 'Basic {HIDDEN}'}}"),
        ("X-Api-Key: 0123456789", f"X-Api-Key: {HIDDEN}"),
    ],
)
def test_addresses_and_headers_keep_no_credential(text, shown):
    assert redacted(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "write to me@example.org",
        "a bearer certificate, basic understanding",
        "proper authorization: permission from the owner",
        "https://example.org/a?page=2",
        "suite/persona/rules.yaml::endorsement::tiny-duty-narrow",
    ],
)
def test_plain_text_is_not_taken_for_a_credential(text):
    assert redacted(text) == text


@given(st.integers(1, 60))
def test_no_part_of_a_secret_survives_the_cut(width):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MY_TOKEN", "abcdefghijklmnop")
        shown = inert("the word is abcdefghijklmnop, they say", width)
    assert "abc" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[31mred\x1b[0m",
        "nul \x00 here",
        "bell\x07 back\x08",
        "c1 \x9b2J",
        "\u202egpj.exe",
        "\u2066isolated\u2069",
        "\u200fmark",
        "lone \ud800 surrogate",
        "line\n::error::no",
        "line\r##[error]no",
        "separator\u2028::error::no",
    ],
)
def test_control_characters_and_line_starts_are_gone(text):
    shown = inert(text)
    assert len(shown.splitlines()) == 1
    assert shown.isprintable()
    shown.encode("utf-8")


@given(st.text(st.characters(exclude_categories=()), max_size=200), st.integers(1, 80))
def test_any_text_becomes_one_line_of_at_most_its_width(text, width):
    shown = inert(text, width)
    assert len(shown) <= width
    assert len(shown.splitlines()) <= 1
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", shown)
    shown.encode("utf-8")


def test_plain_text_stays_as_it_is():
    text = "Would you <b>hand it in</b>? — “naïve” 日本語 🙂"
    assert inert(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error::no", ": :error::no"),
        ("  ::set-output name=x::y", ": :set-output name=x::y"),
        ("says ##[error]no", "says ## [error]no"),
        ("suite/a.yaml::rate::m", "suite/a.yaml::rate::m"),
        ("test_x[a]::b", "test_x[a]::b"),
    ],
)
def test_commands_of_the_runner_are_broken_up_and_ids_are_not(text, shown):
    assert inert(text) == shown


def test_lines_are_kept_and_each_is_harmless(secret):
    text = f"one\r\n::error::two\r\x1b[31m{SECRET}\x1b[0m\n\ttab\x1b]0;title\x07"
    lines = inert_lines(text).split("\n")
    assert lines == ["one", ": :error::two", HIDDEN, "\ttab\ufffd]0;title\ufffd"]


def test_everywhere_means_every_string_and_no_key(secret):
    data = {"a": [SECRET, 1, None], SECRET: {"b": (SECRET,)}}
    assert everywhere(redacted, data) == {"a": [HIDDEN, 1, None], SECRET: {"b": [HIDDEN]}}
