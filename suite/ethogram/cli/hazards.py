"""`ethogram import-hazards`: public prompts become a hazard category of the suite."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ethogram.cli.files import UsageError, suite_around
from ethogram.cli.imports import SHOWN, add_options, add_table_options, advice, land
from ethogram.importers import JSON_LINES, Columns, hazard_file, prompt_lines
from ethogram.specs.errors import count

SAFETY = "safety"
MANY = 100
"""Prompts of a category from which the user is told of --limit."""


def import_hazards(options: argparse.Namespace) -> int:
    """Turn a file of prompts into a hazard category, or show what it would become."""
    if (options.harmless or options.hazardous) and not options.label:
        raise UsageError("--harmless and --hazardous name labels: --label names their column")
    if options.label and not (options.harmless or options.look_alikes):
        raise UsageError("--label tells the sides apart: --harmless says which labels are harmless")
    if both := set(options.harmless) & set(options.hazardous):
        raise UsageError(f"{min(both)!r} cannot be a label of both sides")
    files = [file for file in (options.file, options.look_alikes) if file is not None]
    if options.delimiter and not any(file.suffix not in (".txt", *JSON_LINES) for file in files):
        raise UsageError("--delimiter is for tables; plain text and JSON Lines have none")
    suite = suite_around(options.to or Path())
    made = hazard_file(
        options.file,
        Columns(options.prompt, options.label, options.harmless, options.hazardous),
        options.name,
        look_alikes=options.look_alikes,
        delimiter=options.delimiter,
        category=options.category,
        ailuminate=options.ailuminate,
        source=options.source,
        licence=options.licence,
        constitutions=list(suite.constitutions),
        skip_bad=options.skip_bad,
        limit=options.limit,
        seed=options.seed,
    )
    for problem in made.bad:
        print(problem, file=sys.stderr)
    target = (options.to or suite.folder / SAFETY) / f"{made.id}.yaml"
    hazards, alike = len(made.hazardous), len(made.harmless)
    told = f"{count(hazards, 'hazardous prompt')} and {count(alike, 'harmless look-alike')}"
    first = [
        *prompt_lines("evaluate", made.hazardous[:SHOWN]),
        *prompt_lines("harmless", made.harmless[:SHOWN]),
    ]
    if not land(target, made.text, told, first, options):
        return 1
    notes = [f"  {note}" for note in made.notes] + advice(options.to, SAFETY, options.licence)
    if hazards + alike > MANY:
        notes.append(f"more than {MANY} prompts are slow on a laptop; --limit 40 keeps 40 a side")
    print("\n".join(notes), end="\n" if notes else "", file=sys.stderr)
    return 0


def _labels(text: str) -> tuple[str, ...]:
    found = tuple(label.strip() for label in text.split(",") if label.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} names no label")
    return found


def add_arguments(verbs: Any) -> None:
    """The verb's own part of the command line."""
    parser = verbs.add_parser(
        "import-hazards",
        help="turn public hazard prompts with harmless look-alikes into a hazard category",
        description="Turn a table of prompts (CSV, .tsv, .jsonl), or plain text with one a line "
        "(.txt), into a hazard category. Its cases run like others; measures over all categories "
        "pass it by, and nothing is trained on it. If some rows cannot be read, all of these are "
        "named and nothing is written.",
        epilog="example: ethogram import-hazards xstest.csv --label type --harmless "
        "homonyms,safe_targets --licence 'CC BY 4.0'",
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument(
        "--prompt",
        default="prompt",
        metavar="COLUMN",
        help="the column, or key, that holds the prompt (default: %(default)s)",
    )
    parser.add_argument(
        "--label", metavar="COLUMN", help="the column that tells hazards from look-alikes"
    )
    parser.add_argument(
        "--harmless", type=_labels, default=(), metavar="LABEL,...", help="labels of look-alikes"
    )
    parser.add_argument(
        "--hazardous",
        type=_labels,
        default=(),
        metavar="LABEL,...",
        help="labels of hazards (default: all others)",
    )
    parser.add_argument(
        "--look-alikes", type=Path, metavar="FILE", help="a further file, all of it harmless"
    )
    parser.add_argument("--category", help="the name to show (default: the file's name)")
    parser.add_argument(
        "--ailuminate", metavar="ID", help="the hazard's id in MLCommons AILuminate 1.0"
    )
    add_table_options(parser)
    add_options(parser, made="category", unit="prompts of either side", least=2, folder=SAFETY)
    parser.set_defaults(verb=import_hazards)
