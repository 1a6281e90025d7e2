"""`ethogram schemas`: the JSON Schemas that editors read, held to the code."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ethogram.cli.files import write
from ethogram.specs.errors import shown

SCHEMAS = Path(__file__).parents[1] / "schemas"


def schemas(options: argparse.Namespace) -> int:
    """Compare the JSON Schemas with the code that they describe, or write them anew."""
    stale = []
    made = schema_texts()
    for name, text in made.items():
        file = SCHEMAS / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            stale.append(file)
            if options.write:
                write(file, text)
    for file in stale:
        print(f"{shown(file)}: {'written' if options.write else 'not what the code says'}")
    if not stale:
        print(f"{len(made)} schemas say what the code says")
    elif not options.write:
        print("ethogram schemas --write brings them up to date", file=sys.stderr)
    return 1 if stale and not options.write else 0


def schema_texts() -> dict[str, str]:
    """The content of every schema file by its name."""
    from ethogram.report.schema import report_schema
    from ethogram.specs.schema import file_schemas

    made: dict[str, dict[str, Any]] = {**file_schemas(), "report": report_schema()}
    return {
        f"{name}.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in made.items()
    }


def add_arguments(verbs: Any) -> None:
    """The verb's own part of the command line."""
    parser = verbs.add_parser(
        "schemas",
        help="JSON Schemas of the YAML files and of report.json",
        description=f"The JSON Schemas of the YAML files and of report.json, in {SCHEMAS}.",
    )
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--write", action="store_true", help="write them anew from the code")
    either.add_argument(
        "--check", action="store_true", help="name those that differ from the code (the default)"
    )
    parser.set_defaults(verb=schemas)
