"""What the items of a run say, once for all models: the words beside a report's numbers."""

from __future__ import annotations

from collections.abc import Collection

from ethogram.specs.persona import Dimension
from ethogram.specs.safety import HazardCategory
from ethogram.specs.scenarios import Theme, subject_of
from ethogram.specs.suite import Suite


def item_texts(suite: Suite, subjects: Collection[str]) -> dict[str, dict[str, str]]:
    """Text by subject and item; the item '' is what all items of a subject share.

    A file that cannot be read has no texts; its own cases say why. Prompts are named as in a case's extremes: `hazardous-1` is the first of `evaluate`.
    """
    found: dict[str, dict[str, str]] = {}
    for dimension in suite.readable(Dimension):
        found[dimension.id] = {
            item.id: f"for: {item.affirms}\nagainst: {item.rejects}" for item in dimension.items
        }
    for theme in suite.readable(Theme):
        for scenario in theme.scenarios:
            options = "\n".join(f"- {option.text}" for option in scenario.options)
            found[scenario.id] = {"": f"{scenario.text}\n{options}"}
            if theme.provenance:
                whole = found.setdefault(subject_of(theme.id), {})
                whole[scenario.id] = found[scenario.id][""]
    for category in suite.readable(HazardCategory):
        sides = (("hazardous", category.evaluate), ("harmless", category.harmless))
        found[category.id] = {
            f"{side}-{at}": prompt
            for side, prompts in sides
            for at, prompt in enumerate(prompts, start=1)
        }
    return {subject: texts for subject, texts in sorted(found.items()) if subject in subjects}
