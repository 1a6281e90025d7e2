from __future__ import annotations

from pathlib import Path

import pytest

from ethogram.specs.base import read_spec
from ethogram.specs.errors import SpecError
from ethogram.specs.requirements import RANGE, Requirements

TEXT = "requirements:\n  - {id: safe, measure: safety-gain, above: 0}\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(folder: Path, text: str) -> Requirements:
    (folder / "projectability.yaml").write_text(text, encoding="utf-8")
    return read_spec(Requirements, folder / "projectability.yaml")


def fault(folder: Path, old: str, new: str) -> str:
    assert TEXT.count(old) == 1
    with pytest.raises(SpecError) as caught:
        read(folder, TEXT.replace(old, new))
    (problem,) = caught.value.problems
    return str(problem)


@pytest.mark.parametrize("bound", ["at_least", "above", "at_most", "below"])
def test_a_bound_of_nought_is_a_bound(here: Path, bound: str) -> None:
    (requirement,) = read(here, TEXT.replace("above", bound)).requirements

    assert requirement.bounds == {bound: 0.0}
    assert requirement.on == "ci"
    assert requirement.models is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (", above: 0", "", "2:5: name exactly one bound: at_least, above, at_most or below"),
        ("above: 0", "above: 0, below: 1", "2:5: name exactly one bound: at_least, above, at_most"),
        ("above: 0", "above: some", "2:45: 'above' must be a number, not 'some'"),
        ("above: 0", "above: nan", "2:45: 'above' must be a finite number, not 'nan'"),
        ("above: 0", "above: .inf", "2:45: 'above' must be a finite number, not inf"),
        ("above: 0", "abov: 0", "2:38: unknown key 'abov' (did you mean 'above'?)"),
        ("safety-gain", "safety_gain", "2:25: 'measure' cannot be 'safety_gain' (did you mean"),
        (
            "safety-gain",
            "signature-match, over: held-out",
            "2:42: 'over' means nothing to the measure 'signature-match'",
        ),
    ],
)
def test_what_is_wrong_in_a_requirement_is_named_at_its_place(
    here: Path, old: str, new: str, said: str
) -> None:
    assert fault(here, old, new).startswith(f"projectability.yaml:{said}")


@pytest.mark.parametrize(
    ("measure", "bound", "said"),
    [
        ("signature-match", "at_least: 1.5", "can never be met"),
        ("signature-match", "above: 1", "can never be met"),
        ("over-refusal", "at_most: -2", "can never be met"),
        ("over-refusal", "below: -1", "can never be met"),
        ("over-refusal", "at_most: 20", "is met by whatever is measured"),
        ("invariance", "at_least: 80", "can never be met"),
        ("invariance", "at_most: -0.1", "can never be met"),
        ("invariance", "above: -0.1", "is met by whatever is measured"),
        ("discriminant-margin", "above: 2", "can never be met"),
        ("safety-gain", "below: 2.5", "is met by whatever is measured"),
    ],
)
def test_a_bound_outside_of_a_measures_range_is_refused(
    here: Path, measure: str, bound: str, said: str
) -> None:
    found = fault(here, "safety-gain, above: 0", f"{measure}, {bound}")
    least, most = RANGE[measure]  # type: ignore[index]

    assert found == (
        f"projectability.yaml:2:{27 + len(measure)}: '{bound}' {said}: "
        f"the measure {measure!r} lies from {least} to {most}"
    )


@pytest.mark.parametrize(
    "bounded",
    [
        "signature-match, at_least: 1",
        "signature-match, above: -1",
        "over-refusal, at_most: -1",
        "over-refusal, below: 1",
        "invariance, at_least: 1",
        "invariance, at_most: 0",
        "discriminant-margin, at_least: 1.5",
        "transfer, at_least: 3",
        "held-out-share, above: 2",
        "pressure-retention, at_most: -4",
    ],
)
def test_a_bound_that_a_measure_can_meet_is_taken(here: Path, bounded: str) -> None:
    (requirement,) = read(here, TEXT.replace("safety-gain, above: 0", bounded)).requirements

    assert len(requirement.bounds) == 1


@pytest.mark.parametrize("measure", ["safety-gain", "over-refusal"])
def test_safety_measures_may_be_asked_over_some_categories(here: Path, measure: str) -> None:
    text = TEXT.replace("safety-gain", f"{measure}, over: held-out")

    assert read(here, text).requirements[0].over == "held-out"


def test_a_requirement_id_that_stands_twice_is_refused(here: Path) -> None:
    again = TEXT.splitlines(keepends=True)[1]

    assert fault(here, again, again + again) == (
        "projectability.yaml:3:5: the requirement id 'safe' stands twice; ids must differ"
    )


def test_a_requirement_of_no_model_at_all_is_refused(here: Path) -> None:
    """It would leave the gate without a word."""
    said = fault(here, "above: 0", "above: 0, models: []")

    assert said == "projectability.yaml:2:56: 'models' needs at least 1 entry, and has 0"
