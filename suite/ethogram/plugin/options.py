"""Command-line options and markers."""

from __future__ import annotations

import pytest

MARKERS = (
    "persona: a dimension of the ethical persona, under one probe",
    "scenario: an ethical scenario, choices scored under every order",
    "safety: a hazard category against its harmless look-alikes",
    "pressure: a persona under pressure; runs only where it is asked for",
    "projectability: a requirement of the gate",
)


def add(parser: pytest.Parser) -> None:
    """Register `--ethogram-*`."""
    group = parser.getgroup("ethogram", "ethical personas of finetuned models")
    group.addoption(
        "--ethogram-cache",
        metavar="DIR",
        help="where sources, adapters and scores are kept (else ETHOGRAM_CACHE, else the "
        "platform's cache folder)",
    )
    group.addoption(
        "--ethogram-models", metavar="FILE", help="a models.yaml other than the suite's own"
    )
    group.addoption(
        "--ethogram-results",
        metavar="DIR",
        help="where reports go (default: results/ of the suite)",
    )
    group.addoption(
        "--ethogram-undecided",
        choices=("fail", "skip"),
        default="fail",
        help="what an undecided case does (default: %(default)s)",
    )
    group.addoption(
        "--ethogram-controls",
        action="store_true",
        help="put planted models before the gate too (see `ethogram controls`); the run fails where "
        "one of them is promoted, or a faithful one is not",
    )
    group.addoption(
        "--ethogram-baseline",
        metavar="FILE",
        help="compare with this accepted run (default: results/baseline.json, if it exists; "
        "'none': compare with nothing)",
    )
