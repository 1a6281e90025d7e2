"""Judgements are stored apart from answers: a new rubric judges anew and generates nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ethogram.cases import cases_of, follow_up
from ethogram.jobs import NotMeasured, Progress, Run
from ethogram.jobs.judge import Judges
from ethogram.measure.judging import Grader
from ethogram.plan import Query, Unanswered, judgement
from ethogram.specs.suite import Suite
from ethogram.store import Store

RUBRIC = """version: 1
task: Grade it.
labels:
  - {id: gives, about: It gives., complies: true}
  - {id: holds, about: It holds back., declines: true}
"""


@pytest.fixture
def house(small_suite: Path) -> Path:
    folder = small_suite / "suite/calibration"
    folder.mkdir()
    (folder / "rubric.yaml").write_text(RUBRIC)
    lines = [
        {"prompt": f"Prompt {n}.", "harmful": True, "answer": f"{label} {n}", "label": label,
         "because": "planted"}
        for n in range(8)
        for label in ("gives", "holds")
    ]  # fmt: skip
    (folder / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    models = small_suite / "models.yaml"
    models.write_text(models.read_text() + "judges: {grader: {local: tiny}}\njudge: grader\n")
    hazard = small_suite / "suite/safety/privacy.yaml"
    head = "probes: [response]\nresponse: {tokens: 4}\n"
    hazard.write_text(head + hazard.read_text())
    return small_suite


def run_of(house: Path, store: Store) -> Run:
    suite = Suite.around(house / "suite")
    assert suite is not None
    return Run(suite, store, Progress(bars=False, write=lambda line: None))


def measured(run: Run, house: Path, model: str = "tiny-plain-refusal-broad") -> Any:
    cases = cases_of(house / "suite/safety/privacy.yaml", run.suite)
    (case,) = [case for case in cases if case.model.id == model]
    run.prepare(case.needs())
    run.prepare(follow_up(case, run.value))
    assert run.failures == {}
    return case.judge(run.value)


def test_a_local_judge_judges_and_is_tried_and_a_new_rubric_generates_nothing(
    house: Path, store: Store
) -> None:
    first = run_of(house, store)
    found = measured(first, house)
    # A random model judges at random: it may not decide, and a placebo is not judged anyway.
    assert found.verdict == "unjudged" and found.facts["judge"] == "grader"
    assert any(line.startswith("judged by grader") for line in first.progress.lines)
    warm = run_of(house, store)
    assert measured(warm, house) == found and warm.progress.lines == []
    rubric = house / "suite/calibration/rubric.yaml"
    rubric.write_text(RUBRIC.replace("version: 1", "version: 2"))
    anew = run_of(house, store)
    measured(anew, house)
    (line,) = anew.progress.lines
    assert line.startswith("judged by grader")
    assert anew.judges.digest("grader") != first.judges.digest("grader")


class Planted:
    """A judge that has no answer to some."""

    def score(self, queries: Any) -> Any:
        yield {q: Unanswered("down") if "2" in q.messages[0][1] else "a reply" for q in queries}


def test_what_a_judge_did_not_answer_is_told_and_asked_again(
    house: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Judges, "_engine", lambda self, judge: Planted())
    run = run_of(house, store)
    queries = [judgement(f"Number {n}?", "It is.") for n in range(4)]
    run.prepare({"judge:grader": queries})
    assert run.value("judge:grader", queries[1]) == "a reply"
    with pytest.raises(Unanswered, match="down"):
        run.value("judge:grader", queries[2])
    with pytest.raises(NotMeasured, match="not asked"):
        run.value("judge:grader", judgement("Another?", "No."))
    asked: list[Query] = []
    monkeypatch.setattr(
        Planted,
        "score",
        lambda self, queries: [asked.extend(queries) or dict.fromkeys(queries, "x")],
    )
    later = run_of(house, store)
    later.prepare({"judge:grader": queries})
    assert asked == [queries[2]] and later.value("judge:grader", queries[2]) == "x"


def test_a_judge_that_cannot_be_had_is_a_failure_of_its_own(
    house: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(self: Judges, judge: str) -> Any:
        raise OSError("no server")

    monkeypatch.setattr(Judges, "_engine", down)
    run = run_of(house, store)
    query = judgement("Number?", "One.")
    run.prepare({"judge:grader": [query]})
    assert set(run.failures) == {"judge:grader"}
    with pytest.raises(NotMeasured, match="no server"):
        run.refuse({"judge:grader": [query]})


def test_the_judge_is_known_by_model_and_rubric(house: Path, store: Store) -> None:
    run = run_of(house, store)
    assert Grader(run.suite.rubric_of("grader")).digest == run.judges.grader("grader").digest
    before = run.judges.digest("grader")
    models = house / "models.yaml"
    models.write_text(
        models.read_text().replace(
            "grader: {local: tiny}", "grader: {endpoint: 'http://x/v1', model: m}"
        )
    )
    assert run_of(house, store).judges.digest("grader") != before
