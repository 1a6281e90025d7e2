from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from ethogram.specs.base import read_spec
from ethogram.specs.errors import SpecError
from ethogram.specs.suite import Suite
from ethogram.specs.sweep import Sweep

HEAD = "about: Try.\nsource: tiny\nconstitutions: [duty, utility]\nbase: quick\n"


@pytest.fixture
def house(small_suite: Path, monkeypatch: pytest.MonkeyPatch) -> Suite:
    monkeypatch.chdir(small_suite)
    suite = Suite.around(small_suite / "suite")
    assert suite is not None
    return suite


def read(suite: Suite, text: str = "", head: str = HEAD) -> Sweep:
    file = suite.root / "constitutions" / "sweeps" / "try.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(head + textwrap.dedent(text), encoding="utf-8")
    return read_spec(Sweep, file)


def fault(suite: Suite, text: str = "", head: str = HEAD) -> str:
    with pytest.raises(SpecError) as caught:
        read(suite, text, head).expanded(suite)
    return str(caught.value).removeprefix("constitutions/sweeps/try.yaml:")


def test_without_changes_the_base_itself_is_tried(house: Suite) -> None:
    spec = read(house)
    assert spec.expanded(house) == {"quick": (house.models.recipes["quick"], {})}
    assert (spec.scope, spec.seed, spec.points) == ("narrow", 0, ())


def test_recipes_change_the_base_key_by_key(house: Suite) -> None:
    found = read(house, "recipes: {as-it-is: {}, wide: {lora.rank: 16, epochs: 5}}").expanded(house)
    base = house.models.recipes["quick"]
    assert list(found) == ["as-it-is", "wide"]
    assert found["as-it-is"][0] == base
    wide, settings = found["wide"]
    assert (wide.lora.rank, wide.epochs, wide.learning_rate) == (16, 5, base.learning_rate)
    assert settings == {"lora.rank": 16, "epochs": 5}


def test_a_grid_is_every_combination(house: Suite) -> None:
    found = read(house, "grid: {lora.rank: [2, 4], learning_rate: [1.0e-3, 1.0e-4]}")
    names = list(found.expanded(house))
    assert names[0] == "lora.rank 2, learning_rate 0.001" and len(names) == 4


def test_a_part_that_the_base_has_not_is_made(house: Suite) -> None:
    found = read(
        house, "recipes: {pairs: {preference.over.draft: 0.5, preference.beta: 2}}"
    ).expanded(house)
    preference = found["pairs"][0].preference
    assert preference is not None and (preference.over, preference.beta) == ({"draft": 0.5}, 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("recipes: {odd: {rank: 4}}", "the recipe 'odd' is none: rank"),
        ("recipes: {odd: {lora.rank: 0}}", "the recipe 'odd' is none: lora.rank"),
        ("contrast: [duty, duty]", "'contrast' needs two of the sweep's constitutions"),
        ("contrast: [duty, care]", "'contrast' needs two of the sweep's constitutions, not 'care'"),
        ("grid: {epochs: []}", "'epochs' has no value"),
        ("points: [0]", "points"),
    ],
)
def test_what_cannot_be_tried_is_named(house: Suite, text: str, said: str) -> None:
    assert said in fault(house, text)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("source: tiny", "source: tinny", "no source is called 'tinny' (did you mean 'tiny'?)"),
        ("base: quick", "base: slow", "no recipe is called 'slow'"),
        ("[duty, utility]", "[duty, care]", "no constitution is called 'care'"),
        ("[duty, utility]", "[duty, duty]", "'duty' stands twice"),
    ],
)
def test_names_that_nothing_has_are_refused(house: Suite, old: str, new: str, said: str) -> None:
    assert said in fault(house, head=HEAD.replace(old, new))


def test_keys_within_others_are_written_with_a_dot(tmp_path):
    file = tmp_path / "wide.yaml"
    file.write_text(
        "about: x\nsource: s\nconstitutions: [duty]\nbase: laptop\n"
        "recipes:\n  wide: {lora: {rank: 16}}\n",
        encoding="utf-8",
    )
    with pytest.raises(SpecError) as raised:
        read_spec(Sweep, file)
    (problem,) = raised.value.problems
    assert problem.message == "write 'lora.rank: 16' for a key within 'lora'"
    assert problem.place.line == 6
