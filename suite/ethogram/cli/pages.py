"""`ethogram report` and `ethogram card`: what people read, made of a report.json."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ethogram.cli.files import UsageError, write
from ethogram.cli.stored import add_report, read, report_of
from ethogram.specs.errors import shown
from ethogram.specs.suite import Suite

STDOUT = Path("-")


def report(options: argparse.Namespace) -> int:
    """Render a report.json as a page and as a summary, beside it unless told otherwise."""
    from ethogram.report import html, markdown

    data = read(options.file)
    if options.html and options.html != STDOUT and options.html == options.markdown:
        raise UsageError("--html and --markdown name the same file")
    beside = options.html is None and options.markdown is None
    folder = options.file.parent
    if target := options.html or (folder / html.NAME if beside else None):
        _put(target, html.page(data), options.file)
    if target := options.markdown or (folder / markdown.NAME if beside else None):
        _put(target, markdown.summary(data), options.file)
    return 0


def card(options: argparse.Namespace) -> int:
    """Write the model card of a model of a report."""
    from ethogram.report.card import CardError, model_card

    suite = Suite.around(Path().resolve())
    data = read(report_of(options))
    rows = {row.get("model"): row for row in data.get("models", ())}
    stance = rows.get(options.model, {}).get("constitution")
    constitution = suite.constitutions.get(str(stance)) if suite else None
    try:
        text = str(model_card(data, options.model, constitution))
    except CardError as error:
        raise UsageError(str(error)) from None
    _put(options.out, text, report_of(options))
    return 0


def _put(target: Path, text: str, report: Path) -> None:
    """Write the file and say so; `-` is the standard output. Raises UsageError for the report itself."""
    from ethogram.report.stored import report_file

    if target.exists() and target.samefile(report_file(report)):
        raise UsageError(f"{shown(target)} is the report itself: name another file")
    if target == STDOUT:
        sys.stdout.write(text)
        return
    write(target, text)
    print(shown(target), file=sys.stderr)


def arguments(verbs: Any) -> None:
    """The arguments of both verbs."""
    parser = verbs.add_parser(
        "report",
        help="render a report.json as HTML and as Markdown",
        description="Render a report.json as one HTML page and as a Markdown summary. Without "
        "--html and --markdown both are written beside it.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a report.json")
    parser.add_argument("--html", type=Path, metavar="OUT", help="where to write the page, or -")
    parser.add_argument(
        "--markdown", type=Path, metavar="OUT", help="where to write the summary, or -"
    )
    parser.set_defaults(verb=report)
    parser = verbs.add_parser(
        "card",
        help="the model card of a finetuned model",
        description="Write the model card of a model of a report, with its measures as "
        "model-index results.",
    )
    parser.add_argument("model", metavar="MODEL", help="the model's id")
    add_report(parser)
    parser.add_argument(
        "--out", type=Path, default=STDOUT, metavar="FILE", help="where to write (default: stdout)"
    )
    parser.set_defaults(verb=card)
