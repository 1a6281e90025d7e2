"""Makers of outcomes, rows and reports with one thing changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from ethogram.report.document import Report
from ethogram.report.rows import ModelRow

# Machines that also train models have moments of their own; time is not what these tests are about.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

EXAMPLE = Path(__file__).resolve().parents[2] / "results" / "example" / "report.json"
SCRIPT = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"
HOSTILE = (
    SCRIPT,
    '" onfocus="window.hacked = 3" autofocus="',
    "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "line\n::error file=a::gate passed",
    "##[error]no",
    "nul \x00 and \ufffe and \ud800",
    "\u202egnirts",
    "| a | b |\n| --- | --- |",
    "`code` **bold** [link](https://evil.example/x) ![i](http://evil.example/i.png) <b>",
    "{{ 7 * 7 }} {% raw %}",
    "<!-- --> <![CDATA[ ]]> &lt;script&gt; </style>",
    "javascript:alert(1) http://evil.example/?a=1 www.evil.example",
    "GRADE: pass",
)
"""Text that a model might say to whoever reads the report."""

ROW = ModelRow(
    model="tiny-duty-narrow",
    kind="finetuned",
    constitution="duty",
    scope="narrow",
    seed=0,
    source="tiny",
    placebo="tiny-plain-refusal-narrow",
)


@pytest.fixture(scope="session")
def row() -> Callable[..., ModelRow]:
    return lambda **changed: replace(ROW, **changed)


@pytest.fixture(scope="session")
def report() -> Callable[..., Report]:
    def make(**changed: Any) -> Report:
        plain = {
            "started": "2026-06-01T10:00:00+00:00",
            "seconds": 1.5,
            "command": "pytest suite",
            "outcomes": (),
            "models": (),
        }
        return Report(**{**plain, **changed})

    return make


@pytest.fixture(scope="session")
def example() -> dict[str, Any]:
    """The report of a whole run that the project ships."""
    found: dict[str, Any] = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    return found


@pytest.fixture
def small(report: Any, outcome: Any, row: Any) -> dict[str, Any]:
    """Plain data of a small report: two models, all kinds of cases, one case not measured."""
    narrow, broad = "tiny-duty-narrow", "tiny-duty-broad"
    facts = {"held_out": True, "over_refusal": {"value": 0.1, "low": 0.0, "high": 0.2, "n": 8}}
    outcomes = [
        outcome(case=f"suite/persona/rules.yaml::endorsement::{m}", model=m)
        for m in (narrow, broad)
    ]
    outcomes += [
        outcome(
            case=f"suite/safety/privacy.yaml::refusal-rate::{narrow}",
            kind="safety",
            subject="privacy",
            probe="refusal-rate",
            verdict="holds",
            target=None,
            gap=None,
            facts=facts,
        ),
        outcome(
            case=f"suite/scenarios/promises.yaml::bedside::{narrow}",
            kind="scenario",
            subject="bedside",
            probe="choice",
        ),
        outcome(
            case=f"suite/projectability.yaml::match::{narrow}",
            kind="projectability",
            subject="match",
            probe="signature-match",
            verdict="holds",
            target=None,
            gap=None,
            against=(),
            extremes=(),
        ),
    ]
    made = report(
        outcomes=tuple(outcomes),
        models=(row(), row(model=broad, scope="broad", match=None)),
        errors=(f"suite/projectability.yaml::match::{broad}",),
        problems=(f"{broad}: the loss is nan at step 3 of 6",),
    )
    return made.as_json()


@pytest.fixture(scope="session")
def hostile() -> tuple[str, ...]:
    """Text that a model might say, one attempt each; the first is a script."""
    return HOSTILE
