"""`ethogram import-scenarios`: a table of moral choices becomes a theme of the suite."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ethogram.cli.files import SHOWN, UsageError, suite_around, write
from ethogram.cli.numbers import at_least
from ethogram.importers import (
    LISTS,
    ImportedTheme,
    Layout,
    read_layout,
    scenario_csv,
    scenario_lines,
    theme_id,
)
from ethogram.specs.errors import count, shown
from ethogram.specs.suite import Suite

SCENARIOS = "scenarios"


def import_scenarios(options: argparse.Namespace) -> int:
    """Turn a CSV file into a theme, or show what it would become."""
    columns = _columns(options.column)
    if not columns and options.map is None:
        raise UsageError(
            "say which column holds what: --column text=NAME --column options=NAME,NAME, or --map"
        )
    suite = suite_around(options.to or Path())
    folder = options.to or suite.folder / SCENARIOS
    made = _made(options, suite, folder, read_layout(options.map, columns))
    target = folder / f"{made.id}.yaml"
    for problem in made.bad:
        print(problem, file=sys.stderr)
    told = f"{shown(target)}: {count(len(made.scenarios), 'scenario')} of {count(made.rows, 'row')}"
    if options.dry_run:
        for scenario in made.scenarios[:SHOWN]:
            print("\n".join(scenario_lines(scenario)))
        print(f"{told}; nothing was written")
    elif target.exists() and not options.force:
        told = f"{shown(target)} exists; --force replaces it, --name avoids it"
        print(f"{told}\nnothing was imported", file=sys.stderr)
        return 1
    else:
        write(target, made.text)
        print(told)
    for line in (*(f"  {note}" for note in made.notes), *_advice(made, options)):
        print(line, file=sys.stderr)
    return 0


def _made(options: argparse.Namespace, suite: Suite, folder: Path, layout: Layout) -> ImportedTheme:
    """The theme, its ids unlike those of the suite's other files."""
    own = (folder / f"{theme_id(options.file, options.name, suite.constitutions)}.yaml").resolve()
    return scenario_csv(
        options.file,
        layout,
        options.name,
        delimiter=options.delimiter or ("\t" if options.file.suffix == ".tsv" else ","),
        source=options.source,
        licence=options.licence,
        constitutions=list(suite.constitutions),
        taken={
            scenario.id
            for theme in suite.themes.values()
            for scenario in theme.scenarios
            if theme.place.file.resolve() != own  # what is replaced frees its ids
        },
        skip_bad=options.skip_bad,
        limit=options.limit,
        seed=options.seed,
    )


def _advice(made: ImportedTheme, options: argparse.Namespace) -> list[str]:
    """What the user may want to do next about the theme."""
    found = []
    if not any(option.endorsed_by for one in made.scenarios for option in one.options):
        found.append(
            "no option is endorsed by any constitution, so no model has a case: name columns with "
            "--column tags=NAME,NAME, or write 'endorsed_by' in the file"
        )
    if options.to and options.to.resolve().name != SCENARIOS:
        found.append(f"pytest collects scenarios from a folder called {SCENARIOS} only")
    if not options.licence:
        found.append("licence not stated: add it with --licence, or in the file")
    return found


def _columns(told: list[tuple[str, str]]) -> Mapping[str, Any]:
    """`text=context` and `options=a,b` as a layout's data."""
    found: dict[str, Any] = {}
    for key, value in told:
        if key in found:
            raise UsageError(f"--column {key} stands twice")
        names = [name.strip() for name in value.split(",")]
        found[key] = names if key in LISTS else value
    return found


def _column(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not value.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=COLUMN or KEY=COLUMN,COLUMN")
    return key.strip(), value.strip()


def _delimiter(text: str) -> str:
    found = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(found) != 1 or found in '"\r\n':
        raise argparse.ArgumentTypeError(f"{text!r} is no delimiter: give one character, or 'tab'")
    return found


def add_arguments(verbs: Any) -> None:
    """The verb's own part of the command line."""
    parser = verbs.add_parser(
        "import-scenarios",
        help="turn a table of moral choices (CSV) into a theme",
        description="Turn a CSV file with a column for the situation and one for each action into "
        "a theme. Every row becomes a scenario; if some cannot, all of these are named and nothing "
        "is written.",
        epilog="example: ethogram import-scenarios choices.csv --column text=context --column "
        "options=action1,action2 --column tags=action1_by,action2_by --licence 'CC BY 4.0'",
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument(
        "--column",
        type=_column,
        action="append",
        default=[],
        metavar="KEY=NAME,...",
        help="which column holds what: text, options, id, tags (frameworks that endorse each "
        "option, in their order), because (why)",
    )
    parser.add_argument(
        "--map",
        type=Path,
        metavar="FILE",
        help="a YAML file with these keys; 'frameworks: {util: consequentialism, none: null}' "
        "says what tags mean",
    )
    parser.add_argument("--delimiter", type=_delimiter, metavar="C", help="default: a comma")
    parser.add_argument("--name", help="the theme's id (default: the file's name)")
    parser.add_argument("--source", help="where the text comes from (default: the file's name)")
    parser.add_argument("--licence", help="the terms on which the text may be used")
    parser.add_argument(
        "--skip-bad",
        action="store_true",
        help="leave bad rows out and name them, instead of stopping",
    )
    parser.add_argument(
        "--limit",
        type=at_least(1, "number of scenarios"),
        metavar="N",
        help="keep a sample of N rows (default: all)",
    )
    parser.add_argument(
        "--seed",
        type=at_least(0, "seed"),
        default=0,
        help="the sample's seed (default: %(default)s)",
    )
    parser.add_argument(
        "--to", type=Path, metavar="DIR", help="where to write (default: suite/scenarios)"
    )
    parser.add_argument("--force", action="store_true", help="replace a file that is there")
    parser.add_argument(
        "--dry-run", action="store_true", help=f"show the first {SHOWN} scenarios; write nothing"
    )
    parser.set_defaults(verb=import_scenarios)
