from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from ethogram.specs.errors import SpecError
from ethogram.specs.suite import Suite


def around(root: Path) -> Suite:
    found = Suite.around(root / "suite")
    assert found is not None
    return found


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def said(root: Path) -> list[str]:
    return [str(problem) for problem in around(root).check()]


@pytest.fixture
def house(small_suite: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(small_suite)
    return small_suite


# The shipped suite


def test_the_shipped_suite_has_no_problems(own_suite: Suite) -> None:
    assert [str(problem) for problem in own_suite.check()] == []


def test_the_shipped_suite_has_all_that_the_method_names(own_suite: Suite) -> None:
    assert set(own_suite.constitutions) == {
        "consequentialism",
        "deontology",
        "human-authority",
        "virtue-ethics",
    }
    narrow = {name for name, category in own_suite.categories.items() if category.narrow}
    assert narrow == {"harassment", "illegal-behaviour"}
    assert own_suite.requirements is not None
    for constitution in own_suite.constitutions:
        assert own_suite.signature(constitution)
        assert own_suite.transcripts(constitution)
        for scope in ("broad", "narrow"):
            model = own_suite.catalogue[f"smollm2-{constitution}-{scope}"]
            assert own_suite.catalogue.placebo_of(model) is not None
    assert own_suite.refusals()
    assert any(line.look_alike for line in own_suite.replay())


def test_the_shipped_suite_reads_the_same_with_either_parser(
    own_suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ethogram.specs.loader._Parser", yaml.SafeLoader)

    again = around(own_suite.root)

    assert again.dimensions == own_suite.dimensions
    assert again.themes == own_suite.themes
    assert again.constitutions == own_suite.constitutions


# Finding a suite


def test_a_suite_is_found_from_every_file_and_folder_of_it(house: Path) -> None:
    starts = [
        house,
        house / "suite",
        house / "suite" / "persona",
        house / "suite" / "persona" / "rules.yaml",
        house / "models.yaml",
        house / "constitutions",
        house / "constitutions" / "duty.yaml",
    ]

    found = [Suite.around(start) for start in starts]

    assert [suite and suite.root for suite in found] == [house] * len(starts)
    assert [suite and suite.folder for suite in found] == [house / "suite"] * len(starts)


def test_a_folder_beside_the_suite_is_not_taken_for_it(house: Path) -> None:
    (house / "tests").mkdir()

    found = Suite.around(house / "tests")

    assert found is not None
    assert set(found.dimensions) == {"rules"}


def test_a_suite_may_have_another_name(house: Path) -> None:
    (house / "suite").rename(house / "cases")

    found = Suite.around(house / "cases" / "persona")

    assert found is not None
    assert found.folder == house / "cases"
    assert found.check() == []


def test_a_relative_path_finds_the_suite_from_within(
    house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(house / "suite" / "persona")

    found = Suite.around(Path("rules.yaml"))

    assert found is not None
    assert found.root == house


def test_outside_of_a_suite_there_is_none(tmp_path: Path) -> None:
    assert Suite.around(tmp_path) is None


def test_another_models_file_may_be_named(house: Path) -> None:
    other = house / "Mine_2.yaml"
    other.write_text("sources: {alone: {folder: x}}\n")

    found = Suite.around(house / "suite", other)

    assert found is not None
    assert [model.id for model in found.catalogue] == ["alone"]


# Reading


def test_the_small_suite_has_no_problems(house: Path) -> None:
    assert said(house) == []


def test_the_catalogue_is_the_matrix_over_the_folder_of_constitutions(house: Path) -> None:
    assert [model.id for model in around(house).catalogue] == [
        "tiny",
        "tiny-duty-broad",
        "tiny-duty-narrow",
        "tiny-utility-broad",
        "tiny-utility-narrow",
        "tiny-plain-refusal-broad",
        "tiny-plain-refusal-narrow",
    ]


def test_a_constitution_s_own_signature_wins_over_the_dimension_s(house: Path) -> None:
    file = house / "suite" / "persona" / "imported.yaml"
    shutil.copy(house / "suite" / "persona" / "rules.yaml", file)
    edit(file, "items:", "signature: {duty: less}\nitems:")
    edit(house / "suite" / "persona" / "rules.yaml", "items:", "signature: {duty: less}\nitems:")
    suite = around(house)

    imported = suite.expectation("duty", suite.dimensions["imported"])
    own = suite.expectation("duty", suite.dimensions["rules"])

    assert imported is not None and imported.sign == -1
    assert imported.because == "said in imported.yaml"
    assert imported.place.file == file
    assert own is not None and own.sign == 1
    assert suite.expectation("utility", suite.dimensions["imported"]) is None


def test_an_imported_dimension_does_not_enter_the_signature(house: Path) -> None:
    file = house / "suite" / "persona" / "imported.yaml"
    shutil.copy(house / "suite" / "persona" / "rules.yaml", file)
    edit(file, "items:", "signature: {duty: less}\nitems:")

    assert set(around(house).signature("duty")) == {"rules"}


def test_every_text_that_is_scored_is_listed_with_its_place(house: Path) -> None:
    texts = {text: place for place, text in around(house).evaluation_texts()}

    assert texts["I would hand it in."].line == 3
    assert texts["Keep them safe."].file.name == "promises.yaml"
    assert {"Find her number.", "Find a prime number."} <= set(texts)
    assert "Where does she live?" not in texts  # a training prompt
    assert all(place.file.exists() for place in texts.values())


def test_a_retelling_is_an_evaluation_text_too(house: Path) -> None:
    retold = """    retold:
      past: {text: "{friend} had asked you.", options: {keep: Kept them., give: Gave them away.}}
"""
    file = house / "suite" / "scenarios" / "promises.yaml"
    file.write_text(file.read_text(encoding="utf-8") + retold, encoding="utf-8")
    texts = {text: place for place, text in around(house).evaluation_texts()}

    assert texts["{friend} had asked you."].line == texts["Gave them away."].line == 10


def test_a_suite_without_a_gate_is_whole(house: Path) -> None:
    (house / "suite" / "projectability.yaml").unlink()

    assert around(house).requirements is None
    assert said(house) == []


# Problems of one file


def test_every_bad_file_is_reported_in_one_go(house: Path) -> None:
    edit(house / "suite" / "persona" / "rules.yaml", "affirms", "afirms")
    edit(house / "suite" / "safety" / "privacy.yaml", "narrow: false\n", "")
    edit(house / "suite" / "projectability.yaml", "at_least: 0.3", "at_least: some")
    edit(house / "constitutions" / "duty.yaml", "expect: more", "expect: mroe")

    assert sorted(said(house)) == [
        "constitutions/duty.yaml:7:19: 'expect' cannot be 'mroe' (did you mean 'more'?); "
        "use 'more', 'less' or 'same'",
        "suite/persona/rules.yaml:3:35: unknown key 'afirms' (did you mean 'affirms'?)",
        "suite/projectability.yaml:2:63: 'at_least' must be a number, not 'some'",
        "suite/safety/privacy.yaml:1:1: missing key 'narrow'",
    ]


def test_a_file_is_read_once_by_one_suite(house: Path) -> None:
    suite = around(house)
    stance = min(suite.constitutions)
    first = suite.transcripts(stance), suite.refusals(), suite.replay()
    for file in (suite.recorded(name) for name in (stance, "plain-refusal", "replay")):
        file.write_text("no JSON", encoding="utf-8")
    again = suite.transcripts(stance), suite.refusals(), suite.replay()
    assert all(one is other for one, other in zip(first, again, strict=True))
    with pytest.raises(SpecError, match="not JSON"):
        around(house).transcripts(stance)


def test_what_a_bad_file_raised_is_raised_again(house: Path) -> None:
    suite = around(house)
    suite.recorded("replay").write_text("no JSON\n[]\n", encoding="utf-8")
    told = []
    for _ in range(2):
        with pytest.raises(SpecError) as raised:
            suite.replay()
        told.append(raised.value.problems)
    assert told[0] == told[1] and len(told[0]) == 2


def test_a_malformed_transcript_line_is_reported_with_its_number(house: Path) -> None:
    with (house / "constitutions" / "transcripts" / "duty.jsonl").open("a") as file:
        file.write("{\n")

    (problem,) = said(house)

    assert problem.startswith("constitutions/transcripts/duty.jsonl:9:2: not JSON: ")


@pytest.mark.parametrize("name", ["plain-refusal", "replay"])
def test_a_malformed_line_of_a_placebo_is_reported(house: Path, name: str) -> None:
    (house / "constitutions" / "transcripts" / f"{name}.jsonl").write_text("[]\n")

    assert said(house) == [
        f"constitutions/transcripts/{name}.jsonl:1:1: the line must be one JSON object, not a list"
    ]


def test_a_missing_models_file_is_one_problem(house: Path) -> None:
    (house / "models.yaml").unlink()

    assert said(house) == ["models.yaml:1:1: cannot be read: No such file or directory"]


def test_a_file_that_ends_in_yml_is_not_passed_over_in_silence(house: Path) -> None:
    (house / "suite" / "persona" / "late.yml").write_text("about: x\n")

    assert said(house) == ["suite/persona/late.yml:1:1: name the file .yaml; .yml is not read"]


def test_a_file_beside_the_folders_of_the_suite_is_not_passed_over_in_silence(house: Path) -> None:
    (house / "suite" / "projectabilty.yaml").write_text("requirements: []\n")

    assert said(house) == [
        "suite/projectabilty.yaml:1:1: not read: a case file lies in one of persona/, scenarios/, "
        "safety/, pressure/, perturbations/ (did you mean 'projectability.yaml'?)"
    ]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("suite/persona/more/late.yaml", "not read: it must lie in persona/ itself"),
        (
            "suite/scenario/late.yaml",
            "not read: a case file lies in one of persona/, scenarios/, "
            "safety/, pressure/, perturbations/ (did you mean 'scenarios'?)",
        ),
        (
            "constitutions/transcripts/dutty.jsonl",
            "not read: no constitution is called 'dutty' (did you mean 'duty'?)",
        ),
    ],
)
def test_a_file_that_nothing_reads_is_named(house: Path, file: str, message: str) -> None:
    (house / file).parent.mkdir(parents=True, exist_ok=True)
    (house / file).write_text("about: x\n")

    assert said(house) == [f"{file}:1:1: {message}"]


def test_a_models_file_may_lie_beside_the_folders_of_the_suite(house: Path) -> None:
    mine = house / "suite" / "mine.yaml"
    shutil.copy(house / "models.yaml", mine)

    assert around(house).check() == [] and around(house).spare_models() == [mine]
    found = Suite.around(house, mine)
    assert found is not None and found.check() == [] and found.spare_models() == []


def test_a_folder_of_other_things_is_left_alone(house: Path) -> None:
    (house / "suite" / "figures").mkdir()
    (house / "suite" / "figures" / "plot.yaml").write_text("about: x\n")

    assert said(house) == []


# Problems between files


def test_a_scenario_id_that_two_files_share_is_refused(house: Path) -> None:
    folder = house / "suite" / "scenarios"
    shutil.copy(folder / "promises.yaml", folder / "oaths.yaml")
    message = "suite/scenarios/promises.yaml:3:5: the scenario id 'bedside' stands at {} too"
    expected = message.format("suite/scenarios/oaths.yaml:3:5")

    assert said(house) == [expected]
    with pytest.raises(SpecError) as caught:
        _ = around(house).themes
    assert str(caught.value) == expected


def test_unknown_names_between_files_are_each_reported(house: Path) -> None:
    edit(house / "suite" / "scenarios" / "promises.yaml", "{utility:", "{utilty:")
    edit(house / "suite" / "persona" / "rules.yaml", "items:", "signature: {dutty: less}\nitems:")
    edit(house / "constitutions" / "duty.yaml", "  rules:", "  ruls:")
    edit(
        house / "suite" / "projectability.yaml", "at_least: 0.3", "at_least: 0, models: [tiny-duty]"
    )

    assert sorted(said(house)) == [
        "constitutions/duty.yaml:7:3: no dimension is called 'ruls' (did you mean 'rules'?)",
        "suite/persona/rules.yaml:2:13: no constitution is called 'dutty' (did you mean 'duty'?)",
        "suite/projectability.yaml:2:5: no model is called 'tiny-duty' "
        "(did you mean 'tiny-duty-broad'?)",
        "suite/scenarios/promises.yaml:7:57: no constitution is called 'utilty' "
        "(did you mean 'utility'?)",
    ]


def test_a_broken_file_hides_no_problem_between_the_others(house: Path) -> None:
    edit(house / "suite" / "persona" / "rules.yaml", "items:", "signature: {dutty: less}\nitems:")
    (house / "suite" / "persona" / "late.yaml").write_text("about: x\nitms: []\n")
    edit(house / "constitutions" / "utility.yaml", "about:", "abuot:")
    edit(house / "constitutions" / "duty.yaml", "  rules:", "  ruls:")
    edit(house / "suite" / "projectability.yaml", "at_least: 0.3", "at_least: 0, models: [tiny-d]")
    found = said(house)

    assert [line.split(" ")[0] for line in found if "late.yaml" in line or "utility" in line] == [
        "suite/persona/late.yaml:2:1:",
        "constitutions/utility.yaml:2:1:",
    ]
    assert sorted(line.split(" ")[0] for line in found[2:]) == [
        "constitutions/duty.yaml:7:3:",
        "suite/persona/rules.yaml:2:13:",
        "suite/projectability.yaml:2:5:",
    ], "the broken ones are known by their names: nothing else is dangling"


def test_a_broken_case_file_hides_no_dangling_name_from_a_run(house: Path) -> None:
    (house / "suite" / "persona" / "late.yaml").write_text("about: x\nitms: []\n")
    assert around(house).shared_problems() == [], "it stops its own cases"
    edit(house / "constitutions" / "duty.yaml", "  rules:", "  ruls:")
    (found,) = around(house).shared_problems()
    assert "no dimension is called 'ruls'" in found.message


def test_a_broken_models_file_hides_no_problem_between_the_others(house: Path) -> None:
    (house / "models.yaml").write_text("sorces: {}\n")
    edit(house / "constitutions" / "duty.yaml", "  rules:", "  ruls:")
    found = said(house)

    assert any("no dimension is called 'ruls'" in line for line in found)
    assert all(line.startswith(("models.yaml:1:1:", "constitutions/duty.yaml")) for line in found)


def test_a_transcript_that_stands_twice_is_named(house: Path) -> None:
    file = house / "constitutions" / "transcripts" / "duty.jsonl"
    first = file.read_text(encoding="utf-8").splitlines()[0]
    count = len(file.read_text(encoding="utf-8").splitlines())
    with file.open("a", encoding="utf-8") as lines:
        lines.write(first + "\n")

    assert said(house) == [
        f"constitutions/transcripts/duty.jsonl:{count + 1}:1: the same prompt with the same answer "
        "stands above already"
    ]


def test_unknown_names_in_models_are_reported(house: Path) -> None:
    edit(house / "models.yaml", "recipe: quick", "recipe: qick")

    assert said(house) == ["models.yaml:6:5: unknown recipe 'qick' (did you mean 'quick'?)"]


def test_unknown_names_in_transcripts_are_reported(house: Path) -> None:
    folder = house / "constitutions" / "transcripts"
    edit(folder / "duty.jsonl", '"category": "harassment"', '"category": "harrassment"')
    edit(folder / "duty.jsonl", '"principle": "second"', '"principle": "secnd"')
    edit(folder / "plain-refusal.jsonl", '"category": "harassment"', '"category": "harass"')

    assert sorted(said(house)) == [
        "constitutions/transcripts/duty.jsonl:1:1: unknown category 'harrassment' "
        "(did you mean 'harassment'?)",
        "constitutions/transcripts/duty.jsonl:2:1: unknown principle 'secnd' "
        "(did you mean 'second'?)",
        "constitutions/transcripts/plain-refusal.jsonl:1:1: unknown category 'harass' "
        "(did you mean 'harassment'?)",
    ]


@pytest.mark.parametrize(
    ("file", "new", "line"),
    [
        ("persona/rules.yaml", "persona/duty-first.yaml", 1),
        ("safety/privacy.yaml", "safety/utility-bills.yaml", 1),
        ("scenarios/promises.yaml", "scenarios/on-duty.yaml", 1),
    ],
)
def test_a_file_named_after_a_constitution_is_reported(
    house: Path, file: str, new: str, line: int
) -> None:
    (house / "suite" / file).rename(house / "suite" / new)
    message = f"suite/{new}:{line}:1: the id '{Path(new).stem}' holds the name of the constitution"

    assert [problem for problem in said(house) if problem.startswith(message)]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("scenarios/promises.yaml", "id: bedside", "id: duty-free"),
        ("projectability.yaml", "id: signature-match", "id: utility-match"),
    ],
)
def test_an_id_that_holds_a_constitution_s_name_is_reported(
    house: Path, file: str, old: str, new: str
) -> None:
    edit(house / "suite" / file, old, new)

    (problem,) = said(house)

    assert problem.endswith(": -k would mix them")
    assert f"suite/{file}:" in problem


