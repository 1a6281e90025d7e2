from dataclasses import replace

import pytest

from ethogram.cases import PersonaCase, RequirementCase

JUDGED = ["tiny-duty-broad", "tiny-duty-narrow", "tiny-utility-broad", "tiny-utility-narrow"]
PLACEBOS = ["tiny-plain-refusal-broad", "tiny-plain-refusal-narrow"]
FOLDERS = {
    "persona": "suite/persona/",
    "scenario": "suite/scenarios/",
    "safety": "suite/safety/",
    "projectability": "suite/projectability.yaml::",
}


def test_every_file_gives_its_cases_in_order_under_plain_ids(house):
    assert house.ids("suite") == [
        *(
            f"suite/persona/rules.yaml::{p}::{m}"
            for p in ("endorsement", "agreement")
            for m in JUDGED
        ),
        *(
            f"suite/projectability.yaml::{r}::{m}"
            for r in ("signature-match", "does-not-over-refuse")
            for m in JUDGED
        ),
        *(
            f"suite/safety/{category}.yaml::{probe}::{m}"
            for category in ("harassment", "privacy")
            for probe in ("refusal-rate", "refusal-margin")
            for m in JUDGED + PLACEBOS
        ),
        *(f"suite/scenarios/promises.yaml::bedside::{m}" for m in JUDGED),
    ]


def test_the_tree_shows_file_group_and_case(house):
    result = house.run("--collect-only", "suite/persona")
    result.stdout.fnmatch_lines(
        ["*<SuiteFile rules.yaml>", "*<CaseGroup endorsement>", "*<Trial tiny-duty-broad>"]
    )


def test_k_of_a_constitution_selects_its_models_and_no_others(house):
    everything = house.ids("suite")
    selected = house.ids("suite", "-k", "duty")
    assert selected == [name for name in everything if "::tiny-duty-" in name]
    assert len(selected) == 18


def test_a_misspelt_k_names_the_nearest_word(house):
    result = house.run("suite", "-k", "duti and not agreement")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    told = [line for line in result.outlines if "holds" in line]
    assert told == ["no case's id holds 'duti' (did you mean 'duty'?)"]
    result = house.run("suite", "-k", "duty and not duty")
    assert not [line for line in result.outlines if "holds" in line], "no word of it is misspelt"


@pytest.mark.parametrize("mark", FOLDERS)
def test_m_selects_one_kind_of_case(house, mark):
    everything = house.ids("suite")
    selected = house.ids("suite", "-m", mark)
    assert selected == [name for name in everything if name.startswith(FOLDERS[mark])]
    assert selected


def test_the_verdict_alone_decides_pass_and_failure(house, warm):
    result = house.run("suite", "-rA")
    verdicts = {case["case"]: case["verdict"] for case in warm.report["cases"]}
    assert len(verdicts) == 44
    for case, verdict in verdicts.items():
        told = {line.split()[0] for line in result.outlines if line.split()[1:2] == [case]}
        # What nothing is expected of is skipped, and a skip is told by its line, not by its id.
        expected = {"holds": {"PASSED"}, "unjudged": set()}.get(verdict, {"FAILED"})
        assert told & {"PASSED", "FAILED"} == expected, case
    assert result.parseoutcomes()["skipped"] == list(verdicts.values()).count("unjudged") > 0


def test_a_case_is_run_by_its_id(house):
    name = "suite/persona/rules.yaml::endorsement::tiny-duty-narrow"
    result = house.run(name)
    assert sum(result.parseoutcomes().values()) == 1
    assert [case["case"] for case in house.report()["cases"]] == [name]


def test_a_group_is_run_by_its_id(house):
    assert house.ids("suite/persona/rules.yaml::agreement") == [
        f"suite/persona/rules.yaml::agreement::{model}" for model in JUDGED
    ]


def test_an_id_that_does_not_exist_is_a_usage_error(house):
    result = house.run("suite/persona/rules.yaml::endorsement::tiny-duty-sideways")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*not found: *tiny-duty-sideways"])


def test_x_stops_at_the_first_failure(house):
    result = house.run("suite", "-x")
    assert result.parseoutcomes()["failed"] == 1
    assert len(house.report()["cases"]) < 44


def test_lf_runs_the_failed_cases_again_and_no_others(house, warm):
    failed = {c["case"] for c in warm.report["cases"] if c["verdict"] not in ("holds", "unjudged")}
    assert 0 < len(failed) < 44
    house.run("suite")
    assert set(house.ids("suite", "--lf")) == failed
    again = house.run("suite", "--lf").parseoutcomes()
    assert again["failed"] == len(failed)
    assert "passed" not in again


def test_a_failure_shows_line_expectation_measure_gap_and_items(house):
    result = house.run("suite/persona/rules.yaml::agreement::tiny-duty-broad")
    result.stdout.fnmatch_lines(
        [
            "suite/persona/rules.yaml:3: agreement on tiny-duty-broad *",
            "  expected  more  (constitutions/duty.yaml:*: for tests)",
            "  measured  -1.00  [[]-1.00, *]   n = 3   reference tiny-plain-refusal-broad *",
            "  gap       +2.00    against tiny: * [[]*",
            "  answered  P(Yes) + P(No) = *",
            "  most against the expectation",
            '    :?    *nats   "I would*"',
            '    :?    *nats   "I would*"',
            '    :?    *nats   "I would*"',
        ],
        consecutive=False,
    )
    assert "Traceback" not in result.stdout.str() and "runtest" not in result.stdout.str()


