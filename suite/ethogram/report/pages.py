"""The pages of a report, which stand beside its report.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ethogram.report import html, markdown

PAGES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    html.NAME: html.page,
    markdown.NAME: markdown.summary,
}
