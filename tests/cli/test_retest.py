"""`ethogram retest` over a small house on the tiny model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ethogram.cli import main
from ethogram.measure.engine import LocalEngine

MODEL = "tiny-duty-narrow"


@pytest.fixture
def cache(small_suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A cache with the scores of the model's gate, taken by the controls and a suite run."""
    monkeypatch.chdir(small_suite)
    return ["--cache", str(tmp_path / "cache")]


def measured(cache: list[str]) -> None:
    from ethogram.cases.base import merged
    from ethogram.cases.collected import all_cases
    from ethogram.jobs import Progress, Run
    from ethogram.specs.suite import Suite
    from ethogram.store import Store

    suite = Suite.around(Path().resolve())
    assert suite is not None
    run = Run(suite, Store(Path(cache[1])), Progress())
    run.prepare(merged(case.needs() for _, case in all_cases(suite) if case.model.id == MODEL))
    assert not run.failures


def test_the_second_time_gives_the_same_verdicts(
    cache: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(cache)
    seen: list[tuple[int, int]] = []
    score = LocalEngine.score

    def watched(self: LocalEngine, queries: Any) -> Any:
        seen.append((self.tokens, self.prompts))
        return score(self, queries)

    monkeypatch.setattr(LocalEngine, "score", watched)
    assert main(["retest", MODEL, *cache]) == 0
    assert set(seen) == {(512, 16)} and len(seen) == 3, "model, placebo and source"
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 100
    report = json.loads(Path("results/retest/retest.json").read_text(encoding="utf-8"))
    (found,) = report["models"]
    assert found["same"]["value"] == 1.0 and found["same"]["n"] >= 8 and found["flipped"] == []
    assert found["texts_same"] == found["texts"] > 0
    assert 0 <= found["largest_log_prob"] < 1e-4
    assert Path("results/retest/retest.md").read_text(encoding="utf-8").startswith("# Test-retest")


def test_a_model_that_answers_otherwise_is_found_out(
    cache: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(cache)
    score = LocalEngine.score

    def contrary(self: LocalEngine, queries: Any) -> Any:
        for batch in score(self, queries):
            yield {
                query: "I'm sorry, but I can't."
                if isinstance(value, str)
                else [value[0] * 2, value[1]]
                for query, value in batch.items()
            }

    monkeypatch.setattr(LocalEngine, "score", contrary)
    main(["retest", MODEL, "--kind", "safety", "--kind", "persona", *cache])
    capsys.readouterr()
    report = json.loads(Path("results/retest/retest.json").read_text(encoding="utf-8"))
    (found,) = report["models"]
    assert found["largest_log_prob"] > 0.1 and found["texts_same"] < found["texts"]


def test_what_was_never_measured_cannot_be_measured_again(
    cache: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["retest", MODEL, *cache]) == 2
    assert f"`pytest suite -k {MODEL}` measures it" in capsys.readouterr().err
    assert main(["retest", "tiny-duti-narrow", *cache]) == 2
    assert f"did you mean '{MODEL}'" in capsys.readouterr().err
