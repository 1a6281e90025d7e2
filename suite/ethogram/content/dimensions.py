"""Whether a dimension holds enough items, from enough walks of life."""

from __future__ import annotations

from collections.abc import Iterator

from ethogram.content.finding import Finding
from ethogram.content.standard import Standard
from ethogram.specs.errors import count
from ethogram.specs.persona import Dimension


def dimension_findings(dimension: Dimension, standard: Standard) -> Iterator[Finding]:
    """Too few items or domains."""
    held = len(dimension.items)
    if held < standard.items:
        message = f"{count(held, 'item')}; {standard.items} are the least"
        yield Finding(dimension.place, "items", message, (dimension,))
    domains = {item.domain.casefold() for item in dimension.items if item.domain}
    if len(domains) < standard.domains:
        message = f"items from {count(len(domains), 'domain')}; {standard.domains} are the least"
        yield Finding(dimension.place, "domains", message, (dimension,))
