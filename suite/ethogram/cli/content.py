"""`ethogram check --content`: the content rules, and what words alone say about each dimension."""

from __future__ import annotations

import sys

from tabulate import tabulate

from ethogram.content import cues, findings
from ethogram.specs.errors import count
from ethogram.specs.suite import Suite


def check_content(suite: Suite) -> int:
    """Print every finding and the table of cues; the exit code."""
    found = findings(suite)
    for finding in found:
        print(finding, file=sys.stderr)
    print()
    print(cue_table(suite))
    if found:
        broken = sorted({finding.rule for finding in found})
        print(f"\n{count(len(found), 'finding')} under {', '.join(broken)}", file=sys.stderr)
    return 1 if found else 0


def cue_table(suite: Suite) -> str:
    """A line for each dimension; 50 % is what words say where they say nothing."""
    rows = [
        (one.dimension.id, _percent(one.across), _percent(one.within), _percent(one.vocabulary))
        for one in cues(suite)
    ]
    head = ("words sort its sides", "learned elsewhere", "on its own items", "constitutions' words")
    return tabulate(rows, head, tablefmt="simple", colalign=("left", "right", "right", "right"))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"
