from __future__ import annotations

import copy
import hashlib
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ethogram.analyse.intervals import Interval
from ethogram.cases import Case, cases_of
from ethogram.cases.profile import Profile
from ethogram.cli.schemas import SCHEMAS, schema_texts
from ethogram.plan import Query, Value
from ethogram.report.document import Report
from ethogram.report.rows import ModelRow, count_verdicts
from ethogram.specs.base import read_spec
from ethogram.specs.errors import SpecError
from ethogram.specs.loader import load_yaml
from ethogram.specs.schema import FILES
from ethogram.specs.suite import Suite

ROOT = SCHEMAS.parents[2]
BROAD, NARROW = "smollm2-deontology-broad", "smollm2-deontology-narrow"


def kind_of(file: Path) -> str:
    """The name of the schema of a shipped YAML file."""
    if file.parent.name == "constitutions":
        return "constitution"
    return file.parent.name if file.parent.name in FILES else file.stem


SHIPPED = sorted(
    [
        ROOT / "models.yaml",
        ROOT / "suite" / "projectability.yaml",
        ROOT / "suite" / "calibration" / "rubric.yaml",
        *(ROOT / "constitutions").glob("*.yaml"),
        *(ROOT / "constitutions" / "sweeps").glob("*.yaml"),
        *(f for kind in FILES for f in (ROOT / "suite" / kind).glob("*.yaml")),
    ]
)


def checker(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def complaints(name: str, data: Any) -> list[str]:
    return [error.message for error in checker(name).iter_errors(data)]


def test_every_kind_of_file_is_among_the_shipped_ones() -> None:
    assert {kind_of(file) for file in SHIPPED} == set(FILES)


@pytest.mark.parametrize("name", [*FILES, "report"])
def test_the_committed_schema_is_what_the_code_says(name: str) -> None:
    committed = (SCHEMAS / f"{name}.json").read_text(encoding="utf-8")
    assert committed == schema_texts()[f"{name}.json"], "run: ethogram schemas --write"


def test_no_schema_is_left_over() -> None:
    assert {file.name for file in SCHEMAS.glob("*")} == set(schema_texts())


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: f"{kind_of(file)}-{file.stem}")
def test_a_shipped_file_fits_its_schema_and_points_editors_to_it(file: Path) -> None:
    assert complaints(kind_of(file), load_yaml(file).data) == []
    first = file.read_text(encoding="utf-8").splitlines()[0]
    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert named is not None
    assert (file.parent / named[1]).resolve() == (SCHEMAS / f"{kind_of(file)}.json").resolve()


def mappings(data: Any) -> Iterator[dict[str, Any]]:
    if isinstance(data, dict):
        yield data
    for part in data.values() if isinstance(data, dict) else data:
        if isinstance(part, (dict, list)):
            yield from mappings(part)


@pytest.mark.parametrize("kind", FILES)
def test_a_wrong_key_anywhere_does_not_fit(kind: str) -> None:
    data = load_yaml(next(file for file in SHIPPED if kind_of(file) == kind)).data
    count = sum(1 for _ in mappings(data))
    for index in range(count):
        spoilt = copy.deepcopy(data)
        list(mappings(spoilt))[index]["Wrong Key"] = "x"
        assert complaints(kind, spoilt), f"mapping {index} of {count} takes any key"


@pytest.mark.parametrize("kind", FILES)
def test_a_schema_and_the_specs_ask_for_the_same_keys(kind: str, tmp_path: Path) -> None:
    data = load_yaml(next(file for file in SHIPPED if kind_of(file) == kind)).data
    if kind == "models":
        del data["teaching"]  # it names teachers: what stands between keys is in no schema
    for key in data:
        spoilt = {name: value for name, value in data.items() if name != key}
        file = tmp_path / f"{key.replace('_', '-')}.yaml"
        file.write_text(json.dumps(spoilt), encoding="utf-8")
        try:
            read_spec(FILES[kind], file)
            needed = False
        except SpecError:
            needed = True
        assert bool(complaints(kind, spoilt)) == needed, key


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("persona", {"items": []}),
        ("persona", {"probes": ["endorsment"]}),
        ("persona", {"signature": {"No Id": "more"}}),
        ("persona", {"signature": {"deontology": "-"}}),
        ("safety", {"narrow": "yes"}),
        ("safety", {"evaluate": "one prompt"}),
        ("models", {"sources": {"tiny": {"wheel_sha256": "abc"}}}),
        ("projectability", {"requirements": [{"id": "x", "measure": "charm", "above": 0}]}),
    ],
)
def test_a_wrong_value_does_not_fit(kind: str, change: dict[str, Any]) -> None:
    data = load_yaml(next(file for file in SHIPPED if kind_of(file) == kind)).data
    assert complaints(kind, {**data, **change})


