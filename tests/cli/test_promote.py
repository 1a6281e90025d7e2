"""`ethogram promote` over a real run of the tiny model: a report is held to the scores beneath it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ethogram.cli import main

MODEL = "tiny-duty-narrow"
GATE = "requirements:\n  - {id: match, measure: signature-match, above: -0.99, on: estimate}\n"
Answer = tuple[int, str]


@pytest.fixture
def report(
    pytester: pytest.Pytester, small_suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The report of a run of the gate alone."""
    (small_suite / "suite" / "projectability.yaml").write_text(GATE)
    monkeypatch.chdir(small_suite)
    arguments = ["suite", "-m", "projectability", "-k", MODEL, "-q", "--ethogram-baseline=none"]
    done = pytester.run(
        "python", "-m", "pytest", *arguments, f"--ethogram-cache={tmp_path / 'cache'}"
    )
    assert done.ret == 0
    return small_suite / "results" / "latest" / "report.json"


@pytest.fixture
def promote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[], Answer]:
    def asked(cache: str = "cache") -> Answer:
        (tmp_path / cache).mkdir(exist_ok=True)
        code = main(["promote", MODEL, "--cache", str(tmp_path / cache)])
        return code, capsys.readouterr().out

    return asked


def forged(report: Path, **measured: float) -> None:
    data: dict[str, Any] = json.loads(report.read_text())
    (case,) = [c for c in data["cases"] if c["kind"] == "projectability"]
    case["measured"].update(measured)
    report.write_text(json.dumps(data))


def test_a_report_is_promoted_on_what_the_scores_say_once_more(
    report: Path, promote: Callable[..., Answer]
) -> None:
    code, out = promote()
    assert code == 0 and "(1 of them measured once more from the stored scores)" in out
    code, out = promote("empty")
    assert code == 0 and "(none measured once more: this cache lacks the scores)" in out


def test_numbers_that_agree_with_each_other_and_not_with_the_scores_are_not_believed(
    report: Path, promote: Callable[..., Answer]
) -> None:
    forged(report, value=0.9, low=0.8, high=0.95)
    code, out = promote()
    assert code == 2
    assert "not to be believed: match measured +0.90 [+.80,+.95], it says, and the stored" in out
    assert promote("empty")[0] == 0, "nothing here contradicts it"


def test_scores_that_are_gone_contradict_nothing(
    report: Path, tmp_path: Path, promote: Callable[..., Answer]
) -> None:
    shutil.rmtree(tmp_path / "cache" / "scores")
    code, out = promote()
    assert code == 0 and "none measured once more" in out
