"""What training stored, as folders that other programs load: peft, transformers, vLLM."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from ethogram.source.load import attach_adapter, load_base, load_tokenizer, portable_config
from ethogram.specs.models import Source
from ethogram.train.lora import LOSSES

ADAPTER = ("adapter_config.json", "adapter_model.safetensors", LOSSES)
SMALL = 50_000_000
"""Bytes of tokenizer files up to which an adapter's folder holds a copy of them."""


def write_adapter(
    adapter: Path, base: Path, source: Source, folder: Path, name: str, revision: str | None
) -> None:
    """Write a peft folder. `name` is what it calls its base, `revision` the base's commit."""
    for file in ADAPTER:
        shutil.copyfile(adapter / file, folder / file)
    portable_config(folder, name)
    if revision:
        config = json.loads((folder / ADAPTER[0]).read_text(encoding="utf-8"))
        config["revision"] = revision
        text = json.dumps(config, indent=2, sort_keys=True)
        (folder / ADAPTER[0]).write_text(f"{text}\n", encoding="utf-8")
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        load_tokenizer(base, source).save_pretrained(scratch)
        files = [file for file in Path(scratch).iterdir() if file.is_file()]
        if sum(file.stat().st_size for file in files) <= SMALL:
            for copy in files:
                copy.rename(folder / copy.name)


def write_merged(adapter: Path, base: Path, source: Source, folder: Path) -> None:
    """Write a whole model: the base with the adapter added to its weights."""
    loaded = attach_adapter(load_base(base, source), adapter)
    loaded.model.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    shutil.copyfile(adapter / LOSSES, folder / LOSSES)


def write_checkpoint(checkpoint: Path, folder: Path) -> None:
    """Write the whole model that a full finetune stored."""
    for file in checkpoint.iterdir():
        if file.is_file() and file.name != "manifest.json":
            shutil.copyfile(file, folder / file.name)
