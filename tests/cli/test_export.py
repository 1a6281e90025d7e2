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


def report(house: Path, digest: str | None) -> dict[str, Any]:
    measured = {"value": 0.5, "low": 0.25, "high": 0.75, "n": 24}
    case = {
        "model": MODEL,
        "subject": "rules",
        "probe": "endorsement",
        "measured": measured,
        "unit": "effect",
        "reference": "tiny-plain-refusal-narrow",
        "expected": "more",
        "verdict": "holds",
    }
    undefined = {**case, "subject": "queues", "measured": {**measured, "low": None, "high": None}}
    other = {**case, "model": "tiny", "subject": "elsewhere"}
    found = {
        "started": "2026-11-24",
        "versions": {"torch": "2.13"},
        "models": [{"model": MODEL, "digest": digest}],
        "cases": [case, undefined, other],
    }
    file = house / "results" / "latest" / "report.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found))
    return found


@pytest.fixture
def own_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """The card that is written where the report room makes none."""
    monkeypatch.setattr("ethogram.cli.export._report_cards", lambda: None)


@pytest.mark.usefixtures("own_card")
def test_the_card_tells_how_it_was_made_and_measured(house: Path, store: Store, say: Say) -> None:
    trained(house, store)
    identities = opened(house, store)
    digest = identities.digest(identities.suite.catalogue[MODEL])
    assert digest is not None
    report(house, digest)
    _, out, err = say(MODEL, "--to", "out")
    assert err == ""
    card = ModelCard.load("out/README.md")
    assert card.data.base_model == "tiny" and card.data.library_name == "peft"
    text = " ".join(card.text.split())
    assert "constitution Duty" in text and "narrow scope" in text
    assert '{"rank": 4' in text and "digest of the samples" in text
    assert "tiny, written by hand" in text
    assert "| rules, endorsement | +0.50 [+.25,+.75] | 24 " in text
    assert "+0.50 [no CI]" in text and "elsewhere" not in text
    assert "## Limits" in text
    served = f"{MODEL}-{digest[:12]}"
    assert f"--max-lora-rank 8 --lora-modules {served}=HERE" in text and served in out


def test_the_report_rooms_card_is_used_where_there_is_one(
    house: Path, store: Store, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(house, store)
    identities = opened(house, store)
    expected = report(house, identities.digest(identities.suite.catalogue[MODEL]))
    asked: list[Any] = []

    class Cards:
        @staticmethod
        def model_card(data: Any, model: str, constitution: Any) -> str:
            asked.append((data, model, constitution.id))
            return "---\nlibrary_name: peft\n---\nThe room's own card.\n"

    monkeypatch.setattr("ethogram.cli.export._report_cards", lambda: Cards)
    assert say(MODEL, "--to", "out")[0] == 0
    assert asked == [(expected, MODEL, "duty")]
    text = Path("out/README.md").read_text()
    assert text.startswith("---\nlibrary_name: peft")
    assert "The room's own card.\n\n## Load" in text and "Digest of the samples" in text


@pytest.mark.parametrize("digest", [None, "0" * 64])
def test_a_report_of_another_adapter_gives_the_card_no_numbers(
    house: Path, store: Store, say: Say, digest: str | None
) -> None:
    trained(house, store)
    report(house, digest)
    _, _, err = say(MODEL, "--to", "out")
    assert "measured another tiny-duty-narrow: the card has no numbers" in err
    text = Path("out/README.md").read_text()
    assert "Not measured" in text and "+0.50" not in text


def test_without_a_report_the_card_says_not_measured(house: Path, store: Store, say: Say) -> None:
    trained(house, store, "tiny-plain-refusal-broad")
    assert say("tiny-plain-refusal-broad", "--to", "out")[2] == ""
    text = Path("out/README.md").read_text()
    assert "Not measured" in text and "placebo plain-refusal" in text


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
    assert code == 2 and "x.json is no report.json" in err


def test_a_damaged_adapter_is_not_exported(house: Path, store: Store, say: Say) -> None:
    adapter = trained(house, store)
    (adapter / "adapter_model.safetensors").write_bytes(b"x")
    code, _, err = say(MODEL, "--to", "out")
    assert code == 1 and "does not match its digest" in err and not Path("out").exists()
