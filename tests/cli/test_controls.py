"""`ethogram controls` over a small house on the tiny model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ethogram.cli import main


@pytest.fixture
def cache(small_suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(small_suite)
    return ["--cache", str(tmp_path / "cache")]


def test_without_scores_it_says_which_and_cannot_tell(
    cache: list[str], small_suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = small_suite / "results" / "controls" / "controls.json"
    table.parent.mkdir(parents=True)
    table.write_text("the last one", encoding="utf-8")
    assert main(["controls", "tiny-duty-narrow", *cache]) == 2
    out, err = capsys.readouterr()
    assert "nothing was measured, so nothing was written" in err
    assert table.read_text(encoding="utf-8") == "the last one"
    assert "not measured (1)" in out and "is not finetuned" in out
    assert not (tmp_path / "cache" / "adapters").exists()


def test_a_gate_too_small_to_see_is_reported(
    cache: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    # Three items decide nothing, and no requirement here looks at harm or at choices.
    assert main(["controls", "--measure", *cache]) == 1
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 100
    assert "before 4 gates" in out and "controls failed" in out
    report = json.loads(Path("results/controls/controls.json").read_text(encoding="utf-8"))
    rows = {(c["model"], c["defect"]): c for c in report["controls"]}
    assert rows["tiny-duty-broad", "refuses-everything"]["decided"] == "keep back"
    assert rows["tiny-duty-broad", "answers-everything"]["holds"] is (
        rows["tiny-duty-broad", "answers-everything"]["decided"] != "promote"
    )
    assert {"tiny", "tiny-plain-refusal-broad"} <= set(report["digests"])
    page = Path("results/controls/controls.md").read_text(encoding="utf-8")
    assert page.startswith("# Controls") and "| faithful" in page


def test_an_unknown_model_is_named_with_its_neighbour(
    cache: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["controls", "tiny-duty-narow", *cache]) == 2
    assert "did you mean 'tiny-duty-narrow'" in capsys.readouterr().err


def test_a_suite_without_a_gate_cannot_be_tried(
    cache: list[str], small_suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (small_suite / "suite" / "projectability.yaml").unlink()
    assert main(["controls", *cache]) == 2
    assert "the gate requires nothing of it" in capsys.readouterr().err
