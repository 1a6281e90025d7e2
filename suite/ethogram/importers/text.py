"""Names and YAML text that an import makes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import yaml

from ethogram.specs.base import MAX_ID


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
