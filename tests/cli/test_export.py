"""`ethogram export`: what is written loads with plain peft and transformers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard
from peft import AutoPeftModelForCausalLM, PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from ethogram.cli import main
from ethogram.jobs.finetune import adapter_of
from ethogram.jobs.identity import Identities
from ethogram.jobs.progress import Progress
from ethogram.source.load import attach_adapter, load_base
from ethogram.specs.suite import Suite
from ethogram.store import Store
from ethogram.train import export as module

MODEL = "tiny-duty-narrow"
Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def house(small_suite: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(small_suite)
    return small_suite


def opened(house: Path, store: Store) -> Identities:
    suite = Suite.around(house)
    assert suite is not None
    return Identities(suite, store)


def trained(house: Path, store: Store, model: str = MODEL) -> Path:
    identities = opened(house, store)
    progress = Progress(bars=False, write=lambda line: None)
    return adapter_of(identities.suite.catalogue[model], identities, progress)


@pytest.fixture
def say(store: Store, capsys: pytest.CaptureFixture[str]) -> Say:
    """Exports from the test's own cache: exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main(["export", *map(str, arguments), "--cache", str(store.root)])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return run


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model.eval()(input_ids=torch.arange(5, 25).unsqueeze(0)).logits
    return found


def expected(house: Path, store: Store, adapter: Path) -> torch.Tensor:
    """The logits of the model as the suite scores it."""
    source = opened(house, store).suite.catalogue["tiny"].source
    assert source.folder is not None
    return logits(attach_adapter(load_base(Path(source.folder), source), adapter).model)


def test_an_adapter_loads_with_plain_peft(
    house: Path, store: Store, say: Say, tiny_folder: Path, tmp_path: Path
) -> None:
    adapter = trained(house, store)
    code, out, err = say(MODEL, "--to", "out")
    assert (code, err) == (0, "")
    assert out.startswith(f"out: {MODEL}, an adapter\n")
    found = {file.name for file in Path("out").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "loss.json", "README.md"} <= found
    assert {"tokenizer.json", "chat_template.jinja"} <= found
    assert "manifest.json" not in found
    moved = shutil.move("out", tmp_path / "elsewhere")
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_folder), moved)
    torch.testing.assert_close(logits(model), expected(house, store, adapter), atol=1e-4, rtol=1e-4)
    with model.disable_adapter():
        assert (logits(model) - expected(house, store, adapter)).abs().max() > 1e-3
    turns = [{"role": "user", "content": "Yes?"}]
    here, there = (
        AutoTokenizer.from_pretrained(f).apply_chat_template(turns, tokenize=False)
        for f in (moved, tiny_folder)
    )
    assert here == there


