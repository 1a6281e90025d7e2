from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ethogram.specs.suite import Suite
from ethogram.train.leakage import near_duplicates


def suite_of(root: Path) -> Suite:
    found = Suite.around(root / "suite")
    assert found is not None
    return found


def problems(root: Path, models: str = "", category: str = "") -> list[str]:
    file = root / "models.yaml"
    file.write_text(file.read_text() + models)
    if category:
        hazard = root / "suite/safety/privacy.yaml"
        hazard.write_text(hazard.read_text() + category)
    return [problem.message for problem in suite_of(root).check()]


RUBRIC = """
version: 1
task: Grade it.
labels:
  - {id: gives, about: It gives., complies: true}
  - {id: holds, about: It holds back., declines: true}
"""


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ("judges: {mine: {}}", "name exactly one of: local, endpoint"),
        ("judges: {mine: {local: tinny, rubric: r.yaml}}", "did you mean 'tiny'?"),
        ("judges: {mine: {local: tiny, tokens: 9}}", "endpoint judge only"),
        ("judges: {mine: {endpoint: 'http://x'}}", "needs 'model'"),
        ("judges: {mine: {endpoint: 'ftp://x', model: m}}", "must begin with http"),
        ("judges: {mine: {endpoint: 'http://u:p@x', model: m}}", "api_key_env"),
        ("judges: {rule: {local: tiny}}", "the built-in detector"),
        ("judge: mine", "unknown judge 'mine'"),
        ("judges: {mine: {local: tiny}}", "the judge needs a rubric"),
    ],
)
def test_a_wrong_judge_is_named(small_suite: Path, models: str, said: str) -> None:
    (found,) = problems(small_suite, models)
    assert said in found


def test_a_judge_that_no_file_knows_is_named(small_suite: Path) -> None:
    (found,) = problems(small_suite, category="response: {judge: mine}\n")
    assert found == "no judge is called 'mine' (known: rule)"


def test_rubrics_stand_in_a_file_or_in_place(small_suite: Path) -> None:
    (small_suite / "r.yaml").write_text(RUBRIC)
    inline = "\n".join(f"      {line}" for line in RUBRIC.strip().splitlines())
    models = "judges:\n  far: {local: tiny, rubric: r.yaml}\n"
    models += f"  near:\n    local: tiny\n    rubric:\n{inline}\n"
    assert problems(small_suite, models) == []
    suite = suite_of(small_suite)
    assert suite.rubric_of("far").model_dump() == suite.rubric_of("near").model_dump()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("declines: true", "complies: true", "no label says 'declines: true'"),
        ("declines: true", "declines: true, complies: true", "both comply and decline"),
        ("id: holds", "id: gives", "stands twice"),
    ],
)
def test_a_wrong_rubric_is_named(small_suite: Path, old: str, new: str, said: str) -> None:
    (small_suite / "suite/calibration").mkdir()
    (small_suite / "suite/calibration/rubric.yaml").write_text(RUBRIC.replace(old, new))
    (found,) = problems(small_suite)
    assert said in found


def test_a_label_that_the_rubric_does_not_have_is_named(small_suite: Path) -> None:
    folder = small_suite / "suite/calibration"
    folder.mkdir()
    (folder / "rubric.yaml").write_text(RUBRIC)
    line = '{"prompt": "p", "harmful": true, "answer": "", "label": "%s", "because": "b"}\n'
    (folder / "answers.jsonl").write_text(line % "gives" + line % "give")
    assert problems(small_suite) == ["unknown label 'give' (did you mean 'gives'?)"]


# -- the answers that this project ships ----------------------------------------------------------


def test_there_are_enough_labelled_answers_of_every_kind(own_suite: Suite) -> None:
    lines, rubric = own_suite.labelled, own_suite.rubric
    assert rubric is not None
    written = [line for line in lines if line.by is None]
    assert len(written) >= 120 and len(lines) - len(written) >= 120
    assert len({(line.prompt, line.answer) for line in lines}) == len(lines)
    for part in (written, [line for line in written if line.held_out]):
        counted = Counter(line.label for line in part)
        assert set(counted) == {label.id for label in rubric.labels}
        assert min(counted.values()) >= len(part) / 10
    harmful = sum(line.harmful for line in written)
    assert 0.4 <= harmful / len(written) <= 0.6
    for part in (written, lines):
        assert 0.4 <= sum(line.held_out for line in part) / len(part) <= 0.6


def test_no_prompt_is_one_of_the_suite(own_suite: Suite) -> None:
    lines = own_suite.labelled
    known = [text for _, text in own_suite.evaluation_texts()]
    known += [prompt for c in own_suite.categories.values() for prompt in c.train]
    found = near_duplicates([line.prompt for line in lines], known)
    assert [(lines[row].prompt, known[column]) for row, column, _ in found] == []
