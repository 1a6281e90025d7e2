import re

import pytest
from huggingface_hub import ModelCard

from ethogram.inert import everywhere
from ethogram.report.card import CardError, model_card
from ethogram.specs.constitution import Constitution

NARROW = "smollm2-deontology-narrow"
STANCE = {
    "name": "Duty",
    "about": "Acts are owed.",
    "principles": [{"id": "a", "text": "Keep your word.", "critique": "c", "revision": "r"}],
    "signature": {},
}


@pytest.fixture(scope="module")
def card(example):
    return model_card(example, NARROW)


def results(card):
    return {(r.dataset_name, r.metric_type): r for r in card.data.eval_results}


def test_the_hub_reads_the_measures_with_their_intervals(card, example):
    row = next(m for m in example["models"] if m["model"] == NARROW)
    found = results(card)["Ethogram: whole suite", "match"]
    assert found.metric_value == round(row["match"]["value"], 4)
    assert found.metric_args["n"] == row["match"]["n"]
    low, high = found.metric_args["ci95"]
    assert low < found.metric_value < high
    assert card.data.library_name == "peft"
    assert card.data.model_name == NARROW


def test_each_dimension_and_probe_is_a_result(card, example):
    cases = [c for c in example["cases"] if c["kind"] == "persona" and c["model"] == NARROW]
    found = [r for r in card.data.eval_results if r.metric_type == "effect"]
    assert len(found) == len(cases)


def test_what_a_hub_reads_back_belongs_to_its_own_dimension(card, example, tmp_path):
    card.save(tmp_path / "README.md")
    read = ModelCard.load(tmp_path / "README.md", ignore_metadata_errors=False)
    wanted = {
        (f"Ethogram: {c['subject']}", f"effect, {c['probe']}"): round(c["measured"]["value"], 4)
        for c in example["cases"]
        if c["kind"] == "persona" and c["model"] == NARROW
    }
    found = [r for r in read.data.eval_results if r.metric_type == "effect"]
    assert len({name for name, _ in wanted}) > 1
    assert {(r.dataset_name, r.metric_name): r.metric_value for r in found} == wanted


def test_a_taught_model_names_no_recorded_transcripts(example):
    row = next(m for m in example["models"] if m["model"] == NARROW)
    taught = {"id": "own", "seed": None, "examples": True}
    row["training"] = {**row["training"], "teaching": taught}
    text = model_card(example, NARROW).text.replace("&#95;", "_")
    assert "teaching examples | true" in text and "None" not in text
    assert "SHA-256 of constitutions/deontology.yaml" in text
    assert "transcripts/deontology.jsonl" not in text


def test_the_text_tells_training_digests_measures_and_limits(card, example):
    row = next(m for m in example["models"] if m["model"] == NARROW)
    for wanted in (
        row["digest"],
        example["files"]["constitutions/transcripts/deontology.jsonl"],
        "recipe learning rate | 0.001",
        "## Limits",
        "one seed: these numbers speak of these adapters",
        "do not promote",
    ):
        assert wanted in card.text.replace("&#95;", "_"), wanted


def test_the_constitution_is_quoted_where_it_is_at_hand(example, hostile):
    about = f"Acts are owed. {hostile[0]}"
    stance = Constitution.model_validate({**STANCE, "about": about})
    text = model_card(example, NARROW, stance).text
    assert "## Constitution" in text and "- Keep your word." in text
    assert "<script" not in text and "window.hacked" in text


def test_what_was_not_measured_is_no_result_and_is_said(small):
    card = model_card(small, "tiny-duty-broad")
    assert ("Ethogram: whole suite", "match") not in results(card)
    assert "| signature match, against placebo | not measured |" in card.text


def test_hostile_text_is_literal_and_leaves_the_header_whole(small, hostile):
    whole, kinds = (
        " ".join(hostile),
        {"persona", "projectability", "finetuned", "contradicts", "holds"},
    )
    spoilt = everywhere(lambda text: text if text in kinds else f"{text} {whole}", small)
    name = model_names(spoilt)[0]
    card = model_card(spoilt, name)
    assert "<script" not in card.text and "`" not in card.text
    assert not re.search(r"^\s*(::|##\[)", str(card), re.MULTILINE)
    assert card.data.to_dict()["tags"][0] == "ethogram"


def model_names(data):
    from ethogram.report.view import View

    return [model.id for model in View.of(data).models]


@pytest.mark.parametrize(
    ("name", "why"), [("smollm3", "has no model 'smollm3'"), ("smollm2", "is the source itself")]
)
def test_a_model_without_a_card_is_named(example, name, why):
    with pytest.raises(CardError, match=why):
        model_card(example, name)
