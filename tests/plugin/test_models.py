from pathlib import Path

from ethogram.jobs import Progress, Run
from ethogram.plugin.models import row_of
from ethogram.report.provenance import versions
from ethogram.specs.suite import Suite
from ethogram.store import Store


def rows(house):
    suite = Suite.around(house.root / "suite")
    run = Run(suite, Store(house.cache), Progress(bars=False))
    return {model.id: row_of(model, run, ()) for model in suite.catalogue}


def test_a_row_says_what_a_model_is_and_what_made_it(house):
    row = rows(house)["tiny-duty-narrow"]
    assert (row.kind, row.constitution, row.scope, row.seed) == ("finetuned", "duty", "narrow", 0)
    assert (row.source, row.placebo) == ("tiny", "tiny-plain-refusal-narrow")
    assert (Path(row.adapter) / "adapter_model.safetensors").is_file()
    assert (Path(row.base) / "config.json").is_file()
    assert row.training["samples"] == 8
    assert row.training["recipe"]["learning_rate"] == 0.01


def test_a_source_has_no_persona_and_no_gain_of_its_own(house):
    row = rows(house)["tiny"]
    assert row.kind == "source" and row.digest and row.adapter is None
    assert row.match is None and row.safety_trained is None and row.over_refusal is None


def test_a_placebo_has_a_safety_row_and_no_persona(house):
    row = rows(house)["tiny-plain-refusal-narrow"]
    assert row.match is None and row.discriminant is None
    assert row.safety_held_out is not None and row.over_refusal is not None


def test_a_broad_model_holds_nothing_out(house):
    found = rows(house)
    assert found["tiny-duty-broad"].safety_held_out is None
    assert found["tiny-duty-broad"].safety_trained is not None
    assert found["tiny-duty-narrow"].safety_held_out is not None


def test_what_was_not_scored_is_not_measured_never_zero(bare):
    row = rows(bare)["tiny-duty-narrow"]
    assert row.digest is None and row.adapter is None
    assert row.match is None and row.over_refusal is None and row.safety_trained is None
    assert row.verdicts == {"holds": 0, "contradicts": 0, "undecided": 0}


def test_every_package_that_a_number_rests_on_has_its_version():
    found = versions()
    assert found.keys() == {
        "ethogram",
        "python",
        "pytest",
        "torch",
        "transformers",
        "peft",
        "numpy",
        "scipy",
        "pydantic",
        "hypothesis",
    }
    assert all(found.values())