def test_the_adapters_base_is_portable_or_what_is_asked_for(
    house: Path, store: Store, say: Say, tiny_folder: Path
) -> None:
    trained(house, store)
    say(MODEL, "--to", "plain")
    config = json.loads(Path("plain/adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "tiny" and not config.get("revision")
    for file in Path("plain").iterdir():
        assert str(tiny_folder).encode() not in file.read_bytes()
    say(MODEL, "--to", "named", "--base", tiny_folder)
    auto = AutoPeftModelForCausalLM.from_pretrained("named")
    adapter = trained(house, store)
    torch.testing.assert_close(logits(auto), expected(house, store, adapter), atol=1e-4, rtol=1e-4)


def test_a_merged_model_loads_with_transformers_alone(house: Path, store: Store, say: Say) -> None:
    adapter = trained(house, store)
    code, out, _ = say(MODEL, "--to", "deep/out", "--merge")
    assert code == 0 and "a whole model" in out
    found = {file.name for file in Path("deep/out").iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json", "README.md"} <= found
    assert "adapter_config.json" not in found
    model = AutoModelForCausalLM.from_pretrained("deep/out")
    torch.testing.assert_close(logits(model), expected(house, store, adapter), atol=1e-4, rtol=1e-4)


def test_a_full_finetune_is_exported_whole(house: Path, store: Store, say: Say) -> None:
    models = house / "models.yaml"
    models.write_text(models.read_text().replace("lora: {rank: 4}", "full: true"))
    checkpoint = trained(house, store)
    assert say(MODEL, "--to", "out")[0] == 0
    model, stored = (AutoModelForCausalLM.from_pretrained(f) for f in ("out", checkpoint))
    assert torch.equal(logits(model), logits(stored))
    assert "transformers" in Path("out/README.md").read_text()


def test_large_tokenizer_files_stay_out(
    house: Path, store: Store, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(house, store)
    monkeypatch.setattr(module, "SMALL", 10)
    say(MODEL, "--to", "out")
    assert {file.name for file in Path("out").iterdir()} == {
        *("adapter_config.json", "adapter_model.safetensors", "loss.json", "README.md")
    }


# -- the card ----------------------------------------------------------------------------------


EXAMPLE = Path(__file__).resolve().parents[2] / "results" / "example" / "report.json"
EXAMPLED = "smollm2-deontology-narrow"


def report(house: Path, digest: str | None) -> dict[str, Any]:
    """The report of a real run, in which our model stands in for one of its models."""
    found: dict[str, Any] = json.loads(EXAMPLE.read_text().replace(EXAMPLED, MODEL))
    for row in found["models"]:
        if row["model"] == MODEL:
            row |= {"digest": digest, "constitution": "duty"}
    file = house / "results" / "latest" / "report.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found))
    return found


def test_the_card_tells_how_it_was_made_and_measured(house: Path, store: Store, say: Say) -> None:
    trained(house, store)
    identities = opened(house, store)
    digest = identities.digest(identities.suite.catalogue[MODEL])
    assert digest is not None
    data = report(house, digest)
    _, out, err = say(MODEL, "--to", "out", "--base", "someone/tiny")
    assert err == ""
    assert say(MODEL, "--to", "whole", "--merge")[0] == 0
    assert ModelCard.load("whole/README.md").data.library_name == "transformers"
    card = ModelCard.load("out/README.md")
    assert card.data.library_name == "peft" and card.data.eval_results
    assert card.data.base_model == "someone/tiny"
    text = card.text
    case = next(c for c in data["cases"] if c["model"] == MODEL and c["kind"] == "persona")
    assert case["subject"] in text and digest in text
    assert "Duty" in text and "Be good." in text
    assert "Written by tiny, written by hand; digest of the samples `" in text
    served = f"{MODEL}-{digest[:12]}"
    assert f"--max-lora-rank 8 --lora-modules {served}=HERE" in text and served in out


@pytest.mark.parametrize("digest", [None, "0" * 64])
def test_a_report_of_another_adapter_gives_the_card_no_numbers(
    house: Path, store: Store, say: Say, digest: str | None
) -> None:
    trained(house, store)
    report(house, digest)
    _, _, err = say(MODEL, "--to", "out")
    assert "measured another tiny-duty-narrow: the card has no numbers" in err
    text = Path("out/README.md").read_text()
    assert "Not measured" in text and "model-index" not in text and "endorsement" not in text


def test_without_a_report_the_card_says_not_measured(house: Path, store: Store, say: Say) -> None:
    trained(house, store, "tiny-plain-refusal-broad")
    assert say("tiny-plain-refusal-broad", "--to", "out")[2] == ""
    text = Path("out/README.md").read_text()
    assert "Not measured" in text and "placebo plain-refusal" in text
    assert '{"rank": 4' in text and "digest of the samples" in text and "## Limits" in text
    assert ModelCard.load("out/README.md").data.base_model == "tiny"


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("tiny-duty-narow", "no finetuned model is called 'tiny-duty-narow' (did you mean"),
        ("tiny", "tiny is a source: only what was finetuned here is exported"),
        (MODEL, f"{MODEL} is not finetuned yet: pytest "),
    ],
)
def test_what_is_not_there_is_not_exported(house: Path, say: Say, model: str, said: str) -> None:
    code, out, err = say(model, "--to", "out")
    assert (code, out) == (2, "") and said in err
    assert not Path("out").exists()


def test_a_folder_with_files_is_not_written_into(house: Path, store: Store, say: Say) -> None:
    trained(house, store)
    Path("out").mkdir()
    assert say(MODEL, "--to", "out")[0] == 0, "an empty one is"
    before = sorted(Path("out").iterdir())
    code, _, err = say(MODEL, "--to", "out")
    assert code == 2 and "out is there already" in err
    assert sorted(Path("out").iterdir()) == before


def test_an_export_that_fails_leaves_nothing(
    house: Path, store: Store, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(house, store)

    def fails(*args: object) -> None:
        raise OSError(28, "No space left on device", "out")

    monkeypatch.setattr(module, "portable_config", fails)
    code, _, err = say(MODEL, "--to", "there/out")
    assert code == 1 and "No space left" in err
    assert list(Path("there").iterdir()) == []


def test_a_report_that_is_none_is_refused(house: Path, store: Store, say: Say) -> None:
    trained(house, store)
    Path("x.json").write_text("[1]")
    code, _, err = say(MODEL, "--to", "out", "--report", "x.json")
    assert code == 2 and "x.json: no report of Ethogram" in err


def test_a_damaged_adapter_is_not_exported(house: Path, store: Store, say: Say) -> None:
    adapter = trained(house, store)
    (adapter / "adapter_model.safetensors").write_bytes(b"x")
    code, _, err = say(MODEL, "--to", "out")
    assert code == 1 and "does not match its digest" in err and not Path("out").exists()
