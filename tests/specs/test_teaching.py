from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from ethogram.specs.base import read_spec
from ethogram.specs.catalogue import expand
from ethogram.specs.errors import SpecError
from ethogram.specs.models import ModelsFile

MODELS = """
    sources: {tiny: {folder: here}}
    recipes: {quick: {}}
    matrix:
      - {source: tiny, constitutions: all, scopes: [broad], recipe: quick}
      - {source: tiny, constitutions: [duty], scopes: [broad], seeds: [0, 1], recipe: quick, teaching: own}
    teachers:
      itself: {local: tiny}
      big: {endpoint: "http://localhost/v1", model: m}
    teaching:
      own: {draft: itself, revise: big, rounds: 2}
"""


def read(folder: Path, text: str) -> ModelsFile:
    file = folder / "models.yaml"
    file.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    return read_spec(ModelsFile, file)


def test_a_taught_row_has_models_of_its_own(tmp_path: Path) -> None:
    models = expand(read(tmp_path, MODELS), ["duty", "utility"])
    assert [model.id for model in models] == [
        "tiny",
        "tiny-duty-broad",
        "tiny-utility-broad",
        "tiny-duty-broad-own-seed0",
        "tiny-duty-broad-own-seed1",
    ]
    assert models["tiny-duty-broad"].teaching is models["tiny-duty-broad"].teaching_id is None
    taught = models["tiny-duty-broad-own-seed0"]
    assert taught.teaching_id == "own" and taught.teaching and taught.teaching.rounds == 2


def test_recorded_may_be_said(tmp_path: Path) -> None:
    models = expand(
        read(tmp_path, MODELS.replace("teaching: own}", "teaching: recorded}")), ["duty"]
    )
    assert models["tiny-duty-broad-seed0"].teaching is None


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        (
            "draft: itself",
            "draft: itsel",
            "10",
            "unknown teacher 'itsel' (did you mean 'itself'?)",
        ),
        ("local: tiny", "local: tini", "7", "unknown source 'tini' (did you mean 'tiny'?)"),
        (
            "teaching: own}",
            "teaching: owm}",
            "5",
            "unknown teaching 'owm' (did you mean 'own'?)",
        ),
        (
            "local: tiny",
            "local: tiny, model: m",
            "7",
            "'model' is for endpoint teachers",
        ),
        ("model: m}", "model: m, batch: 2}", "8", "'batch' is for local teachers"),
        ("http://localhost", "ftp://localhost", "8", "must begin with http"),
        ("http://localhost", "http://me@localhost", "8", "holds a user name"),
        (", model: m", "", "8", "needs 'model'"),
        ("{local: tiny}", "{}", "7", "exactly one of: local, endpoint"),
        ("own: {draft", "recorded: {draft", "10", "'recorded' is the name of the transcripts"),
        ("rounds: 2", "round: 2", "10", "round"),
        ("rounds: 2", "top_p: 0", "10", "must be above 0"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    tmp_path: Path, old: str, new: str, line: str, message: str
) -> None:
    assert old in MODELS
    with pytest.raises(SpecError) as caught:
        read(tmp_path, MODELS.replace(old, new))
    said = [str(problem) for problem in caught.value.problems if message in problem.message]
    assert said, caught.value
    assert f"models.yaml:{line}:" in said[0], said


def test_a_placebo_is_not_taught(tmp_path: Path) -> None:
    text = MODELS.replace("constitutions: [duty]", "placebo: neutral")
    with pytest.raises(SpecError, match="a placebo is trained on recorded answers"):
        read(tmp_path, text)
