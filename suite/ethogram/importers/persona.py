"""Public files of statements -> the YAML of a dimension that runs as cases.

The persona format is JSON Lines: every line holds a statement and whether somebody with the
behaviour would say it. Such a file is no list of minimal pairs, so the matching statements are
matched one to one against the others, nearest in length and wording.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from ethogram.importers.text import provenance, quoted, renamed, safe_id, sample, sentences, slug
from ethogram.specs.base import Float, Spec, Text
from ethogram.specs.constitution import Direction, read_lines
from ethogram.specs.errors import Place, SpecError, count

QUESTION = "What do you believe?"
REACH = 100.0
"""The difference in characters that counts in the pairing as much as having no word in common."""
NOTABLE = 20
"""The difference in characters from which the reader is told that one side is longer."""
_STRAIGHT = str.maketrans("‘’‚“”„", "'''\"\"\"")


def _word(value: object) -> object:
    plain = value.strip(" .").casefold() if isinstance(value, str) else value
    return plain if plain in ("yes", "no") else value


Answer = Annotated[Literal["yes", "no"], BeforeValidator(_word)]


class Statement(Spec):
    """One line of the persona format: what is said, and whether saying it matches the behaviour."""

    model_config = ConfigDict(extra="ignore")

    statement: Text
    label_confidence: Float = Field(ge=0, le=1)
    answer_matching_behavior: Answer
    answer_not_matching_behavior: Answer

    @model_validator(mode="after")
    def _consistent(self) -> Statement:
        if self.answer_matching_behavior == self.answer_not_matching_behavior:
            answer = self.answer_matching_behavior
            raise ValueError(f"both answers are {answer!r}: one must match the behaviour, one not")
        return self

    @property
    def matches(self) -> bool:
        return self.answer_matching_behavior == "yes"


@dataclass(frozen=True, slots=True)
class Imported:
    """A dimension as YAML text, and what its reader should know of how it came about."""

    id: str
    text: str
    items: tuple[str, ...]
    """Every item as it stands in `text`."""
    statements: int
    notes: tuple[str, ...]


def persona_jsonl(
    file: Path,
    name: str | None = None,
    *,
    source: str | None = None,
    licence: str | None = None,
    signature: Mapping[str, Direction] | None = None,
    constitutions: Sequence[str] = (),
    min_confidence: float = 0.0,
    limit: int | None = None,
    seed: int = 0,
) -> Imported:
    """The dimension that a file in the persona format makes. The same input, the same text.

    Raises SpecError naming every malformed line, or why there are no two pairs. `constitutions`
    are ids that the dimension's id may not hold. `limit` keeps a sample of the pairs by seed.
    """
    wanted = slug(name or file.stem)
    safe = safe_id(wanted, constitutions)
    notes = renamed(wanted, safe)
    read = read_lines(Statement, file)
    kept, dropped = _distinct([s for s in read if s.label_confidence >= min_confidence])
    if unsure := sum(s.label_confidence < min_confidence for s in read):
        dropped.insert(0, f"{count(unsure, 'statement')} below confidence {min_confidence:g}")
    matching, others = [s for s in kept if s.matches], [s for s in kept if not s.matches]
    if min(len(matching), len(others)) < 2:
        raise SpecError.at(Place(file), _one_sided(matching, others, dropped))
    pairs = paired(matching, others)
    if left := abs(len(matching) - len(others)):
        side = "matching" if len(matching) > len(others) else "non-matching"
        dropped.append(f"{count(left, f'{side} statement')} without a partner")
    whole, pairs = pairs, sample(pairs, limit, seed)
    if more := len(whole) - len(pairs):
        dropped.append(f"{count(more, 'pair')} not in the sample (seed {seed})")
    remarks = _remarks(pairs, dropped)
    topic = wanted.replace("-", " ")
    items = tuple(_item(number, topic, *pair) for number, pair in enumerate(pairs, start=1))
    text = _dimension(
        topic=topic,
        items=items,
        remarks=remarks,
        origin=provenance(file, source, licence),
        signature=dict(signature or {}),
        constitutions=constitutions,
    )
    return Imported(safe, text, items, len(read), (*notes, *remarks))


def _distinct(statements: Sequence[Statement]) -> tuple[list[Statement], list[str]]:
    """Every statement once, in the file's order, and what was left out for that."""
    groups: dict[str, list[Statement]] = {}
    for statement in statements:
        groups.setdefault(_folded(statement.statement), []).append(statement)
    clear = [group for group in groups.values() if len({s.matches for s in group}) == 1]
    both = len(statements) - sum(len(group) for group in clear)
    repeats = sum(len(group) - 1 for group in clear)
    dropped = []
    if repeats:
        dropped.append(count(repeats, "repeated statement"))
    if both:
        dropped.append(f"{count(both, 'statement')} labelled both ways")
    return [group[0] for group in clear], dropped


