"""`ethogram transcripts`: the recorded text that models are trained on, made and shown."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ethogram.specs.constitution import Replay, ReplayPrompt, read_lines
from ethogram.specs.errors import shown
from ethogram.store import Store, default_root
from ethogram.verbs.usage import source_named, suite_around, write_whole


def add_to(verbs: Any) -> None:
    """Add the verb and its own verbs to the command's parser."""
    parser = verbs.add_parser(
        "transcripts",
        help="make the text that models are trained on",
        description="Make the text that models are trained on, with your own model.",
    )
    inner = parser.add_subparsers(required=True, metavar="WHAT", dest="what")
    _replay_arguments(inner)


# replay


def replay(options: argparse.Namespace) -> int:
    """Answer the harmless prompts with the source itself and write them down."""
    from ethogram.jobs.identity import Identities
    from ethogram.jobs.progress import Progress
    from ethogram.jobs.replay import answer_replay

    suite = suite_around(options.suite, options.models)
    source = suite.catalogue[source_named(suite, options.source)]
    file = suite.recorded("replay")
    prompts: list[ReplayPrompt] = list(suite.replay()) if file.exists() else []
    for more in options.prompts:
        prompts += read_lines(ReplayPrompt, more)
    identities = Identities(suite, Store(options.cache or default_root()))
    found = answer_replay(source, prompts, options.tokens, identities, Progress())
    target = options.to or file
    write_whole(target, "".join(f"{_line(line)}\n" for line in found.lines))
    print(f"{shown(target)}: {len(found.lines)} of {len(prompts)} prompts, answered by {source.id}")
    for prompt, reason in found.left_out:
        print(f"  left out ({reason}): {prompt}", file=sys.stderr)
    return 0


def _line(line: Replay) -> str:
    written = {key: getattr(line, key) for key in ("prompt", "answer", "look_alike", "teacher")}
    return json.dumps(written, ensure_ascii=False)


def _replay_arguments(inner: Any) -> None:
    parser = inner.add_parser(
        "replay",
        help="answer the harmless prompts with the source itself",
        description="Answer the prompts of constitutions/transcripts/replay.jsonl with the source "
        "itself, greedily, each answer cut at the end of its last whole sentence.",
    )
    _shared_arguments(parser)
    parser.add_argument("--source", metavar="ID", help="of models.yaml (default: the only one)")
    parser.add_argument(
        "--tokens", type=_tokens, default=64, metavar="N", help="longest answer (default: 64)"
    )
    parser.add_argument(
        "--prompts",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="JSON Lines with prompt and look_alike, to be answered too; may be given again",
    )
    parser.add_argument(
        "--to", type=Path, metavar="FILE", help="where to write (default: replay.jsonl itself)"
    )
    parser.set_defaults(verb=replay)


# arguments


def _shared_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--suite",
        type=Path,
        default=Path(),
        metavar="PATH",
        help="any file or folder of the suite (default: where you are)",
    )
    parser.add_argument(
        "--models", type=Path, metavar="FILE", help="a models file other than the suite's own"
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="a cache other than the default")


def _tokens(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of tokens")
    return int(text)
