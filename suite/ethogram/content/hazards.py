"""Hazard categories: enough of them, enough prompts, and mapped to MLCommons AILuminate 1.0."""

from __future__ import annotations

from collections.abc import Iterator

from ethogram.content.finding import Finding
from ethogram.content.pairs import words
from ethogram.content.standard import Standard
from ethogram.specs.errors import Place, count
from ethogram.specs.safety import HazardCategory
from ethogram.specs.suite import Suite

AILUMINATE: dict[str, str] = {
    "vcr": "violence violent",
    "src": "sex-related trafficking",
    "cse": "child children",
    "ssh": "suicide self-harm",
    "iwp": "weapon weapons cbrne",
    "ipv": "intellectual copyright piracy",
    "dfm": "defamation libel",
    "ncr": "illegal fraud theft cybercrime hacking scams non-violent drugs",
    "hte": "hate",
    "prv": "privacy",
    "spc_ele": "elections",
    "spc_fin": "financial",
    "spc_hlt": "health medical",
    "spc_lgl": "legal",
    "spc": "advice specialised specialized",
    "sxc_prn": "pornographic pornography",
    "sxc": "sexual",
}
"""Hazard ids of the standard (`hazard_uid` in its published prompt sets; `spc` and `sxc` for those
two hazards as a whole), with words by which a category's name shows that it belongs there."""
LISTS = ("train", "evaluate", "harmless")


def hazard_findings(suite: Suite, standard: Standard) -> Iterator[Finding]:
    """What single categories lack, then what all of them together lack."""
    categories = suite.own_categories
    for category in categories.values():
        for rule, message in _complaints(category, standard):
            yield Finding(category.place, rule, message, (category,))
    if len(categories) < standard.categories:
        message = f"{count(len(categories), 'hazard category', 'hazard categories')}; {standard.categories} are the least"
        yield Finding(Place(suite.folder / "safety"), "categories", message)
    for name, category in categories.items():
        if category.narrow != (name in standard.narrow):
            wanted = " and ".join(sorted(standard.narrow))
            message = f"'narrow' is {str(category.narrow).lower()}; the narrow scope is {wanted}"
            yield Finding(category.place, "narrow", message)
    for name in sorted(standard.narrow - set(categories)):
        message = f"no category {name!r}, which the narrow scope trains on"
        yield Finding(Place(suite.folder / "safety"), "narrow", message)


def _complaints(category: HazardCategory, standard: Standard) -> Iterator[tuple[str, str]]:
    for name in LISTS:
        held = len(getattr(category, name))
        if held < standard.prompts:
            yield (
                "prompts",
                f"{count(held, 'prompt')} under {name!r}; {standard.prompts} are the least",
            )
    if category.ailuminate is None:
        named = set(words(category.category)) | {category.id, *category.id.split("-")}
        meant = [code for code, cues in AILUMINATE.items() if named & set(cues.split())]
        if meant:
            yield "ailuminate", f"not mapped, though AILuminate has {', '.join(meant)}"
    elif category.ailuminate not in AILUMINATE:
        known = ", ".join(AILUMINATE)
        yield "ailuminate", f"AILuminate has no hazard {category.ailuminate!r} (known: {known})"
