import json
import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from ethogram.analyse.effects import effect_of, null_rate
from ethogram.analyse.outcomes import Outcome
from ethogram.plugin.gather import _undefined_to_nan, by_cause

NASTY = r'"I\n::error::would\r  ##[error]x <script>alert(1)</script> \u202e \x9b2J it"'
BEYOND_XML = r'"I \0 \e[31m would"'


def test_junit_carries_the_numbers_of_every_case(house, warm):
    house.run("suite", "--junitxml=junit.xml")
    cases = ET.parse(house.root / "junit.xml").getroot().findall(".//testcase")
    assert len(cases) == 44
    wanted = {case["case"]: case for case in warm.report["cases"]}
    name = "suite/persona/rules.yaml::endorsement::tiny-duty-narrow"
    (one,) = [
        case
        for case in cases
        if "rules" in case.get("classname")
        and "endorsement" in case.get("classname")
        and case.get("name") == "tiny-duty-narrow"
    ]
    found = {p.get("name"): p.get("value") for p in one.findall("properties/property")}
    measured = wanted[name]["measured"]
    assert found == {
        "verdict": wanted[name]["verdict"],
        "expected": wanted[name]["expected"],
        "measured": f"{measured['value']:+.4f}",
        "ci95": f"{measured['low']:+.4f} {measured['high']:+.4f}",
        "n": "3",
        "reference": "tiny-plain-refusal-narrow",
        "gap": f"{wanted[name]['gap']:+.4f}",
        "digest": next(
            m["digest"] for m in warm.report["models"] if m["model"] == "tiny-duty-narrow"
        ),
    }
    assert all(len(case.findall("properties/property")) == 8 for case in cases)


def test_what_could_not_be_measured_is_an_error_in_junit(house):
    house.rewrite("models.yaml", "samples: 8", "samples: 800")
    house.run("suite/persona", "--junitxml=junit.xml")
    suite = ET.parse(house.root / "junit.xml").getroot().find("testsuite")
    assert (suite.get("errors"), suite.get("failures")) == ("8", "0")
    shown = [(p.get("name"), p.get("value")) for p in suite.iter("property")]
    assert shown == [("verdict", "not measured")] * 8


def test_latest_is_the_newest_report_and_none_is_lost(house):
    house.run("suite/persona")
    first = house.report()
    house.run("suite/scenarios")
    newest = house.report()
    assert {case["kind"] for case in newest["cases"]} == {"scenario"}
    kept = [json.loads(f.read_text()) for f in house.root.glob("results/20*/report.json")]
    assert len(kept) == 2
    assert first in kept and newest in kept


def test_the_report_names_command_versions_and_digests(house):
    house.run("suite/persona", "-k", "tiny-duty-narrow or none")
    report = house.report()
    assert report["command"].startswith("pytest ")
    assert "-k 'tiny-duty-narrow or none'" in report["command"], "as a shell takes it"
    assert report["versions"].keys() >= {"ethogram", "torch", "transformers", "peft", "numpy"}
    assert all(re.fullmatch(r"[0-9a-f]{64}", model["digest"]) for model in report["models"])
    each_way = sum(null_rate(case["measured"]["n"]) for case in report["cases"] if case["p"])
    assert report["false_alarms"] == {
        "tested": 2.0,
        "expected_holds": pytest.approx(each_way),
        "expected_contradicts": pytest.approx(each_way),
    }


def test_no_report_is_written_when_no_case_ran(house):
    house.run("suite", "-k", "nothing-at-all")
    house.run("suite", "--collect-only")
    assert not (house.root / "results").exists()


def test_results_that_cannot_be_written_are_told_and_change_nothing(house):
    (house.root / "results").write_text("a file in the way")
    result = house.run("suite/scenarios")
    result.stdout.fnmatch_lines(["the report could not be written to *results: *"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "INTERNALERROR" not in result.stdout.str()
    result.stdout.fnmatch_lines(["*bedside::tiny-duty-broad*"])


def test_a_read_only_results_folder_is_told(house, tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    try:
        (folder / "probe").touch()
    except OSError:
        pass
    else:
        pytest.skip("this user may write everywhere")
    result = house.run("suite/scenarios", f"--ethogram-results={folder}")
    result.stdout.fnmatch_lines(["the report could not be written to *closed: *"])
    assert "INTERNALERROR" not in result.stdout.str()


def test_text_of_items_and_constitutions_is_inert(house):
    house.rewrite("suite/persona/rules.yaml", "affirms: I would hand it in.", f"affirms: {NASTY}")
    house.rewrite("constitutions/duty.yaml", "because: for tests", f"because: {NASTY}")
    result = house.run("suite/persona", "--junitxml=junit.xml", "-rA")
    shown = result.stdout.str()
    assert "<script>" in shown, "the text is shown, and harmless"
    for line in shown.split("\n"):
        assert not line.lstrip().startswith(("::", "##[")), line
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", line), repr(line)
    raw = (house.root / "junit.xml").read_text(encoding="utf-8")
    assert "<script" not in raw
    assert not re.search(r"^\s*::", raw, re.MULTILINE)
    assert ET.fromstring(raw).get("name") == "pytest tests"
    report = (house.root / "results/latest/report.json").read_bytes()
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f-\xff]", report)


def test_characters_that_no_terminal_or_xml_should_see_are_refused_on_reading(house):
    house.rewrite(
        "suite/persona/rules.yaml", "affirms: I would hand it in.", f"affirms: {BEYOND_XML}"
    )
    result = house.run("suite/persona", "--junitxml=junit.xml")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["suite/persona/rules.yaml:3:*: 'affirms' holds the control *"])
    assert "\x1b[31m would" not in result.stdout.str()
    assert "\0" not in result.stdout.str()
    assert ET.parse(house.root / "junit.xml").getroot().tag == "testsuites"


def test_a_problem_that_quotes_nasty_text_is_inert(house):
    house.rewrite(
        "suite/persona/rules.yaml",
        "id: queue, topic",
        r'"af\e[31m\n::error::irms": x, id: queue, topic',
    )
    result = house.run("suite/persona")
    shown = result.stdout.str()
    assert "unknown key" in shown
    for line in shown.split("\n"):
        assert not line.lstrip().startswith("::")
        assert "\x1b" not in line


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=6), st.booleans())
def test_an_outcome_crosses_processes_unchanged(outcome, moved, alike):
    from ethogram.analyse.outcomes import Against, ItemShift

    effect = effect_of([moved[0]] * len(moved) if alike else moved)
    sent = outcome(
        measured=effect.mean,
        gap=None,
        p=effect.p,
        against=(Against("source", effect),),
        extremes=(ItemShift("one", 1, 0.5, "text"),),
        facts={"held_out": True},
    )
    carried = json.loads(json.dumps(sent.as_json(), allow_nan=False))
    back = TypeAdapter(Outcome).validate_python(_undefined_to_nan(carried))
    assert repr(back) == repr(sent)
    assert back.gap is None and back.needs is None
    assert math.isnan(back.measured.low) == math.isnan(sent.measured.low)


def test_models_that_one_thing_stopped_are_named_with_it_once():
    problems = [f"m{n}: no network" for n in range(5)]
    assert by_cause([*problems, "a: other: why", "2 selected cases never ran"]) == (
        "2 selected cases never ran",
        "a: other: why",
        "m0, m1, m2 and 2 more: no network",
    )
