"""`ethogram sweep` on the tiny model: the curve is written, and a second run trains nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ethogram.cli import main
from ethogram.jobs.score import Scorer
from ethogram.specs.catalogue import Model

SWEEP = """\
about: A short one and one that cannot be had.
source: tiny
constitutions: [duty, utility]
base: quick
recipes:
  short: {epochs: 2}
  starved: {samples: 4000}
points: [1]
contrast: [duty, utility]
prompts: 2
"""


@pytest.fixture
def file(small_suite: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(small_suite)
    found = small_suite / "constitutions" / "sweeps" / "try.yaml"
    found.parent.mkdir()
    found.write_text(SWEEP, encoding="utf-8")
    return found


def test_the_curve_of_every_recipe_is_written(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = ["sweep", str(file), "--cache", str(tmp_path / "cache")]
    assert main(told) == 1, "one recipe asks for more samples than there are"
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 100
    result = Path("results") / "sweeps" / "try.json"
    report = json.loads(result.read_text(encoding="utf-8"))
    short, starved = report["curves"]
    assert [(p["step"], p["epochs"]) for p in short["points"]] == [(2, 1.0), (4, 2.0)]
    assert short["problem"] is None and short["settings"] == {"epochs": 2}
    assert starved["points"] == [] and "SpecError" in starved["problem"]
    for point in short["points"]:
        duty, utility, placebo = point["models"]
        assert duty["match"]["n"] == utility["match"]["n"] == 3
        assert placebo["match"] is None and placebo["held_out"]["hazardous"]["n"] == 2
        assert point["contrast"]["one"] == "duty"
        assert len({model["digest"] for model in point["models"]}) == 3
    assert report["source"]["trained"]["harmless"]["n"] == 2
    page = result.with_suffix(".md").read_text(encoding="utf-8")
    assert "## short" in page and "## starved" in page and "not measured" in page

    monkeypatch.setattr("ethogram.train.lora.finetune", None)
    monkeypatch.setattr("ethogram.measure.engine.LocalEngine", None)
    file.write_text(SWEEP.replace("  starved: {samples: 4000}\n", ""), encoding="utf-8")
    assert main(told) == 0
    again = json.loads(result.read_text(encoding="utf-8"))
    assert again["curves"] == [short]


def test_a_sweep_that_is_not_there_is_a_wrong_use(
    small_suite: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(small_suite)
    assert main(["sweep", "none.yaml"]) == 2
    assert "none.yaml does not exist" in capsys.readouterr().err


def test_models_of_one_point_share_the_layers_that_none_of_them_adapts(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes = "  short: {epochs: 2}\n  starved: {samples: 4000}\n"
    upper = SWEEP.replace(recipes, "  whole: {epochs: 2}\n  upper: {epochs: 2, lora.layers: 1}\n")
    file.write_text(upper, encoding="utf-8")
    shared: dict[str, int] = {}
    scored = Scorer._score

    def watched(self: Scorer, model: Model, digest: str, wanted: Any) -> None:
        trunk = self._trunks.get("tiny")
        shared[model.id] = trunk.depth(2) if trunk else 0
        scored(self, model, digest, wanted)

    monkeypatch.setattr(Scorer, "_score", watched)
    assert main(["sweep", str(file), "--cache", str(tmp_path / "cache")]) == 0
    points = {name: depth for name, depth in shared.items() if name != "tiny"}
    assert len(points) == 12 and set(points.values()) == {0, 1}
    assert all((depth == 1) == ("(upper)" in name) for name, depth in points.items())
