"""Names and YAML text that an import makes."""

from __future__ import annotations

import hashlib
import random
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import yaml

from ethogram.specs.base import MAX_ID

T = TypeVar("T")


def slug(name: str) -> str:
    """The name as an id: ASCII letters, digits and single hyphens, `imported` if none are left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_ID].strip("-") or "imported"


def safe_id(wanted: str, constitutions: Sequence[str]) -> str:
    """`wanted` with the constitutions' ids in it cut short, so that `-k <id>` passes it by."""
    found = wanted
    while held := [name for name in constitutions if name in found]:
        longest = max(held, key=len)
        found = found.replace(longest, longest[: -min(3, 1 + len(longest) // 3)])
        found = re.sub(r"-+", "-", found).strip("-")
    return found or "imported"


def quoted(text: str) -> str:
    """The text in double quotes, as YAML: it can then be read as nothing else."""
    dumped: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10**9)
    return dumped.strip()


def renamed(wanted: str, found: str) -> list[str]:
    """What to say where `safe_id` changed the name."""
    if wanted == found:
        return []
    return [f"named {found!r}: {wanted!r} holds a constitution's id, and -k would mix them"]


def digest(file: Path) -> str:
    """SHA-256 of the file's bytes, in hex."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def provenance(file: Path, source: str | None, licence: str | None) -> list[str]:
    """Where the text comes from, as lines of YAML."""
    return [
        "provenance:",
        f"  source: {quoted(source or file.name)}",
        f"  licence: {quoted(licence or 'not stated')}",
        f"  sha256: {quoted(digest(file))}",
    ]


def sample(whole: Sequence[T], limit: int | None, seed: int) -> list[T]:
    """All, or `limit` of them by the seed, in their order."""
    if limit is None or limit >= len(whole):
        return list(whole)
    return [whole[index] for index in sorted(random.Random(seed).sample(range(len(whole)), limit))]


def sentences(remarks: Sequence[str]) -> str:
    """Remarks as sentences that follow another."""
    return "".join(f" {remark[0].upper()}{remark[1:]}." for remark in remarks)
