"""The job *score*: put queries to one model and store every batch as soon as it is answered."""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ethogram.jobs.finetune import adapter_of
from ethogram.jobs.identity import Identities
from ethogram.jobs.progress import Progress
from ethogram.plan import Query, Unanswered, missing
from ethogram.specs.catalogue import Model
from ethogram.specs.errors import count
from ethogram.store import StoreError

if TYPE_CHECKING:
    from ethogram.source.trunk import Memo


HELD = 4 * 2**30
"""Bytes of models that stay loaded at most while they are asked in turns."""


class Engine(Protocol):
    """Answers queries batch by batch."""

    @property
    def nbytes(self) -> int:
        """Memory that its model takes here."""
        ...

    def score(self, queries: Sequence[Query]) -> Iterator[dict[Query, Any]]:
        """A query's score, or Unanswered where a server gave none."""
        ...


@dataclass
class Scorer:
    """Scores what the store lacks. The last model stays loaded, for a test that asks again."""

    identities: Identities
    progress: Progress
    unanswered: dict[tuple[str, str], Unanswered] = field(default_factory=dict)
    """What a server did not answer in this process, by model digest and query key."""
    _loaded: tuple[str, Engine] | None = None
    _held: dict[str, Engine] | None = None
    """Models that stay loaded beside the last, by digest; None where none is to."""
    _trunks: dict[str, Trunk] = field(default_factory=dict)
    """By source, what its models have in common."""

    def expect(self, models: Iterable[Model]) -> None:
        """Models that will be scored one after another: what several share is computed once.

        Where recipes adapt the upper layers alone, the lower ones are the source's in each.
        """
        for trunk in self._trunks.values():
            if trunk.memo is not None:
                trunk.memo.forget()
        sharing: dict[str, list[Touched]] = defaultdict(list)
        for model in models:
            touched = self._touched(model)
            if touched is not None:
                sharing[model.source_id].append(touched)
        self._trunks = {
            name: Trunk(tuple(found)) for name, found in sharing.items() if len(set(found)) > 1
        }

    def _touched(self, model: Model) -> Touched | None:
        """What the model changes of its source, as far as it is known before it is there."""
        if model.kind == "source":
            return Touched()
        if model.recipe is not None:
            recipe, layers = model.recipe, model.recipe.lora.layers
            return Touched(model.id, upper=layers) if layers != "all" and not recipe.full else None
        if model.candidate is None or model.candidate.adapter is None:
            return None
        file = self.identities.base / model.candidate.adapter / "adapter_config.json"
        try:
            layers = json.loads(file.read_text(encoding="utf-8"))["layers_to_transform"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        known = isinstance(layers, list) and layers and all(type(n) is int for n in layers)
        return Touched(model.id, lowest=min(layers)) if known else None

    def score_missing(self, model: Model, digest: str, queries: Sequence[Query]) -> None:
        """One process at a time scores a model; the others wait for its lock and then read."""
        log = self.identities.store.scores(digest)
        if not missing(queries, log.refresh()):
            return
        with self.identities.store.jobs.locked(digest):
            wanted = missing(queries, log.refresh())
            if wanted:
                self._score(model, digest, wanted)

    def _score(self, model: Model, digest: str, wanted: Sequence[Query]) -> None:
        log = self.identities.store.scores(digest)
        with self.progress.phase(f"scored {model.id}") as details:
            engine = self.engine(model, digest)
            with self.progress.bar(f"score {model.id}", len(wanted), "query") as bar:
                for batch in engine.score(wanted):
                    lost = {q: v for q, v in batch.items() if isinstance(v, Unanswered)}
                    self.unanswered |= {(digest, q.key): v for q, v in lost.items()}
                    log.add({q.key: v for q, v in batch.items() if q not in lost})
                    bar.update(len(batch))
            details.append(count(len(wanted), "query", "queries"))

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """Within, models stay loaded, the first ones up to `HELD`: each is asked a little, many times.

        Not the last ones: where all are asked in turns and they do not fit, none would be met again.
        """
        self._held = {}
        try:
            yield
        finally:
            self._held = None

    def engine(self, model: Model, digest: str) -> Engine:
        """The model's engine; the one that was loaded last is still there."""
        if self._loaded is not None and self._loaded[0] == digest:
            return self._loaded[1]
        if self._held and digest in self._held:
            return self._held[digest]
        self._loaded = None
        trunk = self._trunks.get(model.source_id)
        engine = engine_for(model, self.identities, self.progress, trunk)
        if model.recipe is not None and not self.identities.still(model, digest):
            raise StoreError(
                f"{model.id}: its stored adapter was damaged, and training it anew gave another "
                "one; its scores would be mixed. Run again to score the new one"
            )
        self._loaded = digest, engine
        if self._held is not None:
            size = sum(held.nbytes for held in (*self._held.values(), engine))
            if size <= HELD:
                self._held[digest] = engine
        return engine


@dataclass(frozen=True, slots=True)
class Touched:
    """The layers of a source that one of its models changes: the `upper` ones, or from `lowest` on."""

    model: str = ""
    upper: int = 0
    lowest: int | None = None


@dataclass
class Trunk:
    """What the models of a source that are scored together have in common."""

    models: tuple[Touched, ...]
    memo: Memo | None = None

    def depth(self, layers: int) -> int:
        """How many of the source's `layers` none of the models touches."""
        return min(
            layers - found.upper if found.lowest is None else found.lowest for found in self.models
        )


def engine_for(
    model: Model, identities: Identities, progress: Progress, trunk: Trunk | None = None
) -> Engine:
    """The model, loaded. Raises SourceError when it cannot be, or its adapter does nothing."""
    from ethogram.measure.engine import LocalEngine
    from ethogram.source.load import attach_adapter, load_base
    from ethogram.source.reading import to_read
    from ethogram.source.trunk import Memo, trunked

    candidate = model.candidate
    if candidate is not None and candidate.endpoint is not None:
        from ethogram.measure.endpoint import EndpointEngine

        source = identities.obtain(model.source, progress.say)
        return EndpointEngine(candidate, source, model.source)
    if candidate is not None and candidate.checkpoint is not None:
        loaded = load_base(identities.base / candidate.checkpoint, model.source)
        return LocalEngine(to_read(loaded, model.source), progress.say)
    if model.recipe is not None and model.recipe.full:
        loaded = load_base(adapter_of(model, identities, progress), model.source)
        return LocalEngine(to_read(loaded, model.source), progress.say)
    folder = identities.obtain(model.source, progress.say)
    loaded = load_base(folder, model.source)
    depth = trunk.depth(loaded.shared) if trunk else 0
    if candidate is not None:
        loaded = attach_adapter(loaded, identities.base / str(candidate.adapter))
    elif model.recipe is not None:
        loaded = attach_adapter(loaded, adapter_of(model, identities, progress))
    loaded = to_read(loaded, model.source)
    if trunk is not None:
        trunk.memo = trunk.memo or Memo()
        loaded = trunked(loaded, depth, trunk.memo)
    return LocalEngine(loaded, progress.say)
