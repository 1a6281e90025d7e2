from __future__ import annotations

from pathlib import Path

import pytest

from ethogram.specs.base import read_spec
from ethogram.specs.errors import SpecError
from ethogram.specs.models import Lora, ModelsFile, Recipe, Source

SHA = "0123456789abcdef" * 4
TEXT = """\
sources:
  tiny:
    folder: models/tiny
recipes:
  quick: {epochs: 2}
matrix:
  - {source: tiny, constitutions: all, recipe: quick}
candidates:
  mine:
    source: tiny
    constitution: duty
    adapter: adapters/mine
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(folder: Path, text: str) -> ModelsFile:
    (folder / "models.yaml").write_text(text, encoding="utf-8")
    return read_spec(ModelsFile, folder / "models.yaml")


def fault(folder: Path, old: str, new: str) -> str:
    assert TEXT.count(old) == 1
    with pytest.raises(SpecError) as caught:
        read(folder, TEXT.replace(old, new))
    (problem,) = caught.value.problems
    return str(problem)


def test_defaults_are_those_of_a_plain_adapter_on_the_processor(here: Path) -> None:
    found = read(here, TEXT)

    assert found.recipes["quick"].lora.model_dump() == {
        "rank": 8,
        "alpha": None,
        "dropout": 0.0,
        "layers": "all",
        "targets": "linear",
    }
    assert found.matrix[0].scopes == ("broad", "narrow")
    assert found.matrix[0].seeds == (0,)
    assert not found.sources["tiny"].trust_remote_code
    assert found.sources["tiny"].dtype == "float32"


def test_a_file_of_sources_alone_is_enough(here: Path) -> None:
    found = read(here, TEXT[: TEXT.index("recipes")])

    assert (found.recipes, found.matrix, found.candidates) == ({}, (), {})


def test_models_of_a_file_stand_at_their_keys(here: Path) -> None:
    found = read(here, TEXT)

    assert str(found.sources["tiny"].place) == "models.yaml:2:3"
    assert str(found.matrix[0].place) == "models.yaml:7:5"
    assert str(found.candidates["mine"].place) == "models.yaml:9:3"


@pytest.mark.parametrize(
    "source",
    [
        f"{{wheel: a==1, file: x.gguf, sha256: {SHA}}}",
        f"{{file: x.gguf, sha256: {SHA}}}",
        "{folder: x}",
        "{hub: org/name, revision: main, trust_remote_code: true}",
    ],
)
def test_each_way_to_name_a_source_is_taken(here: Path, source: str) -> None:
    assert read(here, f"sources:\n  s: {source}\n").sources["s"].place.line == 2


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{dtype: float32}", "2:3: name exactly one of: wheel (with file), file, folder, hub"),
        ("{folder: x, hub: y}", "2:3: name exactly one of: wheel (with file), file, folder, hub"),
        ("{wheel: a==1}", "2:3: 'wheel' needs 'file', the name of the GGUF file inside it"),
        ("{wheel: a, file: b}", "2:7: 'wheel' must be pinned as name==version, not 'a'"),
        ("{file: x}", "2:3: 'file' needs 'sha256', the digest that it must have"),
        ("{file: x, sha256: abc}", "2:24: 'abc' is no SHA-256: write its 64 digits of 0-9 and a-f"),
        ("{folder: x, dtype: int8}", "2:25: 'dtype' cannot be 'int8'; use 'float32', 'bfloat16'"),
        ("{folder: ''}", "2:15: 'folder' is empty"),
        (r'{folder: "a\0b"}', "2:15: 'folder' holds the control character U+0000"),
        ("text", "2:6: 's' must be a mapping of keys to values, not 'text'"),
    ],
)
def test_a_source_that_cannot_be_found_is_refused(here: Path, source: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        read(here, f"sources:\n  s: {source}\n")

    assert str(caught.value).startswith(f"models.yaml:{said}")
    assert len(caught.value.problems) == 1


def test_recipes_do_not_share_what_they_leave_out(here: Path) -> None:
    found = read(here, TEXT.replace("recipes:\n", "recipes:\n  slow: {epochs: 9}\n"))

    assert found.recipes["slow"].lora is not found.recipes["quick"].lora
    assert found.recipes["slow"].place.line == 5
    assert found.recipes["quick"].place.line == 6


def test_a_file_needs_a_source(here: Path) -> None:
    with pytest.raises(SpecError, match="'sources' needs at least 1 entry, and has 0"):
        read(here, "sources: {}\n")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("constitutions: all, ", "", "7:5: a row names either 'constitutions' or 'placebo'"),
        ("all,", "all, placebo: neutral,", "7:5: a row names either 'constitutions' or 'placebo'"),
        ("all,", "all, scopes: [],", "7:48: 'scopes' needs at least 1 entry, and has 0"),
        ("all,", "all, scopes: [brod],", "7:49: entry 1 of 'scopes' cannot be 'brod' (did you"),
        ("all,", "all, seeds: [],", "7:47: 'seeds' needs at least 1 entry, and has 0"),
        ("all,", "all, seeds: 1,", "7:47: 'seeds' must be a list, not 1"),
        (
            "all,",
            "all, seeds: [4294967296],",
            "7:48: entry 1 of 'seeds' must be below 4294967296, not 4294967296",
        ),
        ("all,", "all, seeds: [-1],", "7:48: entry 1 of 'seeds' must be at least 0, not -1"),
        ("all,", "all, seeds: [one],", "7:48: entry 1 of 'seeds' must be a whole number, not"),
        (
            "adapter: adapters/mine",
            "scope: broad",
            "9:3: name exactly one of: adapter, checkpoint,",
        ),
        ("adapters/mine", "a\n    checkpoint: b", "9:3: name exactly one of: adapter, checkpoint,"),
        ("adapter: adapters/mine", "endpoint: http://x", "9:3: 'endpoint' needs 'model', the name"),
        (
            "adapter: adapters/mine",
            "endpoint: file:///etc/passwd\n    model: m",
            "12:5: 'endpoint' must begin with http:// or https://, not be 'file:///etc/passwd'",
        ),
        ("  mine:", "  ../mine:", "9:3: '../mine' is no id: use a-z, 0-9 and single hyphens"),
        (" {epochs: 2}", "", "5:9: 'quick' has no value; it must be a mapping of keys to values"),
    ],
)
def test_what_is_wrong_in_models_is_named_at_its_line(
    here: Path, old: str, new: str, said: str
) -> None:
    assert fault(here, old, new).startswith(f"models.yaml:{said}")


def test_seeds_go_up_to_what_every_generator_takes(here: Path) -> None:
    assert read(here, TEXT.replace("all,", f"all, seeds: [{2**32 - 1}],")).matrix[0].seeds
    assert "must be below" in fault(here, "all,", f"all, seeds: [{2**32}],")


def test_recipes_with_the_same_values_are_equal_however_they_are_written() -> None:
    assert Recipe(epochs=3, lora=Lora(rank=8)) == Recipe.model_validate(
        {"lora": {"rank": 8}, "epochs": 3.0}
    )


def test_a_preference_says_what_the_answer_is_preferred_to(here: Path) -> None:
    assert read(here, TEXT).recipes["quick"].preference is None
    text = TEXT.replace(
        "epochs: 2", "epochs: 2, preference: {over: {draft: 1, rivals: 0.5, refusal: 2}}"
    )
    found = read(here, text).recipes["quick"].preference
    assert found is not None
    assert found.model_dump() == {
        "over": {"draft": 1.0, "rivals": 0.5, "refusal": 2.0},
        "beta": 5.0,
    }


@pytest.mark.parametrize(
    ("preference", "said"),
    [
        ("{}", "missing key 'over'"),
        ("{over: {}}", "'over' needs at least 1 entry, and has 0"),
        ("{over: draft}", "'over' must be a mapping of keys to values, not 'draft'"),
        ("{over: {drafts: 1}}", "(did you mean 'draft'?)"),
        ("{over: {draft: 0}}", "'draft' must be above 0, not 0"),
        ("{over: {draft: 1}, beta: -1}", "'beta' must be above 0, not -1"),
        ("{over: {draft: 1}, beta: .inf}", "'beta' must be a finite number"),
        ("{over: {draft: 1}, margin: 1}", "unknown key 'margin'"),
    ],
)
def test_a_preference_that_says_nothing_is_refused(here: Path, preference: str, said: str) -> None:
    found = fault(here, "epochs: 2", f"epochs: 2, preference: {preference}")
    assert found.startswith("models.yaml:5:") and said in found


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (
            "full: true, lora: {rank: 4}",
            "a full finetune has no adapter: leave 'lora' or 'full' out",
        ),
        ("full: true, quantize: 4bit", "a full finetune needs whole weights: leave 'quantize'"),
        ("quantize: 8bit", "'quantize' cannot be '8bit'"),
        (
            "quantize: 4bit, dtype: mixed",
            "four bits are computed in the source's dtype: leave 'quantize' or 'dtype' out",
        ),
        ("accumulate: 0", "'accumulate' must be at least 1, not 0"),
        ("average: 3", "'average' takes 3 epochs; the recipe has 2"),
        ("average: 0", "'average' must be at least 1, not 0"),
    ],
)
def test_options_of_a_recipe_that_do_not_go_together_are_refused(
    here: Path, recipe: str, said: str
) -> None:
    found = fault(here, "epochs: 2", f"epochs: 2, {recipe}")
    assert found.startswith("models.yaml:5:") and said in found


def test_options_that_are_not_used_are_not_part_of_a_recipes_identity() -> None:
    plain = Recipe().identity()
    assert not {"full", "quantize", "accumulate", "average"} & set(plain)
    assert Recipe(accumulate=2, average=2).identity() == {**plain, "accumulate": 2, "average": 2}
    assert Recipe(quantize="4bit").identity() == {**plain, "quantize": "4bit"}
    assert Recipe(full=True).identity() == {**plain, "full": True}


def test_a_recipe_may_train_a_source_in_float32_otherwise() -> None:
    whole, half = Source(folder="."), Source(folder=".", dtype="bfloat16")
    assert Recipe(dtype="mixed").source(whole) == whole.model_copy(update={"dtype": "mixed"})
    assert Recipe(dtype="mixed").source(half) == half
    assert Recipe().source(whole) == whole
    assert Recipe(dtype="mixed").identity() == {**Recipe().identity(), "dtype": "mixed"}


def test_less_than_an_epoch_is_a_recipe() -> None:
    assert Recipe(epochs=0.3).average == 1
    with pytest.raises(ValueError, match="'average' takes 2 epochs; the recipe"):
        Recipe(epochs=0.3, average=2)


@pytest.mark.parametrize(
    ("lora", "message"),
    [
        ("layers: 0", "'layers' cannot be 0; use 'all' or at least 1"),
        ("layers: -1", "'layers' cannot be -1; use 'all' or at least 1"),
        ("layers: true", "'layers' cannot be true; use 'all' or a whole number"),
        ("targets: []", "'targets' needs at least 1 entry, and has 0"),
        ("rank: true", "'rank' must be a whole number, not true"),
        ("dropout: false", "'dropout' must be a number, not false"),
    ],
)
def test_a_shape_that_would_be_another_is_refused(tmp_path, lora, message):
    file = tmp_path / "models.yaml"
    file.write_text(f"sources: {{s: {{folder: x}}}}\nrecipes: {{a: {{lora: {{{lora}}}}}}}\n")
    with pytest.raises(SpecError) as raised:
        read_spec(ModelsFile, file)
    assert [problem.message for problem in raised.value.problems] == [message]


def test_true_is_no_number_within_lists_and_mappings_either(tmp_path):
    file = tmp_path / "models.yaml"
    file.write_text(
        "sources: {s: {folder: x}}\n"
        "recipes: {a: {epochs: true, preference: {over: {draft: true}}}}\n"
        "matrix: [{source: s, constitutions: all, scopes: [broad], seeds: [true], recipe: a}]\n"
    )
    with pytest.raises(SpecError) as raised:
        read_spec(ModelsFile, file)
    assert [problem.message for problem in raised.value.problems] == [
        "'epochs' must be a number, not true",
        "'draft' must be a number, not true",
        "entry 1 of 'seeds' must be a whole number, not true",
    ], "and every fault is named"


@pytest.mark.parametrize("told", ["sk-abc123", "MY KEY", "${KEY}", "1ST"])
def test_a_key_in_the_place_of_its_variable_is_refused_and_not_repeated(told, tmp_path):
    file = tmp_path / "models.yaml"
    mine = "{source: s, constitution: duty, endpoint: 'http://x/v1', model: m, api_key_env: '%s'}"
    file.write_text("sources: {s: {folder: x}}\ncandidates:\n  mine: " + mine % told + "\n")
    with pytest.raises(
        SpecError, match="name the environment variable that holds the key"
    ) as caught:
        read_spec(ModelsFile, file)
    assert told not in str(caught.value)