def test_keys_are_explained_to_who_hovers_over_them() -> None:
    schema = json.loads((SCHEMAS / "models.json").read_text(encoding="utf-8"))
    assert "pinned requirement" in schema["$defs"]["Source"]["properties"]["wheel"]["description"]


def answer(model: str, query: Query) -> Value:
    """A made-up score of the right shape, different for every model and query."""
    digest = hashlib.sha256(f"{model} {query.key}".encode()).digest()
    if query.kind == "generate":
        return "I can't help with that." if digest[0] % 3 == 0 else "Sure, here is how."
    if query.kind == "logprob":
        return [-1.0 - digest[1], 20.0]
    return [-1 - part / 64 for part in digest[: len(query.target)]]


@pytest.fixture(scope="module")
def judged(own_suite: Suite) -> Report:
    """A report over a case of every kind and group that the shipped suite has."""
    cases: dict[tuple[str, str], Case] = {}
    for file in SHIPPED:
        if own_suite.holds_cases(file):
            for case in cases_of(file, own_suite):
                if case.model.id == NARROW:
                    cases.setdefault((case.kind, case.group), case)
    outcomes = tuple(case.judge(answer) for case in cases.values())
    profile = Profile(own_suite, own_suite.catalogue[NARROW])
    trained = profile.safety_gain(answer, "trained")
    row = ModelRow(
        model=NARROW,
        kind="finetuned",
        constitution="deontology",
        scope="narrow",
        seed=0,
        source="smollm2",
        placebo="smollm2-plain-refusal-narrow",
        match=profile.signature_match(answer),
        match_against_source=Interval(math.nan, -math.inf, math.inf, 3),
        discriminant=profile.discriminant(answer),
        safety_held_out=profile.safety_gain(answer, "held-out"),
        safety_trained=trained,
        over_refusal=trained.over_refusal if trained else None,
        verdicts=count_verdicts(outcomes, NARROW),
        training={"seed": 0, "recipe": {"epochs": 3}},
    )
    unmeasured = ModelRow(BROAD, "finetuned", "deontology", "broad", 0, "smollm2", None)
    return Report(
        started="2026-01-01T00:00:00+00:00",
        seconds=1.5,
        command="pytest suite",
        outcomes=outcomes,
        models=(row, unmeasured),
        problems=(f"{BROAD}: no such file",),
        errors=("suite/x.yaml::endorsement::y",),
        versions={"ethogram": "0"},
        files={"models.yaml": "a" * 64},
    )


def test_a_report_as_written_fits_its_schema(judged: Report) -> None:
    written = json.loads(json.dumps(judged.as_json(), allow_nan=False))
    assert {case["kind"] for case in written["cases"]} == {
        "persona",
        "scenario",
        "safety",
        "pressure",
        "perturbation",
        "projectability",
    }
    assert complaints("report", written) == []


def test_an_empty_report_fits_its_schema() -> None:
    assert complaints("report", Report("now", 0.0, "pytest", (), ()).as_json()) == []


def test_a_report_with_another_key_or_without_one_does_not_fit(judged: Report) -> None:
    written = judged.as_json()
    assert len(complaints("report", {**written, "extra": 1})) == 1
    for key in written:
        assert complaints("report", {k: v for k, v in written.items() if k != key}), key
    for key in written["cases"][0]:
        spoilt = copy.deepcopy(written)
        del spoilt["cases"][0][key]
        assert complaints("report", spoilt), key
