"""The shipped content, held to every rule; the numbers are those of `ethogram.content.STANDARD`."""

from __future__ import annotations

import pytest

from ethogram.content import RULES, Finding, findings
from ethogram.specs.suite import Suite


@pytest.fixture(scope="module")
def found(own_suite: Suite) -> list[Finding]:
    return findings(own_suite)


@pytest.mark.parametrize("rule", RULES)
def test_shipped_content_keeps_the_rule(found: list[Finding], rule: str) -> None:
    broken = [str(finding) for finding in found if finding.rule == rule]
    assert not broken, f"{RULES[rule]}:\n" + "\n".join(broken)


def test_every_finding_is_of_a_known_rule(found: list[Finding]) -> None:
    assert {finding.rule for finding in found} <= set(RULES)
