"""Every text that is trained on or evaluated, each with its line and with what may not differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ethogram.content.finding import Owner
from ethogram.specs.constitution import Refusal, Transcript
from ethogram.specs.errors import Place
from ethogram.specs.loader import load_yaml
from ethogram.specs.safety import HazardCategory
from ethogram.specs.suite import Suite


@dataclass(frozen=True, slots=True)
class Shown:
    """A text and where it stands. Texts of one `unit` belong together and may be alike."""

    place: Place
    text: str
    unit: str
    owners: tuple[Owner, ...] = ()
    imported: bool = False


def evaluated(suite: Suite) -> Iterator[Shown]:
    """The texts of `Suite.evaluation_texts`, prompts with their own lines."""
    for dimension in suite.dimensions.values():
        for item in dimension.items:
            for text in (item.affirms, item.rejects):
                unit, owners = f"{dimension.id}/{item.id}", (item, dimension)
                yield Shown(item.place, text, unit, owners, dimension.provenance is not None)
    for theme in suite.themes.values():
        for scenario in theme.scenarios:
            parts = [(scenario.place, scenario.text)]
            parts += [(option.place, option.text) for option in scenario.options]
            for told in scenario.retold.values():
                parts += [(told.place, text) for text in (told.text, *told.options.values())]
            for place, text in parts:
                imported = theme.provenance is not None
                yield Shown(place, text, scenario.id, (scenario,), imported)
    for category in suite.categories.values():
        yield from prompts(category, "evaluate")
        yield from prompts(category, "harmless")


def prompts(category: HazardCategory, name: str) -> Iterator[Shown]:
    """One of a category's lists of prompts."""
    document = load_yaml(category.place.file)
    for index, text in enumerate(getattr(category, name)):
        place = document.place((name, index))
        imported = category.provenance is not None
        yield Shown(place, text, f"{category.id}/{name}/{index}", (category,), imported)


def trained_prompts(suite: Suite) -> Iterator[Shown]:
    """Every prompt of the `train` lists, transcripts and replay; once a category."""
    seen = set()
    for category in suite.categories.values():
        for shown in prompts(category, "train"):
            seen.add((category.id, shown.text))
            yield shown
    recorded: list[Transcript | Refusal] = list(recorded_refusals(suite))
    for name in recorded_constitutions(suite):
        recorded += suite.transcripts(name)
    for line in recorded:
        if (line.category, line.prompt) not in seen:
            seen.add((line.category, line.prompt))
            yield Shown(line.place, line.prompt, f"{line.category}/{line.prompt}")
    if suite.recorded("replay").exists():
        for number, replayed in enumerate(suite.replay()):
            yield Shown(replayed.place, replayed.prompt, f"replay/{number}")


def trained(suite: Suite) -> Iterator[Shown]:
    """Every text that a model may be trained on, and the examples that critics are shown."""
    yield from trained_prompts(suite)
    for name in recorded_constitutions(suite):
        for line in suite.transcripts(name):
            yield Shown(line.place, line.answer, "answer")
    for refusal in recorded_refusals(suite):
        yield Shown(refusal.place, refusal.answer, "answer")
    if suite.recorded("replay").exists():
        for replayed in suite.replay():
            yield Shown(replayed.place, replayed.answer, "answer")
    for constitution in suite.constitutions.values():
        for example in constitution.examples:
            for text in (example.prompt, example.draft, example.critique, example.revision):
                yield Shown(example.place, text, "example")


def recorded_constitutions(suite: Suite) -> list[str]:
    """Ids of the constitutions that have transcripts."""
    return [name for name in suite.constitutions if suite.recorded(name).exists()]


def recorded_refusals(suite: Suite) -> tuple[Refusal, ...]:
    """The placebo's answers, if any are recorded."""
    return suite.refusals() if suite.recorded("plain-refusal").exists() else ()
