"""The command `ethogram`: what is not a test run. Exit codes: 0 fine, 1 problems, 2 usage."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from ethogram import __version__
from ethogram.asks import TeachError
from ethogram.cli import (
    baseline,
    cache,
    check,
    compare,
    export,
    hazards,
    importing,
    pages,
    promote,
    scenarios,
    schemas,
    studies,
    transcripts,
)
from ethogram.cli.files import UsageError
from ethogram.source.obtain import SourceError
from ethogram.specs.errors import SpecError
from ethogram.store import StoreError


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ethogram", description="Tools beside the test runs, which are pytest's."
    )
    parser.add_argument("--version", action="version", version=f"ethogram {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB", dest="command")
    check.add_arguments(verbs)
    importing.add_arguments(verbs)
    scenarios.add_arguments(verbs)
    hazards.add_arguments(verbs)
    export.add_arguments(verbs)
    transcripts.add_to(verbs)
    studies.add_arguments(verbs)
    schemas.add_arguments(verbs)
    pages.arguments(verbs)
    promote.add_arguments(verbs)
    compare.add_arguments(verbs)
    baseline.add_arguments(verbs)
    cache.add_arguments(verbs)
    return parser