def _folded(text: str) -> str:
    """The text without what two copies of a statement may differ in."""
    plain = unicodedata.normalize("NFKC", text).translate(_STRAIGHT).casefold()
    return " ".join(plain.split()).rstrip(". ")


def paired(
    matching: Sequence[Statement], others: Sequence[Statement]
) -> list[tuple[Statement, Statement]]:
    """Each matching statement with its own non-matching one, in the order of the matching ones.

    The pairing is the cheapest in total (linear sum assignment) where a pair costs the square of
    its difference in length (in units of REACH) plus 1 minus the Jaccard similarity of its words.
    The square spreads a difference that all pairs share, as in files whose one side is longer.
    Of unequal sides the longer one keeps some statements without a partner.
    """
    import numpy as np
    from scipy import sparse
    from scipy.optimize import linear_sum_assignment

    words = [set(re.findall(r"\w+", _folded(s.statement))) for s in (*matching, *others)]
    index = {word: number for number, word in enumerate(sorted(set().union(*words)))}
    rows = [row for row, found in enumerate(words) for _ in found]
    columns = [index[word] for found in words for word in found]
    shape = (len(words), max(1, len(index)))
    table = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)
    cut = len(matching)
    common = (table[:cut] @ table[cut:].T).toarray()
    sizes = np.array([len(found) for found in words], dtype=np.float64)
    union = np.maximum(sizes[:cut, None] + sizes[None, cut:] - common, 1.0)
    lengths = np.array([len(s.statement) for s in (*matching, *others)], dtype=np.float64)
    apart = np.abs(lengths[:cut, None] - lengths[None, cut:])
    chosen = linear_sum_assignment((apart / REACH) ** 2 + 1 - common / union)
    return [(matching[row], others[column]) for row, column in zip(*chosen, strict=True)]


def _remarks(pairs: Sequence[tuple[Statement, Statement]], dropped: Sequence[str]) -> list[str]:
    """What a reader of the results should know: what is missing, and where the sides differ."""
    remarks = [f"left out: {', '.join(dropped)}"] if dropped else []
    longer = median(len(a.statement) - len(r.statement) for a, r in pairs)
    if abs(longer) >= NOTABLE:
        side = "affirming" if longer > 0 else "rejecting"
        remarks.append(
            f"the {side} statements are longer by {abs(longer):.0f} characters in the median: "
            "part of a shift may be one of length"
        )
    return remarks


def _one_sided(
    matching: Sequence[Statement], others: Sequence[Statement], dropped: Sequence[str]
) -> str:
    message = (
        f"{count(len(matching), 'statement')} that {'matches' if len(matching) == 1 else 'match'} "
        f"the behaviour and {len(others)} that {'does' if len(others) == 1 else 'do'} not: "
        "a dimension needs two pairs"
    )
    return f"{message} (left out: {', '.join(dropped)})" if dropped else message


def _dimension(
    *,
    topic: str,
    items: Sequence[str],
    remarks: Sequence[str],
    origin: Sequence[str],
    signature: Mapping[str, Direction],
    constitutions: Sequence[str],
) -> str:
    """The YAML. Text is always double-quoted: no statement can then be read as a number."""
    about = (
        f"Affirming means saying what somebody with the behaviour '{topic}' would say. Imported: "
        "statements that match it, each against one that does not, nearest in length and wording."
    )
    about += sentences(remarks)
    lines = [
        "# yaml-language-server: $schema=../ethogram/schemas/persona.json",
        f"about: {quoted(about)}",
        f"question: {quoted(QUESTION)}",
        *origin,
        *_signature(signature, constitutions),
        "items:",
        *items,
    ]
    return "\n".join(lines) + "\n"


def _item(number: int, topic: str, affirms: Statement, rejects: Statement) -> str:
    lines = (
        f"  - id: pair-{number:03}",
        f"    topic: {quoted(topic)}",
        f"    affirms: {quoted(affirms.statement)}",
        f"    rejects: {quoted(rejects.statement)}",
    )
    return "\n".join(lines)


def _signature(signature: Mapping[str, Direction], constitutions: Sequence[str]) -> list[str]:
    if signature:
        return ["signature:", *(f"  {name}: {signature[name]}" for name in sorted(signature))]
    return [
        "# Without expectations the cases are measured and shown, and neither pass nor fail. To have",
        "# them judged, write more, less or same for each constitution of which you expect something:",
        "# signature:",
        *(f"#   {name}: ?" for name in constitutions or ("<constitution>",)),
    ]
