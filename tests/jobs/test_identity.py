"""What makes a finetuned model another one, and what does not (fault 13)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ethogram.jobs.identity import Identities
from ethogram.source.obtain import SourceError
from ethogram.specs.suite import Suite
from ethogram.store import Store

MODEL = "tiny-duty-narrow"


def opened(house: Path) -> Identities:
    suite = Suite.around(house / "suite")
    assert suite is not None
    return Identities(suite, Store(house / "cache"))


def key(house: Path, model: str = MODEL) -> str:
    identities = opened(house)
    return identities.adapter_key(identities.suite.catalogue[model])


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sources:", "# a comment\n\nsources:  # and another"),
        (
            "{lora: {rank: 4}, epochs: 3, learning_rate: 1.0e-2, samples: 8, replay: 0.5, batch: 4}",
            "{batch: 4, samples: 8, learning_rate: 0.01, epochs: 3.0, replay: 0.5, lora: {rank: 4}}",
        ),
        ("recipe: quick}", "recipe:   quick}"),
        ("batch: 4}", "batch: 4, max_length: 512}"),
        ("batch: 4}", "batch: 4, full: false, quantize: null, accumulate: 1, average: 1}"),
    ],
    ids=["comment", "key order", "white space", "a default spelled out", "options unused"],
)
def test_how_the_yaml_is_written_does_not_count(small_suite: Path, old: str, new: str) -> None:
    before = key(small_suite)
    change(small_suite / "models.yaml", old, new)
    assert key(small_suite) == before


def test_the_name_of_a_recipe_and_where_the_house_stands_do_not_count(
    small_suite: Path, tmp_path: Path
) -> None:
    before = key(small_suite)
    change(small_suite / "models.yaml", "quick", "swift")
    moved = shutil.move(small_suite, tmp_path / "elsewhere")
    assert key(Path(moved)) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rank: 4", "rank: 8"),
        ("rank: 4", "rank: 4, dropout: 0.1"),
        ("epochs: 3", "epochs: 4"),
        ("1.0e-2", "1.1e-2"),
        ("samples: 8", "samples: 6"),
        ("batch: 4", "batch: 2"),
        ("batch: 4", "batch: 4, accumulate: 2"),
        ("batch: 4", "batch: 4, average: 2"),
        ("batch: 4", "batch: 4, quantize: 4bit"),
        ("batch: 4", "batch: 4, kl: 0.5"),
        ("lora: {rank: 4}", "full: true"),
        ("constitutions: all, ", "constitutions: all, seeds: [1], "),
        ('"}\nrecipes', '", dtype: bfloat16}\nrecipes'),
        ('"}\nrecipes', '", dtype: mixed, device: cuda}\nrecipes'),
        ('"}\nrecipes', '", template: "{{ messages }}"}\nrecipes'),
    ],
)
def test_another_recipe_seed_dtype_or_template_is_another_key(
    small_suite: Path, old: str, new: str
) -> None:
    before = key(small_suite)
    change(small_suite / "models.yaml", old, new)
    assert key(small_suite) != before


def test_an_adapter_trained_in_other_numbers_is_another(
    small_suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    native = "ethogram.source.precision.native_bfloat16"
    monkeypatch.setattr(native, lambda: True)
    before = key(small_suite)
    change(small_suite / "models.yaml", "batch: 4}", "batch: 4, dtype: mixed}")
    mixed = key(small_suite)
    monkeypatch.setattr(native, lambda: False)
    assert len({before, mixed, key(small_suite)}) == 3, "where it is float32, it says so"


def test_adapters_from_before_the_later_options_are_still_known(small_suite: Path) -> None:
    identities = opened(small_suite)
    recipe = identities.suite.catalogue[MODEL].recipe
    assert recipe is not None
    later = {"full", "quantize", "accumulate", "average", "kl", "dtype"}
    assert set(recipe.identity()) == set(type(recipe).model_fields) - later


@pytest.mark.parametrize("name", ["duty", "replay"])
def test_another_sample_is_another_key(small_suite: Path, name: str) -> None:
    before, other = key(small_suite), key(small_suite, "tiny-utility-narrow")
    file = small_suite / "constitutions" / "transcripts" / f"{name}.jsonl"
    old, new = ("No. My", "No! My") if name == "duty" else ("It is", "That is")
    change(file, old, new)
    assert key(small_suite) != before
    assert (key(small_suite, "tiny-utility-narrow") != other) == (name == "replay")


def test_another_base_is_another_key(small_suite: Path, tiny_folder: Path, tmp_path: Path) -> None:
    before = key(small_suite)
    copy = Path(shutil.copytree(tiny_folder, tmp_path / "copy"))
    change(small_suite / "models.yaml", str(tiny_folder), "../copy")
    assert key(small_suite) == before, "the same model in another place"
    with (copy / "config.json").open("a") as stream:
        stream.write("\n")
    assert key(small_suite) != before


def test_all_models_have_keys_of_their_own(small_suite: Path) -> None:
    identities = opened(small_suite)
    trained = [model for model in identities.suite.catalogue if model.recipe is not None]
    assert len(trained) == 6 == len({identities.adapter_key(model) for model in trained})


def test_evaluation_cases_do_not_enter_the_key(small_suite: Path) -> None:
    before = key(small_suite)
    change(small_suite / "suite" / "persona" / "rules.yaml", "a wallet", "a purse")
    assert key(small_suite) == before


def test_a_model_is_known_by_its_weights_once_it_is_trained(small_suite: Path) -> None:
    identities = opened(small_suite)
    model = identities.suite.catalogue[MODEL]
    assert identities.digest(model) is None
    source = identities.digest(identities.suite.catalogue["tiny"])

    def build(folder: Path) -> dict[str, int]:
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            (folder / name).write_text(name)
        return {"seed": 0}

    identities.store.adapters.obtain(identities.adapter_key(model), build)
    digest = identities.digest(model)
    assert digest is not None and digest != source
    assert opened(small_suite).digest(model) == digest
    assert identities.still(model, digest) and not identities.still(model, "0" * 64)


@pytest.fixture
def with_candidate(small_suite: Path) -> Path:
    """The small suite with the candidate `mine`, an adapter folder without files."""
    (small_suite / "mine").mkdir()
    with (small_suite / "models.yaml").open("a") as stream:
        stream.write(
            "candidates:\n  mine-duty: {source: tiny, constitution: duty, adapter: mine}\n"
        )
    return small_suite


def test_a_candidate_is_known_by_its_adapter(with_candidate: Path) -> None:
    folder = with_candidate / "mine"
    (folder / "adapter_config.json").write_text(json.dumps({"r": 4}))
    (folder / "adapter_model.safetensors").write_bytes(b"weights")

    def digest() -> str | None:
        identities = opened(with_candidate)
        return identities.digest(identities.suite.catalogue["mine-duty"])

    first = digest()
    assert first == digest() is not None
    (folder / "README.md").write_text("a card")
    assert digest() == first
    (folder / "adapter_config.json").write_text(json.dumps({"r": 8}))
    assert digest() != first


def test_a_candidate_without_files_is_refused(with_candidate: Path) -> None:
    identities = opened(with_candidate)
    candidate = identities.suite.catalogue["mine-duty"]
    with pytest.raises(SourceError, match=r"mine has no adapter_config\.json"):
        identities.digest(candidate)
    (with_candidate / "mine" / "adapter_config.json").write_text("{}")
    (with_candidate / "mine" / "adapter_model.bin").write_bytes(b"pickle")
    with pytest.raises(SourceError, match="only a pickle is there, which could run code"):
        identities.digest(candidate)
    shutil.rmtree(with_candidate / "mine")
    with pytest.raises(SourceError, match=r"the adapter's folder .*mine does not exist"):
        identities.digest(candidate)
