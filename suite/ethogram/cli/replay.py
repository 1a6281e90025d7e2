"""`ethogram transcripts replay`: harmless prompts answered by the source itself."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ethogram.cli.files import write
from ethogram.cli.house import house, positive, shared_arguments, source_named
from ethogram.specs.constitution import Replay, ReplayPrompt, read_lines
from ethogram.specs.errors import shown


def add_to(inner: Any) -> None:
    """Add the verb to the parser of `ethogram transcripts`."""
    parser = inner.add_parser(
        "replay",
        help="answer the harmless prompts with the source itself",
        description="Answer the prompts of constitutions/transcripts/replay.jsonl with the source "
        "itself, greedily, each answer cut at the end of its last whole sentence.",
    )
    shared_arguments(parser)
    parser.add_argument("--source", metavar="ID", help="of models.yaml (default: the only one)")
    parser.add_argument(
        "--tokens", type=positive, default=64, metavar="N", help="longest answer (default: 64)"
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


def replay(options: argparse.Namespace) -> int:
    """Answer the harmless prompts with the source itself and write them down."""
    from ethogram.jobs.progress import Progress
    from ethogram.jobs.replay import answer_replay

    suite, identities = house(options)
    source = suite.catalogue[source_named(suite, options.source)]
    file = suite.recorded("replay")
    prompts: list[ReplayPrompt] = list(suite.replay()) if file.exists() else []
    for more in options.prompts:
        prompts += read_lines(ReplayPrompt, more)
    found = answer_replay(source, prompts, options.tokens, identities, Progress())
    target = options.to or file
    write(target, "".join(f"{_line(line)}\n" for line in found.lines))
    print(f"{shown(target)}: {len(found.lines)} of {len(prompts)} prompts, answered by {source.id}")
    for prompt, reason in found.left_out:
        print(f"  left out ({reason}): {prompt}", file=sys.stderr)
    return 0


def _line(line: Replay) -> str:
    written = {key: getattr(line, key) for key in ("prompt", "answer", "look_alike", "teacher")}
    return json.dumps(written, ensure_ascii=False)
