"""`ethogram transcripts`: the text that models are trained on, made, shown and frozen."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ethogram.cli import replay
from ethogram.cli.files import UsageError, write
from ethogram.cli.house import house, positive, shared_arguments
from ethogram.specs.constitution import BY_HAND, Transcript, read_lines
from ethogram.specs.errors import count, did_you_mean, shown
from ethogram.specs.suite import Suite

if TYPE_CHECKING:
    from ethogram.jobs.identity import Identities
    from ethogram.jobs.lessons import Course
    from ethogram.train.filters import Sifted

NAMED = ("category", "prompt", "draft", "rounds", "chosen", "teacher")


def add_to(verbs: Any) -> None:
    """Add the verb and its own verbs to the command's parser."""
    parser = verbs.add_parser(
        "transcripts",
        help="make, show and freeze the text that models are trained on",
        description="Make the text that models are trained on with your own teachers, look at it, "
        "and write it into constitutions/transcripts/.",
    )
    inner = parser.add_subparsers(required=True, metavar="WHAT", dest="what")
    _make_arguments(inner)
    _show_arguments(inner)
    _freeze_arguments(inner)
    replay.add_to(inner)


# make


def make(options: argparse.Namespace) -> int:
    """Make what is missing of the named constitutions, and say what the filters keep of it."""
    from ethogram.jobs.progress import Progress
    from ethogram.jobs.teach import Classroom
    from ethogram.measure.refusal import refuses
    from ethogram.report.teaching import filters_table, quality

    suite, identities = house(options)
    room = Classroom(identities, Progress())
    lost = 0
    for course in _courses(options, suite, identities):
        failed = room.teach(course)
        lost += failed.total()
        sifted = _sifted(course, identities)
        print(f"{course.constitution.id}, by {course.by}")
        print(filters_table(sifted))
        print(quality(sifted, refuses))
        for reason, times in failed.most_common():
            print(f"{times} could not be made: {reason}", file=sys.stderr)
    if lost:
        print("the same command makes what is missing", file=sys.stderr)
    return 1 if lost else 0


# show


def show(options: argparse.Namespace) -> int:
    """Print some of what was made: kept, or dropped with the reason."""
    suite, identities = house(options)
    for course in _courses(options, suite, identities):
        sifted = _sifted(course, identities)
        chosen = sifted.dropped if options.dropped else [(one, "") for one in sifted.kept]
        for one, reason in chosen[: options.count]:
            print(f"--- {one.assignment.category}{f': dropped, {reason}' if reason else ''}")
            print(f"prompt    {one.assignment.prompt}\ndraft     {one.draft}")
            for principle, turn in zip(one.assignment.principles, one.turns, strict=True):
                print(f"principle {principle.id}\ncritique  {turn.critique}")
                print(f"revision  {turn.revision}")
        what = "dropped" if options.dropped else "kept"
        print(
            f"{min(options.count, len(chosen))} of {len(chosen)} {what}, {course.constitution.id}"
        )
    return 0


# freeze


def freeze(options: argparse.Namespace) -> int:
    """Write what is kept into constitutions/transcripts/, where it is recorded text as any other."""
    suite, identities = house(options)
    made: dict[Path, list[str]] = {}
    for course in _courses(options, suite, identities):
        stored = identities.store.transcripts(course.folder).refresh()
        if missing := course.missing(stored):
            some = f" --categories {','.join(options.categories)}" if options.categories else ""
            raise UsageError(
                f"{count(len(missing), 'transcript')} of {course.constitution.id} still to be made: "
                f"ethogram transcripts make {course.constitution.id} --teaching {course.teaching_id}{some}"
            )
        lines = [_recorded(line) for line in course.transcripts(_sifted(course, identities).kept)]
        file = suite.recorded(course.constitution.id)
        made[file] = [*_stay(file, {one.category for one in course.assignments}, options), *lines]
    for file, lines in made.items():
        write(file, "".join(f"{line}\n" for line in lines))
        print(f"{shown(file)}: {count(len(lines), 'transcript')}")
    return 0


