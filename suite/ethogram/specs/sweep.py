"""`constitutions/sweeps/<name>.yaml`: recipes to compare, and where along the training to look."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationError, model_validator

from ethogram.specs.base import REAL, FileSpec, Id, Int, Misplaced, Text, duplicates
from ethogram.specs.errors import SpecError, did_you_mean
from ethogram.specs.models import Recipe, Scope
from ethogram.specs.presets import PRESETS
from ethogram.specs.suite import Suite
from ethogram.specs.teaching import Seed

Key = Annotated[str, StringConstraints(pattern=r"^[a-z_]+(\.[a-z_]+)*$")]
"""A key of a recipe; `lora.rank` and `preference.over.rivals` for those within others."""
Setting = bool | int | float | str | tuple[str, ...] | None
Settings = dict[Key, Setting]


class Sweep(FileSpec):
    """Recipes, each trained for every constitution and the plain-refusal placebo, and looked at
    on the suite's own dimensions and hazard categories, on no imported file.
    """

    about: Text
    source: Id
    constitutions: tuple[Id, ...] = Field(min_length=1)
    scope: Scope = "narrow"
    seed: Seed = 0
    base: Id
    """The recipe of models.yaml that all others change something of; tried too, as itself, where
    neither `recipes` nor `grid` is given."""
    recipes: dict[Id, Settings] = Field(default_factory=dict)
    """What each recipe changes of the base, by key: `{lora.rank: 16, epochs: 6}`."""
    grid: dict[Key, tuple[Setting, ...]] = Field(default_factory=dict)
    """Every combination of these values is a recipe too."""
    points: tuple[Annotated[float, Field(gt=0, le=100), REAL], ...] = ()
    """Epochs after which a model is looked at, beside the end. Those beyond the end are passed
    over."""
    contrast: tuple[Id, Id] | None = None
    """Two constitutions told apart: effect sizes of the one's items minus the other's."""
    prompts: Int = Field(default=32, ge=2)
    """Hazards, and as many look-alikes, drawn from trained and from held-out categories."""

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, data: Any) -> Any:
        """Keys within others are written with a dot, unlike in models.yaml."""
        recipes = data.get("recipes") if isinstance(data, dict) else None
        for name, settings in recipes.items() if isinstance(recipes, dict) else ():
            for key, value in settings.items() if isinstance(settings, dict) else ():
                if isinstance(value, dict) and value:
                    first, inner = next(iter(value.items()))
                    message = f"write '{key}.{first}: {inner}' for a key within {key!r}"
                    raise Misplaced(message, "recipes", name, key)
        return data

    @model_validator(mode="after")
    def _consistent(self) -> Sweep:
        for index in duplicates(self.constitutions):
            message = f"{self.constitutions[index]!r} stands twice"
            raise Misplaced(message, "constitutions", index)
        for index, name in enumerate(self.contrast or ()):
            if name not in self.constitutions or (self.contrast or ()).count(name) > 1:
                hint = did_you_mean(name, self.constitutions)
                message = f"'contrast' needs two of the sweep's constitutions, not {name!r}{hint}"
                raise Misplaced(message, "contrast", index)
        for key, values in self.grid.items():
            if not values:
                raise Misplaced(f"'{key}' has no value", "grid", key)
        return self

    def expanded(self, suite: Suite) -> dict[str, tuple[Recipe, Mapping[str, Setting]]]:
        """Every recipe by its name, with what it changes. Raises SpecError on unknown names."""
        for what, name, known in (
            ("source", self.source, set(suite.models.sources)),
            ("recipe", self.base, {*PRESETS, *suite.models.recipes}),
            *(("constitution", name, set(suite.constitutions)) for name in self.constitutions),
        ):
            if name not in known:
                message = f"no {what} is called {name!r}{did_you_mean(name, known)}"
                raise SpecError.at(self.place, message)
        base = {**PRESETS, **suite.models.recipes}[self.base]
        return {
            name: (self._changed(base, name, settings), settings)
            for name, settings in self.changes().items()
        }

    def changes(self) -> dict[str, Mapping[str, Setting]]:
        """What every recipe changes of the base: those named, every combination, or the base alone."""
        found: dict[str, Mapping[str, Setting]] = dict(self.recipes)
        for values in itertools.product(*self.grid.values()) if self.grid else ():
            named = dict(zip(self.grid, values, strict=True))
            found[", ".join(f"{key} {_shown(value)}" for key, value in named.items())] = named
        return found or {self.base: {}}

    def _changed(self, base: Recipe, name: str, settings: Mapping[str, Setting]) -> Recipe:
        if not settings:
            return base
        data: dict[str, Any] = base.model_dump()
        for key, value in settings.items():
            *outer, last = key.split(".")
            part = data
            for step in outer:
                held = part.get(step)
                part[step] = dict(held) if isinstance(held, dict) else {}
                part = part[step]
            part[last] = value
        try:
            return Recipe.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            message = f"the recipe {name!r} is none: {key}: {first['msg']}"
            raise SpecError.at(self.place, message) from None


def _shown(value: Setting) -> str:
    return "+".join(value) if isinstance(value, tuple) else f"{value}"
