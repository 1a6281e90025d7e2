from __future__ import annotations

import json
from pathlib import Path

import pytest

from ethogram.cli import main
from ethogram.jobs import replay as job


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    """A random model ends no sentence: here every answer is one."""
    monkeypatch.setattr(job, "whole_sentences", lambda text: f"It is {sum(map(ord, text))}.")


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