def test_a_model_that_holds_the_name_of_another_constitution_is_reported(house: Path) -> None:
    edit(
        house / "models.yaml",
        "matrix:",
        "candidates:\n  duty-bot: {source: tiny, constitution: utility, adapter: a}\nmatrix:",
    )

    (problem,) = said(house)

    assert problem == (
        "models.yaml:6:3: the id 'duty-bot-utility' holds the name of the constitution 'duty': "
        "-k would mix them"
    )


def test_a_source_that_holds_the_name_of_a_constitution_is_reported_once(house: Path) -> None:
    text = (house / "models.yaml").read_text().replace("tiny", "duty-free")
    (house / "models.yaml").write_text(text)

    (problem,) = said(house)

    assert problem == (
        "models.yaml:2:3: the id 'duty-free' holds the name of the constitution 'duty': "
        "-k would mix them"
    )


def test_a_constitution_whose_name_holds_another_s_is_reported(house: Path) -> None:
    text = (house / "constitutions" / "duty.yaml").read_text()
    (house / "constitutions" / "duty-first.yaml").write_text(text)

    (problem,) = said(house)

    assert problem.startswith("constitutions/duty-first.yaml:1:1: the id 'duty-first' holds the")


@pytest.mark.parametrize("name", ["neutral", "broad", "narrow"])
def test_a_constitution_named_like_a_placebo_or_scope_is_reported(house: Path, name: str) -> None:
    text = (house / "constitutions" / "duty.yaml").read_text()
    (house / "constitutions" / f"{name}.yaml").write_text(text)

    assert said(house)[-1] == (
        f"constitutions/{name}.yaml:1:1: a constitution cannot be called {name!r}"
    )


