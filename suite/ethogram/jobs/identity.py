"""Digests of models: what an adapter would be before it exists, and what a model is once it does.

No torch: a warm run gets all its digests from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ethogram.jobs.lessons import Course, NotTaught, course, endpoint_digest
from ethogram.plan import NotMeasured
from ethogram.source.obtain import (
    ADAPTER_FILES,
    Say,
    SourceError,
    check_adapter,
    folder_digest,
    identity,
    obtain,
)
from ethogram.source.precision import computed, precision
from ethogram.specs.catalogue import Model
from ethogram.specs.constitution import Replay
from ethogram.specs.errors import Place, count
from ethogram.specs.models import Source
from ethogram.specs.suite import Suite
from ethogram.specs.teaching import Teaching
from ethogram.store import Store, digest_of, file_digest
from ethogram.train.filters import Sifted
from ethogram.train.leakage import check_leakage
from ethogram.train.replay import answered
from ethogram.train.samples import TRAINER, Sample, Taught, categories_of, samples_for

LOSSES = "loss.json"


@dataclass
class Identities:
    """Digests of the models of one suite; each is computed once."""

    suite: Suite
    store: Store
    fetch: bool = True
    """Whether a hub model that is not on this machine may be fetched to know its commit."""
    _lost: dict[Source, SourceError] = field(default_factory=dict)
    """Sources that could not be had: whoever asks again is told so at once."""
    _sources: dict[str, str] = field(default_factory=dict)
    _samples: dict[str, list[Sample]] = field(default_factory=dict)
    _digests: dict[str, str] = field(default_factory=dict)

    @property
    def base(self) -> Path:
        """The folder that paths in models.yaml start from."""
        return self.suite.models_file.parent

    def source(self, model: Model) -> str:
        if model.source_id not in self._sources:
            self._sources[model.source_id] = identity(model.source, self.base, fetch=self.fetch)
        return self._sources[model.source_id]

    def obtain(self, source: Source, say: Say) -> Path:
        """The source's folder, as `source.obtain` gives it; what cannot be had is tried once."""
        if source in self._lost:
            raise self._lost[source]
        try:
            return obtain(source, self.base, self.store, say)
        except SourceError as error:
            self._lost[source] = error
            raise

    @cached_property
    def evaluated(self) -> list[tuple[Place, str]]:
        """Every text that no model may have been trained on."""
        return list(self.suite.evaluation_texts())

    def samples(self, model: Model) -> list[Sample]:
        if model.id not in self._samples:
            taught = self.taught(model) if model.teaching is not None else None
            drawn = samples_for(model, self.suite, taught)
            # At every run, trained or not: an evaluation text may be newer than the adapter.
            check_leakage([(s.place, t) for s in drawn for t in _texts(s)], self.evaluated)
            self._samples[model.id] = drawn
        return self._samples[model.id]

    def teacher(self, teacher_id: str) -> str:
        """Digest of a teacher: the local source's, or the name under which a server serves it."""
        teacher = self.suite.models.teachers[teacher_id]
        if teacher.local is None:
            return endpoint_digest(teacher)
        return str(self.digest(self.suite.catalogue[teacher.local]))

    def course(self, model: Model) -> Course:
        """The transcripts that a taught model learns from."""
        assert model.constitution is not None and model.teaching_id is not None
        categories = categories_of(model, self.suite)
        return course(self.suite, model.constitution, model.teaching_id, self.teacher, categories)

    def sifted(self, model: Model) -> Sifted:
        """What the filters keep of the model's transcripts. Raises NotTaught when some are missing."""
        wanted = self.course(model)
        stored = self.store.transcripts(wanted.folder).refresh()
        if missing := wanted.missing(stored):
            raise NotTaught(f"{model.id}: {count(len(missing), 'transcript')} still to be made")
        return wanted.sifted(stored, [text for _, text in self.evaluated])

    def taught(self, model: Model) -> Taught:
        """What a taught model is trained on. Raises NotTaught when something is missing."""
        assert model.teaching is not None
        sifted = self.sifted(model)
        drops = ", ".join(f"{count} {name}" for name, count in sifted.drops.items() if count)
        total = len(sifted.kept) + len(sifted.dropped)
        note = f"{total} made; dropped: {drops or 'none'}"
        transcripts = self.course(model).transcripts(sifted.kept)
        return Taught(transcripts, self._replay(model, model.teaching), note)

    def _replay(self, model: Model, teaching: Teaching) -> Sequence[Replay]:
        if teaching.replay == "recorded":
            return self.suite.replay()
        source = self.suite.catalogue.source_of(model)
        said = self.store.scores(str(self.digest(source))).refresh()
        tokens, prompts = teaching.replay_tokens, self.suite.replay()
        try:
            return answered(source.id, prompts, tokens, said, self.evaluated).lines
        except NotMeasured as error:
            raise NotTaught(f"{model.id}: {error}") from None

    def adapter_key(self, model: Model) -> str:
        """Key of a finetuned model's adapter: source, samples, recipe, seed, trainer."""
        recipe = model.recipe
        assert recipe is not None
        identity = {
            "trainer": TRAINER,
            "source": self.source(model),
            "samples": [_texts(sample) for sample in self.samples(model)],
            "recipe": recipe.identity(),
            "seed": model.seed,
        }
        trained_on = recipe.source(model.source)
        if trained_on != model.source:
            identity["trained in"] = precision(trained_on)
        return digest_of(identity)

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
        try:
            key = self.adapter_key(model)
        except NotTaught:
            return None
        manifest = self.store.adapters.manifest(key)
        if manifest is None:
            return None
        if model.recipe is not None and model.recipe.full:
            files = {n: d for n, d in manifest["files"].items() if n != LOSSES}
            return digest_of({"checkpoint": digest_of(files), **computed(model.source)})
        weights = {name: manifest["files"][name] for name in ADAPTER_FILES}
        return digest_of({"source": source, "adapter": weights})

    def _candidate(self, model: Model, source: str) -> str:
        candidate = model.candidate
        assert candidate is not None
        if candidate.adapter:
            folder = self.base / candidate.adapter
            check_adapter(folder)
            weights = {name: file_digest(folder / name) for name in ADAPTER_FILES}
            return digest_of({"source": source, "adapter": weights})
        if candidate.checkpoint:
            folder = self.base / candidate.checkpoint
            return digest_of({"checkpoint": folder_digest(folder), **computed(model.source)})
        named = [candidate.endpoint, candidate.model]
        return digest_of({"endpoint": named, "template-of": source})


def _texts(sample: Sample) -> list[str]:
    """Prompt, answer and rejected answers; the weights of pairs stand in the recipe."""
    return [sample.prompt, sample.answer, *(text for text, _ in sample.rejected)]
