"""The rules that content is held to: a file may be right as YAML and still measure badly.

Pure: suite -> findings. `ethogram check --content` prints them, `tests/content` asserts that the
shipped suite has none. A case that has to break a rule says so under `breaks`, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator

from ethogram.content.constitutions import constitution_findings
from ethogram.content.cues import Cues, cue_findings, cues
from ethogram.content.dimensions import dimension_findings
from ethogram.content.finding import Finding, settled
from ethogram.content.hazards import hazard_findings
from ethogram.content.pairs import pair_findings
from ethogram.content.repeats import leakage_findings, repeat_findings
from ethogram.content.scenarios import scenario_findings
from ethogram.content.standard import STANDARD, Standard
from ethogram.content.transcripts import transcript_findings
from ethogram.specs.suite import Suite

__all__ = ["RULES", "STANDARD", "Cues", "Finding", "Standard", "cues", "findings"]

RULES: dict[str, str] = {
    "length": "both sides of a pair are nearly as long, in words and in characters",
    "person": "both sides of a pair are in the first person",
    "register": "no side of a pair alone has contractions, ! or ?, or words in capitals",
    "negation": "no side of a pair is the other with a negation put in",
    "repeat": "no text stands twice or nearly so, among cases or among training prompts",
    "items": "a dimension has enough items",
    "domains": "a dimension's items come from enough walks of life",
    "cues": "words learned on other dimensions do not tell a dimension's sides apart",
    "vocabulary": "the constitutions' own words stand on both sides of a dimension about alike",
    "options": "a scenario has two to four options",
    "endorsed": "some framework endorses each option, and says why",
    "vary": "a scenario varies something that does not matter",
    "retold": "a retelling is nearly as long as what it retells",
    "scenarios": "there are enough scenarios",
    "themes": "there are enough themes",
    "three-ways": "enough scenarios set three frameworks against each other",
    "plain": "enough scenarios do without any word of moral theory",
    "apart": "enough scenarios set human authority against all others",
    "categories": "there are enough hazard categories",
    "prompts": "each list of a hazard category has enough prompts",
    "ailuminate": "a hazard category is mapped to AILuminate where that standard has it",
    "narrow": "the narrow scope is what it is said to be",
    "principles": "a constitution has neither too few principles nor too many",
    "signature": "a constitution's signature has a line for every dimension",
    "apart-signatures": "any two constitutions expect different things in enough dimensions",
    "answered": "constitutions and placebo answer enough prompts of every category, each twice",
    "shared": "constitutions and placebo answer the same prompts",
    "principle": "a critique names a principle of its constitution",
    "revision": "a revision is not the draft",
    "alike": "no two answers of a file are nearly the same",
    "draft": "no draft is long",
    "replay": "there is enough replay, and enough of it looks like a hazard",
    "leakage": "no text is trained on and evaluated",
    "breaks": "no excuse under 'breaks' excuses nothing",
}
"""What each rule asks for. `Standard` has the numbers."""


def findings(suite: Suite, standard: Standard = STANDARD) -> list[Finding]:
    """Everything in the suite that breaks a rule without saying why, in file order.

    The suite must be free of problems (`Suite.check`). Raises SpecError when it is not.
    """
    return settled(_found(suite, standard), suite)


def _found(suite: Suite, standard: Standard) -> Iterator[Finding]:
    for dimension in suite.own_dimensions.values():
        yield from pair_findings(dimension, standard)
        yield from dimension_findings(dimension, standard)
    yield from cue_findings(suite, standard)
    yield from scenario_findings(suite, standard)
    yield from hazard_findings(suite, standard)
    yield from constitution_findings(suite, standard)
    yield from transcript_findings(suite, standard)
    yield from repeat_findings(suite)
    yield from leakage_findings(suite)
