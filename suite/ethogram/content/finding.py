"""What a content rule found, and what the YAML itself says to excuse it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ethogram.specs.errors import Place
from ethogram.specs.persona import Dimension, Item
from ethogram.specs.safety import HazardCategory
from ethogram.specs.scenarios import Scenario
from ethogram.specs.suite import Suite

Owner = Item | Dimension | Scenario | HazardCategory
"""What may say under `breaks` that it has to break a rule."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule broken at one place. `owners` may excuse it; with none, nothing excuses it."""

    place: Place
    rule: str
    message: str
    owners: tuple[Owner, ...] = field(default=(), compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.place}: {self.message} [{self.rule}]"


def settled(findings: Iterable[Finding], suite: Suite) -> list[Finding]:
    """The findings that nothing excuses, and the excuses that excuse nothing, in file order."""
    left, used = [], set()
    for finding in findings:
        excusing = [owner for owner in finding.owners if finding.rule in owner.breaks]
        used |= {(id(owner), finding.rule) for owner in excusing}
        if not excusing:
            left.append(finding)
    for owner in _owners(suite):
        for rule, reason in owner.breaks.items():
            if (id(owner), rule) not in used:
                message = f"'breaks' excuses {rule!r}, which nothing here breaks ({reason!r})"
                left.append(Finding(owner.place, "breaks", message))
    return sorted(left, key=lambda f: (str(f.place.file), f.place.line, f.rule, f.message))


def _owners(suite: Suite) -> Iterator[Owner]:
    for dimension in suite.dimensions.values():
        yield dimension
        yield from dimension.items
    for theme in suite.themes.values():
        yield from theme.scenarios
    yield from suite.categories.values()