def _stay(file: Path, categories: set[str], options: argparse.Namespace) -> list[str]:
    """Lines of the file that stay as they are: of other categories, and, with --keep, by hand."""
    if not file.exists():
        return []
    there = read_lines(Transcript, file)
    by_hand = sum(line.category in categories and line.teacher == BY_HAND for line in there)
    if by_hand and not (options.keep or options.force):
        raise UsageError(
            f"{shown(file)} holds {count(by_hand, 'line')} written by hand; --keep adds to them, --force "
            "replaces them"
        )
    written = file.read_text(encoding="utf-8-sig").split("\n")
    return [
        written[line.place.line - 1].rstrip("\r")
        for line in there
        if line.category not in categories or (options.keep and line.teacher == BY_HAND)
    ]


def _recorded(line: Transcript) -> str:
    return json.dumps(line.model_dump(include=set(NAMED), exclude_none=True), ensure_ascii=False)


# arguments


def _courses(options: argparse.Namespace, suite: Suite, identities: Identities) -> Iterator[Course]:
    from ethogram.jobs.lessons import course

    ways = list(suite.models.teaching)
    if not ways:
        raise UsageError(f"{shown(suite.models_file)} names no teaching")
    way = options.teaching or (ways[0] if len(ways) == 1 else None)
    if way is None:
        raise UsageError(f"several ways of teaching: name one with --teaching ({', '.join(ways)})")
    categories = options.categories or list(suite.own_categories)
    _known("teaching", [way], ways)
    _known("constitution", options.constitutions, list(suite.constitutions))
    _known("hazard category", categories, list(suite.own_categories))
    for name in options.constitutions or suite.constitutions:
        yield course(suite, name, way, identities.teacher, categories)


def _known(what: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise UsageError(f"no {what} is called {name!r}{did_you_mean(name, known)}")


def _sifted(course: Course, identities: Identities) -> Sifted:
    stored = identities.store.transcripts(course.folder).refresh()
    return course.sifted(stored, [text for _, text in identities.evaluated])


def _make_arguments(inner: Any) -> None:
    parser = inner.add_parser(
        "make",
        help="have missing transcripts made, and see what the filters keep",
        description="Have a teacher of models.yaml draft, criticise and revise answers to the "
        "training prompts of suite/safety. Whatever is finished is stored at once: after an "
        "interruption the same command makes the rest.",
    )
    _course_arguments(parser)
    parser.set_defaults(verb=make)


def _show_arguments(inner: Any) -> None:
    parser = inner.add_parser("show", help="print some of the transcripts that were made")
    _course_arguments(parser)
    parser.add_argument(
        "--count", type=positive, default=3, metavar="N", help="how many (default: 3)"
    )
    parser.add_argument("--dropped", action="store_true", help="those that a filter dropped")
    parser.set_defaults(verb=show)


def _freeze_arguments(inner: Any) -> None:
    parser = inner.add_parser(
        "freeze",
        help="write what the filters keep into constitutions/transcripts/",
        description="Write what the filters keep into constitutions/transcripts/<id>.jsonl. "
        "Lines of other categories stay; made lines of these categories are replaced.",
    )
    _course_arguments(parser)
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--keep", action="store_true", help="keep lines written by hand, and add")
    either.add_argument("--force", action="store_true", help="replace lines written by hand too")
    parser.set_defaults(verb=freeze)


def _course_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("constitutions", nargs="*", metavar="ID", help="(default: all)")
    parser.add_argument("--teaching", metavar="ID", help="of models.yaml (default: the only one)")
    parser.add_argument(
        "--categories",
        type=lambda text: text.split(","),
        metavar="ID,...",
        help="hazard categories (default: all)",
    )
    shared_arguments(parser)
