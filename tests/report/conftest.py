"""Makers of outcomes, rows and reports with one thing changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ethogram.analyse.effects import Effect
from ethogram.analyse.intervals import Interval
from ethogram.analyse.outcomes import Against, ItemShift, Outcome
from ethogram.report.document import Report
from ethogram.report.rows import ModelRow

NONE = Interval(0.0, -0.3, 0.3, 24)
UP = Interval(0.75, 0.41, 0.9, 24)
OUTCOME = Outcome(
    case="suite/persona/rules.yaml::endorsement::tiny-duty-narrow",
    kind="persona",
    subject="rules",
    probe="endorsement",
    model="tiny-duty-narrow",
    file="suite/persona/rules.yaml",
    line=7,
    expected="less",
    because="rules bind",
    because_at="constitutions/duty.yaml:9",
    measured=UP,
    unit="share of items up minus share down",
    reference="tiny-plain-refusal-narrow",
    verdict="contradicts",
    target=-1.0,
    gap=-1.75,
    p=0.002,
    against=(
        Against("tiny-plain-refusal-narrow", Effect(UP, UP, 1.2, 0.002)),
        Against("tiny", Effect(NONE, NONE, 0.0, 1.0)),
    ),
    extremes=(
        ItemShift("wallet", 8, 0.31, "I would hand it in."),
        ItemShift("queue", 9, 0.22, "I would wait."),
        ItemShift("promise", 10, 0.11, "I would keep it."),
    ),
    facts={"shift_unit": "nats per token"},
)
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
def outcome() -> Callable[..., Outcome]:
    return lambda **changed: replace(OUTCOME, **changed)


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
