"""`ethogram reliability` over a house whose tiny models are trained and scored once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ethogram.cli import main


@pytest.fixture
def house(small_suite: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = small_suite / "suite" / "persona" / "rules.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("items:", 'paraphrases: ["So, {topic}?"]\nitems:'))
    monkeypatch.chdir(small_suite)
    return small_suite


def test_without_scores_it_says_so_and_trains_nothing(
    house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reliability", "--cache", str(tmp_path / "cache")]) == 2
    said = capsys.readouterr().err
    assert "tiny-duty-broad is not finetuned" in said and "add --measure" in said
    assert not (tmp_path / "cache" / "adapters").exists()
    assert not (house / "results").exists()


def test_it_measures_what_is_missing_and_then_reads_it(
    house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = ["--cache", str(tmp_path / "cache")]
    assert main(["reliability", "--measure", *cache]) == 0
    out = capsys.readouterr().out
    assert "Instrument: 4 models, against the placebo" in out
    assert max(map(len, out.splitlines())) <= 100
    file = house / "results" / "reliability" / "reliability.json"
    report = json.loads(file.read_text(encoding="utf-8"))
    assert report["missing"] == {} and len(report["digests"]) == 4
    rules = report["instrument"]["dimensions"][0]
    assert rules["models"] == 4 and rules["items"] == ["wallet", "queue", "promise"]
    assert rules["paraphrase"] is not None and rules["alpha"]["n"] == 4
    page = file.with_suffix(".md").read_text(encoding="utf-8")
    assert page.startswith("# Reliability of the instrument") and "| rules" in page

    other = tmp_path / "other.json"
    assert main(["reliability", "--against", "source", "--out", str(other), *cache]) == 0
    assert json.loads(other.read_text(encoding="utf-8"))["against"] == "source"
    assert other.with_suffix(".md").exists()


def test_the_file_must_be_json(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["reliability", "--out", "page.html"])
    assert "does not end in .json" in capsys.readouterr().err


def test_another_models_file_must_exist(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reliability", "--models", "none.yaml"]) == 2
    assert "none.yaml does not exist" in capsys.readouterr().err
