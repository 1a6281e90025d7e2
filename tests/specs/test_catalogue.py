from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ethogram.specs.base import read_spec
from ethogram.specs.catalogue import Catalogue, expand
from ethogram.specs.errors import SpecError
from ethogram.specs.models import MatrixRow, ModelsFile
from ethogram.specs.presets import PRESETS
from ethogram.specs.suite import Suite

CONSTITUTIONS = ("duty", "utility")
HEAD = """\
sources:
  tiny: {folder: x}
  huge: {folder: y}
recipes:
  quick: {epochs: 2}
  slow: {epochs: 9}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def catalogue(folder: Path, rest: str) -> Catalogue:
    (folder / "models.yaml").write_text(HEAD + rest, encoding="utf-8")
    return expand(read_spec(ModelsFile, folder / "models.yaml"), CONSTITUTIONS)


def fault(folder: Path, rest: str) -> str:
    with pytest.raises(SpecError) as caught:
        catalogue(folder, rest)
    return str(caught.value)


def ids(found: Catalogue) -> list[str]:
    return [model.id for model in found]


def matrix(*rows: str) -> str:
    return "matrix:\n" + "".join(f"  - {{{row}}}\n" for row in rows)


def test_sources_alone_are_models(here: Path) -> None:
    found = catalogue(here, "")

    assert ids(found) == ["huge", "tiny"]
    assert {model.kind for model in found} == {"source"}
    assert not any(model.judged for model in found)


def test_a_row_is_written_out_to_constitutions_by_scopes(here: Path) -> None:
    found = catalogue(here, matrix("source: tiny, constitutions: all, recipe: quick"))

    assert ids(found)[2:] == [
        "tiny-duty-broad",
        "tiny-duty-narrow",
        "tiny-utility-broad",
        "tiny-utility-narrow",
    ]
    model = found["tiny-utility-narrow"]
    assert (model.kind, model.constitution, model.scope, model.seed) == (
        "finetuned",
        "utility",
        "narrow",
        0,
    )
    assert model.recipe is not None and model.recipe.epochs == 2
    assert model.judged


def test_constitutions_by_name_keep_their_order(here: Path) -> None:
    row = "source: tiny, constitutions: [utility, duty], scopes: [narrow], recipe: quick"

    assert ids(catalogue(here, matrix(row)))[2:] == ["tiny-utility-narrow", "tiny-duty-narrow"]


def test_one_seed_is_not_named_and_several_are(here: Path) -> None:
    row = "source: tiny, constitutions: [duty], scopes: [broad], recipe: quick"

    one = catalogue(here, matrix(f"{row}, seeds: [7]"))
    several = catalogue(here, matrix(f"{row}, seeds: [7, 0]"))

    assert ids(one)[2:] == ["tiny-duty-broad"]
    assert one["tiny-duty-broad"].seed == 7
    assert ids(several)[2:] == ["tiny-duty-broad-seed7", "tiny-duty-broad-seed0"]
    assert several["tiny-duty-broad-seed0"].seed == 0


@given(
    constitutions=st.lists(st.sampled_from(CONSTITUTIONS), unique=True, min_size=1),
    scopes=st.lists(st.sampled_from(["broad", "narrow"]), unique=True, min_size=1),
    seeds=st.lists(st.integers(0, 2**32 - 1), unique=True, min_size=1, max_size=4),
)
def test_every_cell_of_the_matrix_is_one_model_with_an_id_of_its_own(
    constitutions: list[str], scopes: list[str], seeds: list[int]
) -> None:
    row = {
        "source": "tiny",
        "constitutions": constitutions,
        "scopes": scopes,
        "seeds": seeds,
        "recipe": "quick",
    }
    spec = ModelsFile.model_validate(
        {"sources": {"tiny": {"folder": "x"}}, "recipes": {"quick": {}}, "matrix": [row]}
    )

    found = [model for model in expand(spec, CONSTITUTIONS) if model.kind != "source"]

    cells = {(model.constitution, model.scope, model.seed) for model in found}
    assert cells == {(c, scope, seed) for c in constitutions for scope in scopes for seed in seeds}
    assert len({model.id for model in found}) == len(found) == len(cells)


def test_a_placebo_is_judged_by_no_signature(here: Path) -> None:
    found = catalogue(here, matrix("source: tiny, placebo: neutral, recipe: quick"))

    assert ids(found)[2:] == ["tiny-neutral-broad", "tiny-neutral-narrow"]
    assert found["tiny-neutral-broad"].kind == "placebo"
    assert not found["tiny-neutral-broad"].judged


def test_every_model_knows_its_source(here: Path) -> None:
    found = catalogue(here, matrix("source: tiny, constitutions: all, recipe: quick"))

    assert found.source_of(found["tiny-duty-broad"]) is found["tiny"]
    assert found.source_of(found["tiny"]) is found["tiny"]


def test_the_placebo_is_the_plain_refusal_of_the_same_source_scope_and_recipe(here: Path) -> None:
    found = catalogue(
        here,
        matrix(
            "source: huge, placebo: plain-refusal, recipe: quick",
            "source: tiny, placebo: neutral, recipe: quick",
            "source: tiny, placebo: plain-refusal, recipe: quick",
            "source: tiny, constitutions: all, recipe: quick",
        ),
    )

    for scope in ("broad", "narrow"):
        placebo = found.placebo_of(found[f"tiny-duty-{scope}"])
        assert placebo is not None
        assert placebo.id == f"tiny-plain-refusal-{scope}"


@pytest.mark.parametrize(
    "other",
    [
        "source: huge, placebo: plain-refusal, recipe: quick",
        "source: tiny, placebo: neutral, recipe: quick",
        "source: tiny, placebo: plain-refusal, recipe: slow",
        "source: tiny, placebo: plain-refusal, scopes: [narrow], recipe: quick",
    ],
)
def test_no_other_placebo_stands_in(here: Path, other: str) -> None:
    found = catalogue(
        here, matrix(other, "source: tiny, constitutions: all, scopes: [broad], recipe: quick")
    )

    assert found.placebo_of(found["tiny-duty-broad"]) is None


def test_the_placebo_of_the_same_seed_is_preferred_and_another_will_do(here: Path) -> None:
    found = catalogue(
        here,
        matrix(
            "source: tiny, placebo: plain-refusal, scopes: [broad], seeds: [0, 1], recipe: quick",
            "source: tiny, constitutions: [duty], scopes: [broad], seeds: [1, 2], recipe: quick",
        ),
    )

    same = found.placebo_of(found["tiny-duty-broad-seed1"])
    another = found.placebo_of(found["tiny-duty-broad-seed2"])

    assert same is not None and same.seed == 1
    assert another is not None and another.seed == 0


CANDIDATE = "candidates:\n  {name}: {{source: tiny, constitution: duty, adapter: a{more}}}\n"


def test_a_candidate_is_named_after_its_constitution_once(here: Path) -> None:
    plain = catalogue(here, CANDIDATE.format(name="mine", more=""))
    named = catalogue(here, CANDIDATE.format(name="my-duty-bot", more=", scope: narrow"))

    assert "mine-duty" in plain
    assert "my-duty-bot" in named
    assert named["my-duty-bot"].kind == "candidate"
    assert named["my-duty-bot"].scope == "narrow"
    assert named["my-duty-bot"].seed is None


def test_a_candidate_has_the_placebo_that_it_names_and_no_other(here: Path) -> None:
    rows = matrix("source: tiny, placebo: plain-refusal, scopes: [broad], recipe: quick")
    more = ", scope: broad, placebo: tiny-plain-refusal-broad"

    with_one = catalogue(here, rows + CANDIDATE.format(name="mine", more=more))
    without = catalogue(here, rows + CANDIDATE.format(name="mine", more=", scope: broad"))

    named = with_one.placebo_of(with_one["mine-duty"])
    assert named is with_one["tiny-plain-refusal-broad"]
    assert without.placebo_of(without["mine-duty"]) is None


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            "source: tniy, constitutions: all, recipe: quick",
            "unknown source 'tniy' (did you mean 'tiny'?)",
        ),
        (
            "source: tiny, constitutions: all, recipe: quik",
            "unknown recipe 'quik' (did you mean 'quick'?)",
        ),
        (
            "source: tiny, constitutions: [duty, utilty], recipe: quick",
            "unknown constitution 'utilty' (did you mean 'utility'?)",
        ),
        (
            "source: tiny, constitutions: [virtue], recipe: quick",
            "unknown constitution 'virtue' (known: duty, utility)",
        ),
    ],
)
def test_a_row_that_names_what_does_not_exist_is_refused(here: Path, row: str, said: str) -> None:
    assert fault(here, matrix(row)) == f"models.yaml:8:5: {said}"


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        ("source: tny, constitution: duty", "unknown source 'tny' (did you mean 'tiny'?)"),
        ("source: tiny, constitution: duti", "unknown constitution 'duti' (did you mean 'duty'?)"),
        (
            "source: tiny, constitution: duty, placebo: tiny-refusal-broad",
            "no plain-refusal placebo of 'tiny' is called 'tiny-refusal-broad' (did you mean 'tiny-plain-refusal-broad'?)",
        ),
        (
            "source: tiny, constitution: duty, placebo: mine-duty",
            "no plain-refusal placebo of 'tiny' is called 'mine-duty' (known: tiny-plain-refusal-broad)",
        ),
        (
            "source: tiny, constitution: duty, placebo: tiny",
            "no plain-refusal placebo of 'tiny' is called 'tiny' (known: tiny-plain-refusal-broad)",
        ),
    ],
)
def test_a_candidate_that_names_what_does_not_exist_is_refused(
    here: Path, candidate: str, said: str
) -> None:
    rows = matrix("source: tiny, placebo: plain-refusal, scopes: [broad], recipe: quick")

    assert fault(here, f"{rows}candidates:\n  mine: {{{candidate}, adapter: a}}\n") == (
        f"models.yaml:10:3: {said}"
    )


def test_two_models_of_one_id_are_refused_at_the_later_one(here: Path) -> None:
    row = "source: tiny, constitutions: [duty], scopes: [broad], recipe: {}"
    twice = matrix(row.format("quick"), row.format("slow"))

    assert fault(here, twice) == ("models.yaml:9:5: two models would have the id 'tiny-duty-broad'")


@pytest.mark.parametrize("field", ["seeds: [3, 3]", "scopes: [broad, broad]"])
def test_a_value_that_stands_twice_in_a_row_is_refused(here: Path, field: str) -> None:
    row = f"source: tiny, constitutions: [duty], recipe: quick, {field}"

    assert "two models would have the id 'tiny-duty-broad" in fault(here, matrix(row))


def test_a_candidate_may_not_take_the_id_of_a_finetuned_model(here: Path) -> None:
    rows = matrix("source: tiny, constitutions: [duty], scopes: [broad], recipe: quick")

    said = fault(here, rows + CANDIDATE.format(name="tiny-duty-broad", more=""))

    assert said == "models.yaml:10:3: two models would have the id 'tiny-duty-broad'"


def test_a_row_by_itself_needs_no_file() -> None:
    row = MatrixRow(source="tiny", constitutions="all", recipe="quick")
    spec = ModelsFile.model_validate(
        {"sources": {"tiny": {"folder": "x"}}, "recipes": {"quick": {}}, "matrix": [row]}
    )

    assert len(ids(expand(spec, CONSTITUTIONS))) == 5


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_needs_no_recipe_in_the_file(here: Path, name: str) -> None:
    found = catalogue(here, matrix(f"source: tiny, constitutions: [duty], recipe: {name}"))

    assert found["tiny-duty-broad"].recipe == PRESETS[name]
    assert found["tiny-duty-broad"].recipe_id == name


def test_a_recipe_in_the_file_goes_before_the_preset(here: Path) -> None:
    text = HEAD.replace("quick:", "laptop:") + matrix(
        "source: tiny, constitutions: [duty], recipe: laptop"
    )
    (here / "models.yaml").write_text(text, encoding="utf-8")
    found = expand(read_spec(ModelsFile, here / "models.yaml"), CONSTITUTIONS)

    recipe = found["tiny-duty-broad"].recipe
    assert recipe is not None and recipe.epochs == 2 and recipe.samples != PRESETS["laptop"].samples


def test_a_preset_that_is_not_there_is_guessed(here: Path) -> None:
    said = fault(here, matrix("source: tiny, constitutions: [duty], recipe: gpu-8"))

    assert "unknown recipe 'gpu-8' (did you mean 'gpu-8b'?)" in said


def test_the_shipped_laptop_recipe_is_the_preset(own_suite: Suite) -> None:
    shipped = own_suite.models.recipes["laptop"]
    assert shipped.model_dump() == PRESETS["laptop"].model_dump()
