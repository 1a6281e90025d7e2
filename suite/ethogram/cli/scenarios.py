"""`ethogram import-scenarios`: a table of moral choices becomes a theme of the suite."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ethogram.cli.files import UsageError, suite_around
from ethogram.cli.imports import SHOWN, add_options, add_table_options, advice, land
from ethogram.importers import (
    LISTS,
    ImportedTheme,
    Layout,
    read_layout,
    scenario_csv,
    scenario_lines,
    theme_id,
)
from ethogram.specs.errors import count, named
from ethogram.specs.scenarios import Scenario
from ethogram.specs.suite import Suite

SCENARIOS = "scenarios"
MANY = 50
"""Scenarios of a theme from which the user is told of --limit."""


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
    told = f"{count(len(made.scenarios), 'scenario')} of {count(made.rows, 'row')}"
    first = [line for scenario in made.scenarios[:SHOWN] for line in scenario_lines(scenario)]
    if not land(target, made.text, told, first, options):
        return 1
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
        delimiter=options.delimiter,
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
    idle = [one for one in made.scenarios if not _endorsed_in_part(one)]
    if not any(option.endorsed_by for one in made.scenarios for option in one.options):
        found.append(
            "no option is endorsed by any constitution, so no model has a case: name columns with "
            "--column tags=NAME,NAME, or write 'endorsed_by' in the file"
        )
    elif idle:
        found.append(
            f"{count(len(idle), 'scenario')} without a case, since every constitution endorses all or "
            f"none of the options: {named([one.id for one in idle], 5)}"
        )
    if len(made.scenarios) > MANY:
        found.append(f"more than {MANY} scenarios are slow on a laptop; --limit 40 keeps a sample")
    return found + advice(options.to, SCENARIOS, options.licence)


def _endorsed_in_part(scenario: Scenario) -> bool:
    """Whether some constitution endorses some of the options and not all."""
    times = Counter(name for option in scenario.options for name in option.endorsed_by)
    return any(number < len(scenario.options) for number in times.values())


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
    add_table_options(parser)
    add_options(parser, made="theme", unit="scenarios", least=1, folder=SCENARIOS)
    parser.set_defaults(verb=import_scenarios)
