"""The command `ethogram`: what is not a test run. Exit codes: 0 fine, 1 problems, 2 usage."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

from ethogram import __version__
from ethogram.asks import TeachError
from ethogram.cli import (
    baseline,
    check,
    compare,
    export,
    pages,
    promote,
    scenarios,
    studies,
    transcripts,
)
from ethogram.cli.files import SHOWN, UsageError, suite_around, write
from ethogram.importers import Imported, persona_jsonl
from ethogram.source.obtain import SourceError
from ethogram.specs.constitution import Direction
from ethogram.specs.errors import SpecError, count, did_you_mean, shown
from ethogram.specs.suite import Suite
from ethogram.store import Store, StoreError, clear, default_root, usage
from ethogram.store.inventory import KINDS

PERSONA = "persona"
MANY = 50
"""Items of a dimension from which the user is told of --limit."""
SCHEMAS = Path(__file__).parents[1] / "schemas"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    options = _parser().parse_args(arguments)
    verb: Callable[[argparse.Namespace], int] = options.verb
    try:
        code = verb(options)
        sys.stdout.flush()
        return code
    except UsageError as error:
        print(f"ethogram {options.command}: {error}", file=sys.stderr)
        return 2
    except (SpecError, StoreError, SourceError, TeachError) as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever reads our output has gone; the interpreter must not fail on it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"{error.filename or 'ethogram'}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


# import


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
        elif target.exists() and not (options.force or options.dry_run):
            problems.append(
                f"{file}: {shown(target)} exists; --force replaces it, --name avoids it"
            )
        made[target] = found
    if problems:
        print("\n".join([*problems, "nothing was imported"]), file=sys.stderr)
        return 1
    for target, found in made.items():
        told = f"{count(len(found.items), 'item')} of {count(found.statements, 'statement')}"
        if options.dry_run:
            print("\n".join(found.items[:SHOWN]))
            told = f"{told}; nothing was written"
        else:
            write(target, found.text)
        print(f"{shown(target)}: {told}")
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
    if options.to and options.to.resolve().name != PERSONA:
        found.append(f"pytest collects dimensions from a folder called {PERSONA} only")
    if not options.licence:
        found.append("licence not stated: add it with --licence, or in the file")
    if max(len(dimension.items) for dimension in made) > MANY:
        found.append(
            f"more than {MANY} items are slow on a laptop; --limit 40 is enough for a first look"
        )
    return found


# schemas


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


# cache


def cache(options: argparse.Namespace) -> int:
    """Show where the cache is and what it holds, or clear one kind of it."""
    store = Store(options.cache or default_root())
    if options.path:
        print(store.root)
        return 0
    if options.clear:
        return _clear(store, options.clear, sure=options.yes)
    print(store.root)
    for kind in usage(store):
        print(f"  {kind.kind:<11}{kind.entries:>6}  {_bytes(kind.size):>9}")
    return 0


def _clear(store: Store, kind: str, *, sure: bool) -> int:
    held = next(found for found in usage(store) if found.kind == kind)
    what = f"{held.entries} of {kind} ({_bytes(held.size)}) in {store.root}"
    if not sure:
        raise UsageError(f"would delete {what}; add --yes to do it")
    clear(store, kind)
    print(f"deleted {what}")
    return 0


def _bytes(size: int) -> str:
    amount = float(size)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


# arguments


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


def _confidence(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 1")
    return number


def _limit(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of items, which must be 2 or more")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ethogram", description="Tools beside the test runs, which are pytest's."
    )
    parser.add_argument("--version", action="version", version=f"ethogram {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB", dest="command")
    check.add_arguments(verbs)
    _import_arguments(verbs)
    scenarios.add_arguments(verbs)
    export.add_arguments(verbs)
    transcripts.add_to(verbs)
    studies.add_arguments(verbs)
    _schemas_arguments(verbs)
    pages.arguments(verbs)
    promote.add_arguments(verbs)
    compare.add_arguments(verbs)
    baseline.add_arguments(verbs)
    _cache_arguments(verbs)
    return parser


def _import_arguments(verbs: Any) -> None:
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
    parser.add_argument("--name", help="the dimension's id (default: the file's name)")
    parser.add_argument("--source", help="where the text comes from (default: the file's name)")
    parser.add_argument("--licence", help="the terms on which the text may be used")
    parser.add_argument(
        "--signature",
        type=_signature,
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
    parser.add_argument(
        "--limit", type=_limit, metavar="N", help="keep a sample of N items (default: all)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="the sample's seed (default: %(default)s)"
    )
    parser.add_argument(
        "--to", type=Path, metavar="DIR", help="where to write (default: suite/persona)"
    )
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help=f"show the first {SHOWN} items of every file; write nothing",
    )
    parser.set_defaults(verb=import_)


def _schemas_arguments(verbs: Any) -> None:
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


def _cache_arguments(verbs: Any) -> None:
    parser = verbs.add_parser(
        "cache",
        help="where sources, adapters and scores are kept, and how much there is",
        description="Show where sources, adapters and scores are kept and how much there is. "
        "Whatever is deleted is made anew when it is next needed.",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="a cache other than that of ETHOGRAM_CACHE or of the platform",
    )
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--path", action="store_true", help="print the folder alone")
    either.add_argument("--clear", choices=KINDS, help="delete all of one kind (needs --yes)")
    parser.add_argument("--yes", action="store_true", help="do delete")
    parser.set_defaults(verb=cache)
