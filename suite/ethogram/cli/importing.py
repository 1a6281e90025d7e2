"""`ethogram import`: public files of statements as dimensions."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from ethogram.cli.files import UsageError, suite_around
from ethogram.cli.imports import SHOWN, add_options, advice, in_the_way, land
from ethogram.importers import Imported, persona_jsonl
from ethogram.specs.constitution import Direction
from ethogram.specs.errors import SpecError, count, did_you_mean, shown
from ethogram.specs.suite import Suite

PERSONA = "persona"
MANY = 50
"""Items of a dimension from which the user is told of --limit."""


def import_(options: argparse.Namespace) -> int:
    """Turn public files into dimensions, or show what they would become; all, or none."""
    if options.name and len(options.files) > 1:
        raise UsageError("--name names one dimension, but several files are given")
    suite = suite_around(options.to or Path())
    for name in options.signature:
        if name not in suite.constitutions:
            hint = did_you_mean(name, suite.constitutions)
            raise UsageError(f"--signature: no constitution is called {name!r}{hint}")
    folder = options.to or suite.folder / PERSONA
    made: dict[Path, Imported] = {}
    problems = []
    for file in options.files:
        try:
            found = persona_jsonl(
                file,
                options.name,
                source=options.source,
                licence=options.licence,
                signature=options.signature,
                constitutions=list(suite.constitutions),
                min_confidence=options.min_confidence,
                limit=options.limit,
                seed=options.seed,
            )
        except SpecError as error:
            problems += [str(problem) for problem in error.problems]
            continue
        target = folder / f"{found.id}.yaml"
        if target in made:
            problems.append(f"{file}: {shown(target)} would be written twice: import one by one")
        elif message := in_the_way(target, options):
            problems.append(f"{file}: {message}")
        made[target] = found
    if problems:
        print("\n".join([*problems, "nothing was imported"]), file=sys.stderr)
        return 1
    for target, found in made.items():
        told = f"{count(len(found.items), 'item')} of {count(found.statements, 'statement')}"
        land(target, found.text, told, found.items[:SHOWN], options)
        for note in found.notes:
            print(f"  {note}", file=sys.stderr)
    for line in _advice(suite, list(made.values()), options):
        print(line, file=sys.stderr)
    return 0


def _advice(suite: Suite, made: Sequence[Imported], options: argparse.Namespace) -> list[str]:
    """What the user may want to do next about the dimensions that were just written."""
    found = []
    judged = {name for c in suite.constitutions.values() for name in c.signature}
    idle = [dimension.id for dimension in made if dimension.id not in judged]
    if idle and not options.signature:
        some = zip(suite.constitutions, ("more", "less"), strict=False)
        example = ",".join(f"{name}={direction}" for name, direction in some)
        again = "import with" if options.dry_run else "import again with --force and"
        found.append(
            f"nothing says which way a constitution should move {', '.join(idle)}: its cases will be "
            "measured and shown, and neither pass nor fail. To have them judged fill in "
            f"'signature' in the file, or {again}, say, --signature {example}"
        )
    found += advice(options.to, PERSONA, options.licence)
    if max(len(dimension.items) for dimension in made) > MANY:
        found.append(
            f"more than {MANY} items are slow on a laptop; --limit 40 is enough for a first look"
        )
    return found


def _signature(text: str) -> dict[str, Direction]:
    """`deontology=less,consequentialism=more` as a mapping."""
    found: dict[str, Direction] = {}
    for part in text.split(","):
        name, equals, direction = part.strip().partition("=")
        if not equals or direction not in get_args(Direction):
            raise argparse.ArgumentTypeError(
                f"{part.strip()!r} is not CONSTITUTION=more, =less or =same"
            )
        if name in found:
            raise argparse.ArgumentTypeError(f"{name!r} stands twice")
        found[name] = direction  # type: ignore[assignment]
    return found


class _Merged(argparse.Action):
    """Mappings of several options in one. A key that stands twice is an error."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        before = getattr(namespace, self.dest)
        if twice := before.keys() & values.keys():
            parser.error(f"argument {option_string}: {min(twice)!r} stands twice")
        setattr(namespace, self.dest, {**before, **values})


def _confidence(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 1")
    return number


def add_arguments(verbs: Any) -> None:
    """The verb's own part of the command line."""
    parser = verbs.add_parser(
        "import",
        help="turn public files of statements into dimensions",
        description="Turn files in the persona format (JSON Lines with question, statement, "
        "label_confidence, answer_matching_behavior, answer_not_matching_behavior) into "
        "dimensions: statements that match the behaviour, each against one that does not.",
        epilog="example: ethogram import risk-averse.jsonl --licence 'CC BY 4.0' --source "
        "'anthropics/evals, Perez et al. 2022, arXiv 2212.09251' --signature deontology=same",
    )
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument(
        "--signature",
        type=_signature,
        action=_Merged,
        default={},
        metavar="ID=DIRECTION,...",
        help="which way each constitution should move it: more, less or same; a dimension that "
        "nothing is expected of is measured and not judged",
    )
    parser.add_argument(
        "--min-confidence",
        type=_confidence,
        default=0.0,
        metavar="P",
        help="leave out statements whose label is less sure",
    )
    add_options(parser, made="dimension", unit="items", least=2, folder=PERSONA)
    parser.set_defaults(verb=import_)
