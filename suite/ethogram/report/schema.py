"""The JSON Schema of report.json, taken from the records that it is made of."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from ethogram.analyse.outcomes import Outcome
from ethogram.report.document import SCHEMA_VERSION
from ethogram.report.rows import JudgeRow, ModelRow
from ethogram.report.studies import Study
from ethogram.specs.schema import DIALECT, untitled

_NUMBER = {"type": ["number", "null"]}
_TEXTS = {"type": "array", "items": {"type": "string"}}


class _AsWritten(GenerateJsonSchema):
    """A number that is not finite is written as null."""

    def float_schema(self, schema: Any) -> dict[str, Any]:  # noqa: ARG002
        return dict(_NUMBER)

    def nullable_schema(self, schema: Any) -> dict[str, Any]:
        inner = self.generate_inner(schema["schema"])
        return inner if inner == _NUMBER else super().nullable_schema(schema)


def report_schema() -> dict[str, Any]:
    """What `Report.as_json` returns, every key required and no other allowed."""
    records = {"case": Outcome, "model": ModelRow, "judge": JudgeRow, "study": Study}
    references, made = TypeAdapter.json_schemas(
        [(name, "serialization", TypeAdapter(kind)) for name, kind in records.items()],
        schema_generator=_AsWritten,
    )
    definitions = untitled(made["$defs"])
    definitions["Outcome"]["properties"]["p_holm"] = {
        **_NUMBER,
        "description": "`p` after Holm's adjustment over all cases of the report.",
    }
    for definition in definitions.values():
        _close(definition)
    verdicts = ("holds", "contradicts", "undecided", "unjudged", "not measured")
    alarms = ("tested", "expected_holds", "expected_contradicts")
    return {
        "$schema": DIALECT,
        "description": "One run of Ethogram. What was not measured is null or absent, never zero.",
        "$defs": definitions,
        **_record(
            schema_version={"const": SCHEMA_VERSION},
            started={"type": "string"},
            seconds=_NUMBER,
            command={"type": "string"},
            confidence={"type": "number"},
            counts=_record(**{name: {"type": "integer", "minimum": 0} for name in verdicts}),
            false_alarms=_record(**{name: {"type": "number"} for name in alarms}),
            models={"type": "array", "items": references["model", "serialization"]},
            judges={"type": "array", "items": references["judge", "serialization"]},
            cases={"type": "array", "items": references["case", "serialization"]},
            errors={**_TEXTS, "description": "Ids of the cases that could not be measured."},
            problems={**_TEXTS, "description": "What could not be measured, and why."},
            versions={"type": "object", "additionalProperties": {"type": "string"}},
            files={
                "type": "object",
                "description": "SHA-256 of every file of the suite and its constitutions.",
                "additionalProperties": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            },
            models_file={"type": "string", "description": "Which of `files` names the models."},
            notes={**_TEXTS, "description": "What to know before reading the numbers."},
            studies={"type": "array", "items": references["study", "serialization"]},
            texts={
                "type": "object",
                "description": "What the items say, by subject and item; the item '' is what all "
                "items of a subject share.",
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": {"type": "string"},
                },
            },
        ),
    }


def _record(**properties: Any) -> dict[str, Any]:
    return _close({"type": "object", "properties": properties})


def _close(schema: dict[str, Any]) -> dict[str, Any]:
    """Require every key and allow no other one; nothing that is written has a default."""
    for value in schema["properties"].values():
        value.pop("default", None)
    schema["required"] = list(schema["properties"])
    schema["additionalProperties"] = False
    return schema
