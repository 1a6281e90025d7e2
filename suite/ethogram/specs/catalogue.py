"""models.yaml written out: every model of the run by its id, and what each is compared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

from ethogram.specs.errors import Place, SpecError, did_you_mean
from ethogram.specs.models import Candidate, MatrixRow, ModelsFile, Placebo, Recipe, Scope, Source
from ethogram.specs.presets import PRESETS
from ethogram.specs.teaching import RECORDED, Teaching

T = TypeVar("T")

Kind = Literal["source", "finetuned", "placebo", "candidate"]


@dataclass(frozen=True, slots=True)
class Model:
    """One model of the run.

    `constitution` is None for sources and placebos; `recipe`, `scope` and `seed` are None for
    sources, and for candidates as far as the user does not know them.
    """

    id: str
    kind: Kind
    source_id: str
    source: Source
    constitution: str | None = None
    placebo: Placebo | None = None
    scope: Scope | None = None
    seed: int | None = None
    recipe_id: str | None = None
    recipe: Recipe | None = None
    candidate: Candidate | None = None
    teaching_id: str | None = None
    teaching: Teaching | None = None
    """How its transcripts are made; None where they are recorded."""

    @property
    def judged(self) -> bool:
        """Whether a constitution's signature is expected of it."""
        return self.constitution is not None


class Catalogue:
    """Every model that models.yaml names, in the order in which it names them."""

    def __init__(self, models: Iterable[Model]) -> None:
        self._models = {model.id: model for model in models}

    def __getitem__(self, model_id: str) -> Model:
        return self._models[model_id]

    def __contains__(self, model_id: object) -> bool:
        return model_id in self._models

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    def source_of(self, model: Model) -> Model:
        """The source model that `model` was finetuned from (itself for a source)."""
        return self._models[model.source_id]

    def placebo_of(self, model: Model) -> Model | None:
        """The plain-refusal placebo of the same source, scope and recipe, or None.

        The same seed is preferred; any seed will do, since the placebo stands for its recipe.
        """
        if model.candidate is not None:
            return self._models[model.candidate.placebo] if model.candidate.placebo else None
        alike = [
            other
            for other in self._models.values()
            if other.placebo == "plain-refusal"
            and (other.source_id, other.scope, other.recipe_id)
            == (model.source_id, model.scope, model.recipe_id)
        ]
        return min(alike, key=lambda other: other.seed != model.seed, default=None)

    def broad_twin(self, model: Model) -> Model | None:
        """The broad model of a narrow one's source, constitution, recipe and seed, or None."""
        if model.kind != "finetuned" or model.scope != "narrow":
            return None
        alike = (model.source_id, model.constitution, model.recipe_id, model.seed)
        twins = (
            other
            for other in self
            if other.kind == "finetuned"
            and other.scope == "broad"
            and (other.source_id, other.constitution, other.recipe_id, other.seed) == alike
        )
        return next(twins, None)


def expand(spec: ModelsFile, constitutions: Iterable[str]) -> Catalogue:
    """Write the matrix out. Raises SpecError when a row names what does not exist."""
    known = sorted(constitutions)
    named = [
        (Model(name, "source", name, source), source.place)
        for name, source in sorted(spec.sources.items())
    ]
    for row in spec.matrix:
        named.extend((model, row.place) for model in _row(spec, row, known))
    named.extend(_candidates(spec, known))
    seen: dict[str, Model] = {}
    for model, place in named:
        if model.id in seen:
            raise SpecError.at(place, f"two models would have the id {model.id!r}")
        seen[model.id] = model
    for model in seen.values():
        if model.candidate is not None:
            _check_placebo(model.candidate, seen)
    return Catalogue(seen.values())


def _check_placebo(candidate: Candidate, models: dict[str, Model]) -> None:
    named = candidate.placebo
    if named is None:
        return
    fits = named in models and models[named].placebo == "plain-refusal"
    if not fits or models[named].source_id != candidate.source:
        hint = did_you_mean(named, (m.id for m in models.values() if m.kind == "placebo"))
        message = f"no plain-refusal placebo of {candidate.source!r} is called {named!r}{hint}"
        raise SpecError.at(candidate.place, message)


def _row(spec: ModelsFile, row: MatrixRow, known: list[str]) -> list[Model]:
    source = _named(row, "source", row.source, spec.sources)
    recipe = _named(row, "recipe", row.recipe, {**PRESETS, **spec.recipes})
    stances: list[tuple[str | None, Placebo | None]]
    if row.placebo is not None:
        stances = [(None, row.placebo)]
    else:
        wanted = known if row.constitutions == "all" else list(row.constitutions or ())
        for name in wanted:
            _named(row, "constitution", name, dict.fromkeys(known))
        stances = [(name, None) for name in wanted]
    way = "" if row.teaching == RECORDED else f"-{row.teaching}"
    return [
        Model(
            id=f"{row.source}-{constitution or placebo}-{scope}{way}"
            + (f"-seed{seed}" if len(row.seeds) > 1 else ""),
            kind="placebo" if placebo else "finetuned",
            source_id=row.source,
            source=source,
            constitution=constitution,
            placebo=placebo,
            scope=scope,
            seed=seed,
            recipe_id=row.recipe,
            recipe=recipe,
            teaching_id=row.teaching if way else None,
            teaching=spec.teaching.get(row.teaching),
        )
        for constitution, placebo in stances
        for scope in row.scopes
        for seed in row.seeds
    ]


def _candidates(spec: ModelsFile, known: list[str]) -> Iterator[tuple[Model, Place]]:
    for name, candidate in sorted(spec.candidates.items()):
        source = _named(candidate, "source", candidate.source, spec.sources)
        _named(candidate, "constitution", candidate.constitution, dict.fromkeys(known))
        model_id = name if candidate.constitution in name else f"{name}-{candidate.constitution}"
        model = Model(
            id=model_id,
            kind="candidate",
            source_id=candidate.source,
            source=source,
            constitution=candidate.constitution,
            scope=candidate.scope,
            candidate=candidate,
        )
        yield model, candidate.place


def _named(owner: MatrixRow | Candidate, what: str, name: str, known: dict[str, T]) -> T:
    if name not in known:
        raise SpecError.at(owner.place, f"unknown {what} {name!r}{did_you_mean(name, known)}")
    return known[name]
