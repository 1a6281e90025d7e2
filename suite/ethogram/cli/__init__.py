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
    compare,
    export,
    pages,
    promote,
    scenarios,
    studies,
    transcripts,
)
from ethogram.cli.files import UsageError, suite_around, write
from ethogram.importers import Imported, persona_jsonl
from ethogram.source.obtain import SourceError
from ethogram.specs.constitution import Direction
from ethogram.specs.errors import Problem, SpecError, count, did_you_mean, shown
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


# check


def check(options: argparse.Namespace) -> int:
    """Name every problem in the suite's files, or say what they hold."""
    if not options.path.exists():
        raise UsageError(f"{options.path} does not exist")
    suite = suite_around(options.path, options.models)
    problems = suite.check()
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        return 1
    print(summary(suite))
    for file in suite.spare_models():
        print(f"not in use: {shown(file)}, a models file; --models and --ethogram-models name one")
    for problem in _shortages(suite):
        print(f"cannot be trained yet: {problem}")
    if options.content:
        from ethogram.cli.content import check_content

        return check_content(suite)
    return 0


def _shortages(suite: Suite) -> list[Problem]:
    """Finetuned models for whose recipes too little is recorded: a run could not measure them."""
    from ethogram.train.samples import shortage

    errors = [shortage(model, suite) for model in suite.catalogue]
    found = [problem for error in errors if error is not None for problem in error.problems]
    return list(dict.fromkeys(found))


def summary(suite: Suite) -> str:
    """What the suite's files hold, in one line a kind."""
    dimensions, themes = suite.dimensions.values(), suite.themes.values()
    prompts = sum(len(c.evaluate) + len(c.harmless) for c in suite.categories.values())
    recorded = [name for name in suite.constitutions if suite.recorded(name).exists()]
    models = list(suite.catalogue)
    lines = sum(len(suite.transcripts(name)) for name in recorded)
    rows = (
        ("dimensions", len(dimensions), count(sum(len(d.items) for d in dimensions), "item")),
        ("themes", len(themes), count(sum(len(theme.scenarios) for theme in themes), "scenario")),
        ("hazard categories", len(suite.categories), f"{prompts:,} prompts and look-alikes"),
        ("constitutions", len(suite.constitutions), count(lines, "transcript")),
        ("models", len(models), f"{sum(model.judged for model in models):,} with a signature"),
    )
    return "\n".join(
        f"{what:<18}{n:>5,}  {parts.partition(' ')[0]:>6} {parts.partition(' ')[2]}"
        for what, n, parts in rows
    )


# import


def import_(options: argparse.Namespace) -> int:
    """Turn public files into dimensions of the suite; all of them, or none if one is wrong."""
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
        elif target.exists() and not options.force:
            problems.append(
                f"{file}: {shown(target)} exists; --force replaces it, --name avoids it"
            )
        made[target] = found
    if problems:
        print("\n".join([*problems, "nothing was imported"]), file=sys.stderr)
        return 1
    for target, found in made.items():
        write(target, found.text)
        print(
            f"{shown(target)}: {count(found.items, 'item')} of {count(found.statements, 'statement')}"
        )
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
        found.append(
            f"nothing says which way a constitution should move {', '.join(idle)}: its cases will be "
            "measured and shown, and neither pass nor fail. To have them judged fill in "
            "'signature' in the file, or import again with --force and, say, "
            f"--signature {example}"
        )
    if options.to and options.to.resolve().name != PERSONA:
        found.append(f"pytest collects dimensions from a folder called {PERSONA} only")
    if not options.licence:
        found.append("licence not stated: add it with --licence, or in the file")
    if max(dimension.items for dimension in made) > MANY:
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
    _check_arguments(verbs)
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


def _check_arguments(verbs: Any) -> None:
    parser = verbs.add_parser(
        "check",
        help="read every file of a suite and name what is wrong",
        description="Read every file of a suite, its constitutions and models.yaml, and name "
        "every problem in them and between them. Loads no model.",
    )
    parser.add_argument(
        "path",
        type=Path,
        nargs="?",
        default=Path(),
        metavar="PATH",
        help="any file or folder of the suite (default: where you are)",
    )
    parser.add_argument(
        "--models", type=Path, metavar="FILE", help="a models.yaml other than the suite's own"
    )
    parser.add_argument(
        "--content",
        action="store_true",
        help="hold the content to the rules of measuring well too: pairs alike, nothing twice, "
        "nothing leaked, enough of everything",
    )
    parser.set_defaults(verb=check)


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
