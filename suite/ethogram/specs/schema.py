"""JSON Schemas of the YAML files, for editors: what the specs accept, key by key.

What stands between keys (ids that differ, placeholders that have values) is not in a schema;
`ethogram check` says it.
"""

from __future__ import annotations

from typing import Any

from ethogram.specs.base import FileSpec
from ethogram.specs.constitution import Constitution
from ethogram.specs.judging import Rubric
from ethogram.specs.layout import KINDS
from ethogram.specs.models import ModelsFile
from ethogram.specs.requirements import Requirements
from ethogram.specs.sweep import Sweep

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FILES: dict[str, type[FileSpec]] = {
    **KINDS,
    "constitution": Constitution,
    "models": ModelsFile,
    "projectability": Requirements,
    "rubric": Rubric,
    "sweeps": Sweep,
}


def file_schemas() -> dict[str, dict[str, Any]]:
    """The schema of every kind of file by its name."""
    return {
        name: {"$schema": DIALECT, **_strict(untitled(kind.model_json_schema()))}
        for name, kind in FILES.items()
    }


def _strict(value: Any) -> Any:
    """A schema in which a mapping by ids takes no key that is no id."""
    if isinstance(value, list):
        return [_strict(part) for part in value]
    if not isinstance(value, dict):
        return value
    closed = {"additionalProperties": False} if "patternProperties" in value else {}
    return {**{key: _strict(part) for key, part in value.items()}, **closed}


def untitled(value: Any) -> Any:
    """A schema without the titles that pydantic makes of the keys: they say nothing."""
    if isinstance(value, dict):
        kept = {k: part for k, part in value.items() if k != "title" or not isinstance(part, str)}
        return {key: untitled(part) for key, part in kept.items()}
    if isinstance(value, list):
        return [untitled(part) for part in value]
    return value
