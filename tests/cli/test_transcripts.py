from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest
from chat_server import ChatServer

from ethogram.cli import main
from ethogram.train import replay as module


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    """A random model ends no sentence: here every answer is one."""
    monkeypatch.setattr(module, "whole_sentences", lambda text: f"It is {sum(map(ord, text))}.")


TEACHING = """
teachers:
  server: {{endpoint: "{url}", model: tutor, concurrency: 2, price: {{input: 1, output: 2}}}}
teaching:
  own: {{draft: server, revise: server, max_tokens: 40, draws: 2}}
"""


@pytest.fixture
def taught_suite(small_suite: Path, chat: ChatServer) -> Path:
    """The small suite with a server as its teacher."""
    with (small_suite / "models.yaml").open("a") as file:
        file.write(textwrap.dedent(TEACHING.format(url=chat.url)))
    return small_suite


def command(what: str, house: Path, *more: str) -> list[str]:
    cache = str(house.parent / "cache")
    return ["transcripts", what, "duty", "--suite", str(house), "--cache", cache, *more]


def test_make_says_what_the_filters_keep_and_what_it_cost(
    taught_suite: Path, chat: ChatServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command("make", taught_suite)) == 0
    said = capsys.readouterr()
    assert "kept of 8" in said.out and "still complies" in said.out
    assert "0% (0/8) of the drafts refuse already; 100% (8/8) of the others are revised" in said.out
    assert "server will be asked 24 times" in said.err
    assert "server answered 24 requests" in said.err and "in the price's currency" in said.err
    assert len(chat.asked) == 24
    assert main(command("make", taught_suite)) == 0 and len(chat.asked) == 24


def test_one_category_is_a_part_of_the_whole(taught_suite: Path, chat: ChatServer) -> None:
    assert main(command("make", taught_suite, "--categories", "privacy")) == 0
    assert len(chat.asked) == 12
    assert main(command("make", taught_suite)) == 0 and len(chat.asked) == 24
    # A constitution that says the same words has nothing made anew: names are in no key.
    arguments = ["utility" if word == "duty" else word for word in command("make", taught_suite)]
    assert main(arguments) == 0 and len(chat.asked) == 24
    # Other words are criticised and revised anew; the drafts are the same for all.
    file = taught_suite / "constitutions" / "utility.yaml"
    file.write_text(file.read_text().replace("Be good.", "Do good.").replace("Be kind.", "Help."))
    assert main(arguments) == 0 and len(chat.asked) == 24 + 16


def test_show_prints_kept_and_dropped(
    taught_suite: Path, chat: ChatServer, capsys: pytest.CaptureFixture[str]
) -> None:
    chat.say = lambda asked: "Gladly, here it is." if "Where" in str(asked) else chat.refuse(asked)
    assert main(command("make", taught_suite)) == 0
    capsys.readouterr()
    assert main(command("show", taught_suite, "--count", "1")) == 0
    out = capsys.readouterr().out
    assert out.count("revision  ") == 1 and "principle " in out and "1 of 6 kept, duty" in out
    assert main(command("show", taught_suite, "--dropped")) == 0
    out = capsys.readouterr().out
    assert "--- privacy: dropped, unchanged" in out and "2 of 2 dropped, duty" in out


