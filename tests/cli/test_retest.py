"""`ethogram retest` over a small house on the tiny model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ethogram.cases.collected import all_cases
from ethogram.cli import main
from ethogram.jobs import NotMeasured
from ethogram.jobs.capability import KEY
from ethogram.jobs.identity import Identities
from ethogram.measure.engine import LocalEngine
from ethogram.plan import Query, Value
from ethogram.source.obtain import SourceError
from ethogram.specs.suite import Suite
from ethogram.store import Store

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


def test_a_case_that_has_no_verdict_is_left_out(
    cache: list[str], small_suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = small_suite / "suite" / "projectability.yaml"
    more = "  - {id: margin, measure: discriminant-margin, above: 0}\n"
    gate.write_text(gate.read_text(encoding="utf-8") + more, encoding="utf-8")
    (small_suite / "constitutions" / "utility.yaml").unlink()
    (small_suite / "constitutions" / "transcripts" / "utility.jsonl").unlink()
    theme = small_suite / "suite" / "scenarios" / "promises.yaml"
    theme.write_text(theme.read_text(encoding="utf-8").replace("utility: more good", ""))
    measured(cache)
    assert main(["retest", MODEL, *cache]) == 0
    report = json.loads(Path("results/retest/retest.json").read_text(encoding="utf-8"))
    assert report["models"][0]["same"]["n"] >= 5


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NotMeasured("it did not answer again"), "ethogram retest: it did not answer again"),
        (SourceError("no base"), "ethogram retest: no base"),
        (RuntimeError("out of memory"), "ethogram retest: RuntimeError: out of memory"),
        (ValueError("no numbers"), "ethogram retest: ValueError: no numbers"),
    ],
)
def test_an_error_is_no_changed_verdict(
    cache: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    said: str,
) -> None:
    measured(cache)

    def failing(*asked: object) -> None:
        raise error

    monkeypatch.setattr("ethogram.jobs.retest.engine_for", failing)
    capsys.readouterr()
    assert main(["retest", MODEL, *cache]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == said


def test_a_wrong_suite_is_no_changed_verdict(
    cache: list[str], small_suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (small_suite / "constitutions" / "duty.yaml").write_text("name: Duty\n", encoding="utf-8")
    assert main(["retest", MODEL, *cache]) == 2
    assert "constitutions/duty.yaml:1:1: missing" in capsys.readouterr().err
    assert main(["controls", *cache]) == 2


class Sampled:
    """A server that gives texts alone, the same every time."""

    def score(self, queries: list[Query]) -> Iterator[dict[Query, Value]]:
        yield {query: said(query) for query in queries}


def said(query: Query) -> Value:
    return ["Yes", "A", "No", "B"] if query.kind == "sample" else "Gladly."


def test_what_a_server_gives_is_known_before_its_cases_are_asked_for(
    cache: list[str], small_suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, name = small_suite / "models.yaml", "served-duty"
    server = "{endpoint: 'http://127.0.0.1:9/v1', model: m, source: tiny, constitution: duty, samples: 4}"
    models.write_text(
        f"{models.read_text(encoding='utf-8')}candidates: {{{name}: {server}}}\n", encoding="utf-8"
    )
    suite = Suite.around(small_suite)
    assert suite is not None
    store = Store(Path(cache[1]))
    digests = {m: str(Identities(suite, store).digest(suite.catalogue[m])) for m in (name, "tiny")}
    suite.limited[name] = "sampled"
    store.scores(digests[name]).add({KEY: "sampled"})
    for _, case in all_cases(suite):
        if case.model.id == name and case.kind == "scenario":
            for model, queries in case.needs().items():
                store.scores(digests[model]).add({query.key: said(query) for query in queries})
    monkeypatch.setattr("ethogram.jobs.retest.engine_for", lambda *asked: Sampled())
    assert main(["retest", name, "--kind", "scenario", *cache]) == 0
    report = json.loads(Path("results/retest/retest.json").read_text(encoding="utf-8"))
    assert report["models"][0]["same"]["n"] == 1 and report["digests"] == digests
