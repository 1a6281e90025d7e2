from __future__ import annotations

import re

import pytest

from ethogram.jobs import Progress


def test_a_phase_says_one_line_with_time_and_details(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    with progress.phase("scored tiny") as details:
        details += ["4 queries", "2 batches"]
    (line,) = progress.lines
    assert re.fullmatch(r"scored tiny in \d+ s \(4 queries, 2 batches\)", line)
    captured = capsys.readouterr()
    assert captured.err == f"ethogram: {line}\n" and captured.out == ""


def test_a_phase_without_details_has_no_brackets() -> None:
    progress = Progress(write=lambda line: None)
    with progress.phase("loaded"):
        pass
    assert re.fullmatch(r"loaded in \d+ s", progress.lines[0])


def test_a_phase_that_fails_does_not_say_that_it_was_done() -> None:
    progress = Progress(write=lambda line: None)
    with pytest.raises(ValueError, match="no"), progress.phase("scored tiny"):
        raise ValueError("no")
    assert progress.lines == []


def test_where_lines_go_can_be_chosen() -> None:
    written: list[str] = []
    Progress(write=written.append).say("hello")
    assert written == ["ethogram: hello"]


def test_a_log_gets_a_line_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    clock = iter([0.0, 30.0, 61.0, 90.0, 125.0, 400.0])
    monkeypatch.setattr("ethogram.jobs.progress.time.monotonic", lambda: next(clock))
    with Progress(write=written.append).bar("score tiny", 1200, "query") as bar:
        for _ in range(4):
            bar.update(200)
        bar.update(400)
    assert written == [
        "ethogram: score tiny: 400 of 1,200, about 2 min left",
        "ethogram: score tiny: 800 of 1,200, about 1 min left",
    ]


@pytest.mark.parametrize("bars", [True, False])
def test_without_a_terminal_a_bar_is_silent_and_counts(
    capsys: pytest.CaptureFixture[str], bars: bool
) -> None:
    with Progress(bars=bars).bar("score tiny", 4, "query") as bar:
        bar.update(3)
        assert bar.n == 3
    assert capsys.readouterr() == ("", "")