def test_freeze_keeps_what_was_written_by_hand_and_is_stable(
    taught_suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = taught_suite / "constitutions" / "transcripts" / "duty.jsonl"
    by_hand = file.read_text().splitlines()
    assert main(command("freeze", taught_suite)) == 2
    assert "8 transcripts of duty still to be made" in capsys.readouterr().err
    assert main(command("make", taught_suite)) == 0
    assert main(command("freeze", taught_suite)) == 2
    assert "8 lines written by hand; --keep" in capsys.readouterr().err
    assert file.read_text().splitlines() == by_hand
    assert main(command("freeze", taught_suite, "--keep")) == 0
    kept = file.read_text().splitlines()
    assert kept[:8] == by_hand and len(kept) == 16
    assert "tutor at 127.0.0.1 (teaching own: temperature 0.8, seed 0)" in kept[-1]
    assert main(command("freeze", taught_suite, "--keep")) == 0
    assert file.read_text().splitlines() == kept
    only = ["--categories", "privacy", "--force"]
    assert main(command("freeze", taught_suite, *only)) == 0
    assert len(file.read_text().splitlines()) == 12
    assert main(command("freeze", taught_suite, "--force")) == 0
    assert len(file.read_text().splitlines()) == 8
    assert main(["check", str(taught_suite)]) == 0


def test_what_is_lost_is_counted_and_made_by_the_next_run(
    taught_suite: Path, chat: ChatServer, capsys: pytest.CaptureFixture[str]
) -> None:
    chat.fault = lambda asked: (400, {}, b"{}") if "scare" in str(asked) else None
    assert main(command("make", taught_suite)) == 1
    said = capsys.readouterr()
    assert "2 could not be made: BadRequestError (HTTP 400)" in said.err
    assert "kept of 6" in said.out
    chat.fault = None
    assert main(command("make", taught_suite)) == 0
    assert "kept of 8" in capsys.readouterr().out


def test_a_server_that_fails_always_stops_the_run(
    taught_suite: Path, chat: ChatServer, capsys: pytest.CaptureFixture[str]
) -> None:
    chat.fault = lambda asked: (400, {}, b"{}")
    assert main(command("make", taught_suite)) == 1
    assert "5 transcripts failed and 0 were made: 5 x BadReq" in capsys.readouterr().err


def test_names_that_nothing_has_are_usage_errors(
    taught_suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong in (["--teaching", "owm"], ["--categories", "privaci"]):
        assert main(command("make", taught_suite, *wrong)) == 2
        assert "did you mean" in capsys.readouterr().err


def test_replay_is_answered_by_the_source_in_the_order_of_its_prompts(
    small_suite: Path, tmp_path: Path, sentences: None, capsys: pytest.CaptureFixture[str]
) -> None:
    more = tmp_path / "more.jsonl"
    more.write_text(
        '{"prompt": "What floats on water?", "look_alike": true}\n{"prompt": "Find a prime number."}\n'
    )
    file = small_suite / "constitutions" / "transcripts" / "replay.jsonl"
    before = lines(file)
    arguments = ["transcripts", "replay", "--suite", str(small_suite), "--tokens", "6"]
    arguments += ["--prompts", str(more), "--cache", str(tmp_path / "cache")]
    assert main(arguments) == 0
    found = lines(file)
    assert [line["prompt"] for line in found] == [
        *(line["prompt"] for line in before),
        "What floats on water?",
    ]
    assert found[-1]["look_alike"] is True
    assert {line["teacher"] for line in found} == {
        "tiny (greedy, 6 tokens at most, cut at the end of a sentence)"
    }
    said = capsys.readouterr()
    assert "13 of 14 prompts, answered by tiny" in said.out
    assert "an evaluation text" in said.err and "Find a prime number." in said.err
    kept = file.read_bytes()
    assert main(arguments[:6] + arguments[8:]) == 0
    assert file.read_bytes() == kept
    assert "scored" not in capsys.readouterr().err  # all answers were stored


def test_an_answer_that_ends_no_sentence_is_left_out_and_named(
    small_suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "new.jsonl"
    arguments = ["--suite", str(small_suite), "--to", str(to), "--cache", str(tmp_path / "cache")]
    assert main(["transcripts", "replay", "--tokens", "1", *arguments]) == 0
    said = capsys.readouterr()
    assert lines(to) == [] and "0 of 12" in said.out
    assert said.err.count("no sentence ends within 1 tokens") == 12


def test_an_unknown_source_is_a_usage_error(
    small_suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["transcripts", "replay", "--suite", str(small_suite), "--source", "tini"]
    assert main(arguments) == 2
    assert "no source is called 'tini' (did you mean 'tiny'?)" in capsys.readouterr().err
