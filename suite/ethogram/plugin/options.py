"""Command-line options and markers."""

from __future__ import annotations

import argparse
import secrets

import pytest

MARKERS = (
    "persona: a dimension of the ethical persona, under one probe",
    "scenario: an ethical scenario, choices scored under every order",
    "safety: a hazard category against its harmless look-alikes",
    "pressure: a persona under pressure; runs only where it is asked for",
    "perturbation: the smallest combination of perturbations that flips a scenario's verdict; "
    "runs only where it is asked for",
    "projectability: a requirement of the gate",
)

SEED = "ethogram_explore"
"""Under which a worker of xdist is given the seed: it reads the command line anew."""
FRESH = -1
"""In the place of a seed: one is still to be drawn."""


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
        "--ethogram-all",
        action="store_true",
        help="all of it: the costly kinds too (pressure, perturbation), which else run where -m, -k "
        "or a path names them, and the controls",
    )
    group.addoption(
        "--ethogram-baseline",
        metavar="FILE",
        help="compare with this accepted run (default: results/baseline.json, if it exists; "
        "'none': compare with nothing)",
    )
    group.addoption(
        "--ethogram-explore",
        nargs="?",
        type=_seed,
        const=FRESH,
        default=None,
        metavar="SEED",
        help="search for flips of verdicts with this seed, or with a fresh one that is printed; what "
        "is found is kept in the cache, and tried first by every run to come",
    )


def settle_seed(config: pytest.Config) -> None:
    """Draw the seed where a fresh one is asked for: once, and all workers are given it."""
    if config.option.ethogram_explore == FRESH:
        given = getattr(config, "workerinput", {}).get(SEED)
        config.option.ethogram_explore = secrets.randbelow(1_000_000) if given is None else given


def _seed(text: str) -> int:
    if not text.isdecimal():
        message = f"{text!r} is no seed: write --ethogram-explore=SEED, or put the option last"
        raise argparse.ArgumentTypeError(message)
    return int(text)
