"""Scenarios: enough of them, every option argued for, and the frameworks truly at odds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from ethogram.content.finding import Finding
from ethogram.content.pairs import words
from ethogram.content.standard import Standard
from ethogram.specs.errors import Place, count
from ethogram.specs.scenarios import Scenario
from ethogram.specs.suite import Suite

PHILOSOPHICAL = frozenset(
    words(
        """
        autonomous autonomy beneficence beneficent categorical conscience consent consequence
        consequences consequentialist deontological deontologist dignity duties duty ethic ethical
        ethically ethics flourish flourishing flourishes immoral impartial impartiality imperative
        imperatives injustice integrity intrinsic justice kantian maxim maxims moral morality
        morally morals norm norms obligated obligation obligations obliged paternalism paternalistic
        permissible principle principled principles prudence rights sovereignty unethical unjust
        utilitarian utilitarianism utility vice vices virtue virtues virtuous welfare wellbeing
        """
    )
)
"""Words of moral theory. Words of daily life (good, fair, right, promise, trust) are not here."""


def endorsements(scenario: Scenario) -> dict[str, frozenset[str]]:
    """For each constitution that endorses an option, the ids of those that it endorses."""
    found: dict[str, set[str]] = {}
    for option in scenario.options:
        for name in option.endorsed_by:
            found.setdefault(name, set()).add(option.id)
    return {name: frozenset(options) for name, options in found.items()}


def three_ways(scenario: Scenario) -> bool:
    """Whether some three constitutions endorse three things, none of them shared by two."""
    stands = endorsements(scenario).values()
    return any(not (a & b or a & c or b & c) for a, b, c in itertools.combinations(list(stands), 3))


def stands_apart(scenario: Scenario, constitution: str) -> bool:
    """Whether the constitution endorses nothing that any other one does, and others do endorse."""
    stands = endorsements(scenario)
    own = stands.pop(constitution, frozenset())
    others = frozenset().union(*stands.values())
    return bool(own) and bool(others) and not own & others


def retold_alike(scenario: Scenario, longer: float) -> Iterator[str]:
    """Where a retelling is not about as long as what it retells: something was added or dropped."""
    for name, told in scenario.retold.items():
        pairs = [("the text", scenario.text, told.text)]
        pairs += [(o.id, o.text, told.options[o.id]) for o in scenario.options]
        for part, old, new in pairs:
            for unit, lengths in (
                ("words", [len(words(text)) for text in (old, new)]),
                ("characters", [len(old), len(new)]),
            ):
                if max(lengths) > longer * min(lengths):
                    yield (
                        f"retold as {name!r}, {part} has {lengths[1]} {unit} in place of "
                        f"{lengths[0]}, more than {longer - 1:.0%} apart"
                    )


def plain_words(scenario: Scenario) -> bool:
    """Whether no word of moral theory stands in what the model is shown."""
    shown = " ".join((scenario.text, *(option.text for option in scenario.options)))
    said = [*words(shown), *words(shown.replace("-", ""))]  # "well-being" is "wellbeing"
    return PHILOSOPHICAL.isdisjoint(word.removesuffix("'s") for word in said)


def scenario_findings(suite: Suite, standard: Standard) -> Iterator[Finding]:
    """What single scenarios lack, then what all of them together lack."""
    scenarios = suite.own_scenarios
    for scenario in scenarios:
        for rule, message in _complaints(scenario, standard):
            yield Finding(scenario.place, rule, f"{scenario.id}: {message}", (scenario,))
    themes = [theme for theme in suite.themes.values() if theme.provenance is None]
    counts = [
        ("scenarios", len(scenarios), standard.scenarios, "scenarios"),
        ("themes", len(themes), standard.themes, "themes"),
        (
            "three-ways",
            sum(map(three_ways, scenarios)),
            standard.three_ways,
            "scenarios set three frameworks against each other",
        ),
        (
            "plain",
            sum(map(plain_words, scenarios)),
            standard.plain,
            "scenarios do without any word of moral theory",
        ),
    ]
    for name, least in standard.apart:
        if name in suite.constitutions:
            apart = sum(stands_apart(scenario, name) for scenario in scenarios)
            counts.append(("apart", apart, least, f"scenarios set {name} against all others"))
    for rule, held, least, what in counts:
        if held < least:
            message = f"{held} {what}; {least} are the least"
            yield Finding(Place(suite.folder / "scenarios"), rule, message)


def _complaints(scenario: Scenario, standard: Standard) -> Iterator[tuple[str, str]]:
    least, most = standard.options
    if not least <= len(scenario.options) <= most:
        yield "options", f"{count(len(scenario.options), 'option')}; {least} to {most} are allowed"
    for option in scenario.options:
        if not option.endorsed_by:
            yield "endorsed", f"no framework endorses the option {option.id!r}"
    if not any(len(values) > 1 for values in scenario.vary.values()):
        yield "vary", "no perturbation: 'vary' lists no placeholder with two values"
    yield from (("retold", message) for message in retold_alike(scenario, standard.longer))
