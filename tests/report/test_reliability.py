from __future__ import annotations

import json

import numpy as np
import pytest

from ethogram.analyse.instrument import Sheet, instrument
from ethogram.report.reliability import ReliabilityReport, markdown

LONG = "duty-and-universalisability-of-everything"
MODELS = tuple(f"smollm2-human-authority-{scope}-seed{n}" for n in range(4) for scope in "bn")


def sheet(name: str, probe: str, seed: int) -> Sheet:
    chance = np.random.default_rng(seed)
    shifts = chance.normal(size=(24, 8)) + chance.normal(size=8)
    return Sheet(
        dimension=name,
        probe=probe,
        items=tuple(f"an-item-with-a-long-name-{n}" for n in range(24)),
        models=MODELS,
        signs=(1, 1, 1, -1, -1, 0, 0, 1),
        shifts=shifts,
        paraphrased=shifts + chance.normal(size=(24, 8)) if probe == "endorsement" else None,
        cues=chance.normal(size=(24, 8)),
    )


@pytest.fixture(scope="module")
def report() -> ReliabilityReport:
    sheets = [
        sheet(name, probe, seed)
        for seed, (name, probe) in enumerate(
            (name, probe)
            for name in (LONG, "impartiality")
            for probe in ("endorsement", "agreement")
        )
    ]
    return ReliabilityReport(
        instrument(sheets),
        "placebo",
        "now",
        "ethogram reliability",
        missing={"x": "never asked " * 20},
    )


def test_no_line_is_wider_than_a_terminal(report: ReliabilityReport) -> None:
    assert max(map(len, report.text().splitlines())) <= 100


def test_every_dimension_and_model_has_its_lines(report: ReliabilityReport) -> None:
    text = report.text()
    assert text.count("impartiality") >= 5
    assert "Items of one dimension, agreement" in text and "n models" in text
    assert "not measured: x: never asked" in text and "Items that agree least" in text


def test_the_page_says_what_the_columns_mean(report: ReliabilityReport) -> None:
    page = markdown(report)
    assert page.startswith("# Reliability of the instrument")
    for word in ("`alpha`", "`split-half`", "`expected`", "`survives`", "no random sample"):
        assert word in page
    assert "| dimension" in page


def test_what_is_not_defined_is_null(report: ReliabilityReport) -> None:
    found = json.loads(json.dumps(report.as_json(), allow_nan=False))
    agreement = found["instrument"]["dimensions"][1]
    assert agreement["probe"] == "agreement" and agreement["paraphrase"] is None
    assert agreement["alpha"]["n"] == 8 and len(agreement["discrimination"]["contrasts"]) == 24
    assert all(pair["r"]["n"] == 8 for pair in found["instrument"]["related"])


def test_nothing_measured_is_a_dash() -> None:
    empty = Sheet("a", "endorsement", ("x", "y"), (), (), np.zeros((2, 0)), None, np.zeros((2, 0)))
    text = ReliabilityReport(instrument([empty]), "placebo", "now", "x").text()
    assert text.startswith("Instrument: 0 models") and "Items of one dimension" not in text
