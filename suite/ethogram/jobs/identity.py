"""Digests of models: what an adapter would be before it exists, and what a model is once it does.

No torch: a warm run gets all its digests from here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ethogram.source.obtain import SourceError, folder_digest, identity
from ethogram.specs.catalogue import Model
from ethogram.specs.errors import Place
from ethogram.specs.suite import Suite
from ethogram.store import Store, digest_of, file_digest
from ethogram.train.leakage import check_leakage
from ethogram.train.samples import TRAINER, Sample, samples_for

LOSSES = "loss.json"
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")


@dataclass
class Identities:
    """Digests of the models of one suite; each is computed once."""

    suite: Suite
    store: Store
    _sources: dict[str, str] = field(default_factory=dict)
    _samples: dict[str, list[Sample]] = field(default_factory=dict)
    _digests: dict[str, str] = field(default_factory=dict)

    @property
    def base(self) -> Path:
        """The folder that paths in models.yaml start from."""
        return self.suite.models_file.parent

    def source(self, model: Model) -> str:
        if model.source_id not in self._sources:
            self._sources[model.source_id] = identity(model.source, self.base)
        return self._sources[model.source_id]

    @cached_property
    def evaluated(self) -> list[tuple[Place, str]]:
        """Every text that no model may have been trained on."""
        return list(self.suite.evaluation_texts())

    def samples(self, model: Model) -> list[Sample]:
        if model.id not in self._samples:
            drawn = samples_for(model, self.suite)
            # At every run, trained or not: an evaluation text may be newer than the adapter.
            taught = [(s.place, text) for s in drawn for text in _texts(s)]
            check_leakage(taught, self.evaluated)
            self._samples[model.id] = drawn
        return self._samples[model.id]

    def adapter_key(self, model: Model) -> str:
        """Key of a finetuned model's adapter: source, samples, recipe, seed, trainer."""
        assert model.recipe is not None
        return digest_of(
            {
                "trainer": TRAINER,
                "source": self.source(model),
                "samples": [_texts(sample) for sample in self.samples(model)],
                "recipe": model.recipe.identity(),
                "seed": model.seed,
            }
        )

    def digest(self, model: Model) -> str | None:
        """Digest of the model itself, or None while its adapter is still to be trained."""
        if model.id not in self._digests:
            found = self._digest(model)
            if found is None:
                return None
            self._digests[model.id] = found
        return self._digests[model.id]

    def still(self, model: Model, digest: str) -> bool:
        """Whether the model on disk is the one of `digest`: a damaged adapter is trained anew."""
        return self._digest(model) == digest

    def _digest(self, model: Model) -> str | None:
        source = self.source(model)
        if model.kind == "source":
            return digest_of({"source": source})
        if model.candidate is not None:
            return self._candidate(model, source)
        manifest = self.store.adapters.manifest(self.adapter_key(model))
        if manifest is None:
            return None
        if model.recipe is not None and model.recipe.full:
            files = {n: d for n, d in manifest["files"].items() if n != LOSSES}
            shared = {"dtype": model.source.dtype, "template": model.source.template}
            return digest_of({"checkpoint": digest_of(files), **shared})
        weights = {name: manifest["files"][name] for name in ADAPTER_FILES}
        return digest_of({"source": source, "adapter": weights})

    def _candidate(self, model: Model, source: str) -> str:
        candidate = model.candidate
        assert candidate is not None
        if candidate.adapter:
            folder = self.base / candidate.adapter
            absent = [name for name in ADAPTER_FILES if not (folder / name).is_file()]
            if absent:
                pickled = (folder / "adapter_model.bin").exists()
                hint = "; only a pickle is there, which could run code" if pickled else ""
                raise SourceError(f"{model.id}: {folder} has no {absent[0]}{hint}")
            weights = {name: file_digest(folder / name) for name in ADAPTER_FILES}
            return digest_of({"source": source, "adapter": weights})
        if candidate.checkpoint:
            folder = self.base / candidate.checkpoint
            shared = {"dtype": model.source.dtype, "template": model.source.template}
            return digest_of({"checkpoint": folder_digest(folder), **shared})
        named = [candidate.endpoint, candidate.model]
        return digest_of({"endpoint": named, "template-of": source})


def _texts(sample: Sample) -> list[str]:
    """Prompt, answer and rejected answers; the weights of pairs stand in the recipe."""
    return [sample.prompt, sample.answer, *(text for text, _ in sample.rejected)]