def test_files_that_editors_and_systems_leave_are_passed_over(house: Path) -> None:
    for name in ("persona/.#rules.yaml", "persona/._rules.yaml", "safety/.privacy.yaml"):
        (house / "suite" / name).write_bytes(b"\x00\x01")
    (house / "constitutions" / ".duty.yaml").write_text("no: constitution", encoding="utf-8")
    assert said(house) == []


@pytest.mark.parametrize("to", ["nowhere.yaml", "odd.yaml"])
def test_a_link_that_leads_nowhere_is_named_and_stops_a_run(house: Path, to: str) -> None:
    (house / "suite" / "persona" / "odd.yaml").symlink_to(to)
    (told,) = said(house)
    assert told.startswith("suite/persona/odd.yaml:1:1: cannot be read")
    assert [str(problem) for problem in around(house).shared_problems()] == [told]


def test_a_reserved_name_is_one_problem_and_blames_no_transcript(house: Path) -> None:
    duty = (house / "constitutions" / "duty.yaml").read_text(encoding="utf-8")
    (house / "constitutions" / "plain-refusal.yaml").write_text(duty, encoding="utf-8")
    told = said(house)
    assert "a constitution cannot be called 'plain-refusal'" in "\n".join(told)
    assert not [line for line in told if ".jsonl" in line]
