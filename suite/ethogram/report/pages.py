"""The pages of a report beside its report.json, and a report.json read back for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ethogram.report import html, markdown
from ethogram.report.document import SCHEMA_VERSION

PAGES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    html.NAME: html.page,
    markdown.NAME: markdown.summary,
}


class ReportError(Exception):
    """A file that is no report this version can show; the message says what it is."""


def read(file: Path) -> dict[str, Any]:
    """The content of a report.json. Raises ReportError where it is none, OSError as the system does."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ReportError(f"{file}: not JSON: {error}") from None
    if not isinstance(found, dict) or not isinstance(found.get("cases"), list):
        raise ReportError(f"{file}: no report of Ethogram: it has no list 'cases'")
    version = found.get("schema_version")
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise ReportError(
            f"{file}: schema_version {version!r}; this version reads up to {SCHEMA_VERSION}: "
            "render it with the version of Ethogram that wrote it"
        )
    return found
