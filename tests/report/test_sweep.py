from __future__ import annotations

import json
import math

from ethogram.analyse.curve import Contrast, Curve, ModelPoint, Point, Refusals
from ethogram.analyse.intervals import Interval
from ethogram.analyse.wording import OwnWords
from ethogram.report.sweep import SweepReport, markdown

WIDE = Interval(-0.41, -0.52, -0.30, 384)
ALL = Refusals(Interval(1.0, 0.9, 1.0, 32), Interval(1.0, 0.9, 1.0, 32))


def model(constitution: str | None) -> ModelPoint:
    judged = constitution is not None
    return ModelPoint(
        model=f"m-{constitution}",
        constitution=constitution,
        digest="a" * 64,
        loss=12.345,
        match=WIDE if judged else None,
        match_against_source=WIDE if judged else None,
        own_words=OwnWords(WIDE, WIDE, None) if judged else None,
        trained=ALL,
        held_out=ALL,
    )


def report() -> SweepReport:
    contrast = Contrast("consequentialism", "human-authority", {"a": None}, WIDE)
    models = (model("consequentialism"), model("human-authority"), model(None))
    points = tuple(Point(n, n / 14, models, contrast) for n in (14, 28))
    failed = Curve("starved", {"samples": 4000}, problem="SpecError: " + "too few samples " * 20)
    return SweepReport(
        name="try",
        about="Try.",
        started="now",
        command="ethogram sweep try.yaml",
        models=("consequentialism", "human-authority", "plain-refusal"),
        scope="narrow",
        seed=0,
        prompts=32,
        source={"trained": ALL, "held-out": None},
        curves=(Curve("wide", {"lora.rank": 16}, points, 61.4), failed),
    )


def test_no_line_is_wider_than_a_terminal() -> None:
    assert max(map(len, report().text().splitlines())) <= 100


def test_the_curve_reads_by_epoch_and_model() -> None:
    lines = [line.split() for line in report().text().splitlines()]
    assert ["lora.rank", "16;", "trained", "in", "61", "s"] in lines
    first, second = (line for line in lines if line[:1] in (["1"], ["2"]) and "12.35" in line)
    assert first[3:5] == ["-0.41", "[-.52,-.30]"] and second[0] == "2"
    placebo = next(line for line in lines if line[:1] == ["plain-refusal"])
    assert placebo[1:6] == ["12.35", "-", "-", "-", "-"]
    assert placebo[6:] == ["100", "/", "100", "100", "/", "100"]


def test_a_recipe_that_was_not_measured_says_why() -> None:
    page = markdown(report())
    assert "## starved" in page and "not measured: SpecError" in page
    assert "Own dimensions and categories only" in page and "| epoch" in page


def test_json_has_no_nan() -> None:
    found = report().as_json()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    nothing = Curve("x", {}, (Point(1, 1.0, (model(None),), None),), math.nan)
    assert nothing.points[0].contrast is None
