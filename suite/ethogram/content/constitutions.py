"""Constitutions: neither thin nor long-winded, whole in what they expect, and unlike each other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from ethogram.content.finding import Finding
from ethogram.content.standard import Standard
from ethogram.specs.errors import count
from ethogram.specs.suite import Suite


def constitution_findings(suite: Suite, standard: Standard) -> Iterator[Finding]:
    """Constitutions with too few principles, gaps in the signature, or too like another one."""
    dimensions = [dimension.id for dimension in suite.own_dimensions.values()]
    least, most = standard.principles
    for constitution in suite.constitutions.values():
        held = len(constitution.principles)
        if not least <= held <= most:
            message = f"{count(held, 'principle')}; {least} to {most} are allowed"
            yield Finding(constitution.place, "principles", message)
        missing = [name for name in dimensions if name not in constitution.signature]
        if missing:
            message = f"the signature has no line for {', '.join(missing)}"
            yield Finding(constitution.place, "signature", message)
    for one, other in itertools.combinations(suite.constitutions.values(), 2):
        differ = sum(
            name in one.signature
            and name in other.signature
            and one.signature[name].expect != other.signature[name].expect
            for name in dimensions
        )
        if differ < standard.signatures_apart:
            message = f"expects otherwise than {one.id} in {count(differ, 'dimension')}"
            least_told = f"{standard.signatures_apart} are the least"
            yield Finding(other.place, "apart-signatures", f"{message}; {least_told}")