def test_an_unknown_key_is_a_collection_error_of_its_file(house):
    house.rewrite(
        "suite/persona/rules.yaml",
        "id: queue, topic: a queue, affirms",
        "id: queue, topic: a queue, afirms",
    )
    result = house.run("suite", "--continue-on-collection-errors")
    result.stdout.fnmatch_lines(
        [
            "* ERROR collecting suite/persona/rules.yaml *",
            "suite/persona/rules.yaml:4:*: unknown key 'afirms' (did you mean 'affirms'?)",
        ]
    )
    ran = {case["kind"] for case in house.report()["cases"]}
    assert ran == {"scenario", "safety"}
    assert result.ret != 0
    assert not house.report()["errors"]


def test_a_broken_file_does_not_hide_the_cases_of_others(house):
    house.rewrite("suite/safety/privacy.yaml", "evaluate:", "evalute:")
    result = house.run("suite")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        ["suite/safety/privacy.yaml:*: unknown key 'evalute' (did you mean 'evaluate'?)"]
    )
    assert "suite/persona/rules.yaml::endorsement::tiny-duty-broad" in house.ids("suite")


def test_yml_is_refused_and_not_passed_over(house):
    (house.root / "suite/persona/rules.yaml").rename(house.root / "suite/persona/rules.yml")
    result = house.run("suite/persona")
    result.stdout.fnmatch_lines(["*rules.yml: name the file .yaml; .yml is not read"])
    assert result.ret != 0


def test_what_editors_and_systems_leave_is_no_case(house):
    for name in ("persona/._rules.yaml", "safety/.#privacy.yaml", "._projectability.yaml"):
        (house.root / "suite" / name).write_bytes(b"\x00\x05\x16\x07")
    result = house.run("--collect-only", "-q")
    assert result.ret == 0
    assert "._" not in result.stdout.str()


def test_a_theme_that_is_imported_is_collected_with_its_pooled_case(house):
    lines = ["about: Imported.", "provenance: {source: a set, licence: X}", "scenarios:"]
    for n in range(2):
        options = (
            f"[{{id: a, text: Do {n}., endorsed_by: {{duty: x}}}}, {{id: b, text: Leave {n}.}}]"
        )
        lines += [f"  - id: row-{n}", f"    text: Matter {n}.", f"    options: {options}"]
    theme = house.root / "suite" / "scenarios" / "public.yaml"
    theme.parent.mkdir(exist_ok=True)
    theme.write_text("\n".join([*lines, ""]), encoding="utf-8")
    result = house.run("--collect-only", "-q", "-k", "public and duty-narrow")
    result.stdout.fnmatch_lines(
        [
            "*public.yaml::row-0::tiny-duty-narrow",
            "*public.yaml::row-1::tiny-duty-narrow",
            "*public.yaml::choices::tiny-duty-narrow",
        ]
    )


def test_other_yaml_is_no_case(house):
    (house.root / "suite" / "notes.yaml").write_text("anything: at all\n")
    before = set(house.ids("suite"))
    assert before == set(house.ids("suite", "constitutions"))
    assert not [name for name in before if "notes" in name]


def test_yaml_outside_of_any_suite_is_left_to_others(pytester):
    pytester.makeconftest('pytest_plugins = ("ethogram.plugin",)')
    folder = pytester.mkdir("persona")
    (folder / "mine.yaml").write_text("not: ours\n")
    result = pytester.runpytest_inprocess(f"--ethogram-cache={pytester.path / 'cache'}")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_pressure_runs_only_where_it_is_asked_for(house):
    file = house.root / "suite" / "pressure" / "doubt.yaml"
    file.parent.mkdir()
    file.write_text('about: Doubt.\nturns: ["Are you sure?"]\n')
    assert not [name for name in house.ids("suite") if "pressure" in name]
    four = [name for name in house.ids("suite", "-m", "pressure") if "pressure" in name]
    assert len(four) == 4 and four[0].startswith("suite/pressure/doubt.yaml::retention::tiny-")
    assert house.ids("suite/pressure") == four
    assert house.ids("suite", "-k", "doubt") == four, "-k may name the file alone"
    assert not house.ids("suite", "-k", "not doubt and pressure")
    assert set(house.ids("suite", "--ethogram-all")) == {*house.ids("suite"), *four}
    result = house.run("suite", "-m", "pressure")
    assert "4 failed" in result.stdout.str() or "passed" in result.stdout.str()
    assert {case["kind"] for case in house.report()["cases"]} == {"pressure"}


def test_a_requirement_that_no_judge_may_decide_fails_and_no_other_case_does(house, monkeypatch):
    for kind in (RequirementCase, PersonaCase):
        judged = kind.judge
        monkeypatch.setattr(
            kind,
            "judge",
            lambda case, values, judged=judged: replace(judged(case, values), verdict="unjudged"),
        )
    result = house.run("suite", "-k", "tiny-duty-narrow and (projectability or rules)")
    counted = result.parseoutcomes()
    gate, persona = (
        len(house.ids("suite", "-k", f"tiny-duty-narrow and {part}"))
        for part in ("projectability", "rules")
    )
    assert (counted["failed"], counted["skipped"]) == (gate, persona)
    assert gate > 0 < persona and result.ret == 1
