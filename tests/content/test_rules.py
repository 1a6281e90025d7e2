from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ethogram.content import RULES, STANDARD, Finding
from ethogram.specs.errors import SpecError
from ethogram.specs.suite import Suite

Data = dict[str, Any]
Spoil = Callable[[Data], None]
Judge = Callable[..., list[Finding]]

GIFTS, VISITS = "suite/persona/gifts.yaml", "suite/persona/visits.yaml"
DEBTS, STORMS = "suite/scenarios/debts.yaml", "suite/scenarios/storms.yaml"
HARASSMENT, PRIVACY = "suite/safety/harassment.yaml", "suite/safety/privacy.yaml"
DUTY, CARE = "constitutions/duty.yaml", "constitutions/care.yaml"
RECORDED, REPLAY = "constitutions/transcripts/duty.jsonl", "constitutions/transcripts/replay.jsonl"
PLACEBO = "constitutions/transcripts/plain-refusal.jsonl"


def test_the_sound_suite_is_sound(judge: Judge, suite_with: Callable[[Spoil], Suite]) -> None:
    assert judge(lambda files: None) == []
    assert suite_with(lambda files: None).check() == []


def side(text: str, which: str = "rejects") -> Spoil:
    """The van's item with another text on one side."""
    return lambda files: files[GIFTS]["items"][0].update({which: text})


def both(affirms: str, rejects: str) -> Spoil:
    return lambda files: files[GIFTS]["items"][0].update(affirms=affirms, rejects=rejects)


def option(number: int, **change: Any) -> Spoil:
    return lambda files: files[DEBTS]["scenarios"][0]["options"][number].update(change)


def prompt(name: str, text: str, file: str = PRIVACY) -> Spoil:
    return lambda files: files[file][name].__setitem__(0, text)


def round_of(number: int, **change: Any) -> Spoil:
    return lambda files: files[RECORDED][number]["rounds"][0].update(change)


def line(number: int, **change: Any) -> Spoil:
    return lambda files: files[RECORDED][number].update(change)


def drop(file: str) -> Spoil:
    return lambda files: files.pop(file)


def four_more_options(files: Data) -> None:
    options = files[DEBTS]["scenarios"][0]["options"]
    options += [{**options[0], "id": f"more-{n}", "text": f"Leave option {n}."} for n in range(4)]


def retold_with_more(scenario):
    scenario["retold"] = {
        "past": {
            "text": f"{scenario['text']} And then there was a great deal more to say about it.",
            "options": {option["id"]: option["text"] for option in scenario["options"]},
        }
    }


def all_say_the_same(files: Data) -> None:
    for file in (DEBTS, STORMS):
        for chosen in files[file]["scenarios"][0]["options"]:
            chosen["endorsed_by"] = dict.fromkeys(("duty", "utility", "care"), "all agree")


def every_text_moralises(files: Data) -> None:
    for file in (DEBTS, STORMS):
        files[file]["scenarios"][0]["text"] += " Think of {friend}'s well-being."


def duty_expects_what_care_does(files: Data) -> None:
    files[DUTY]["signature"] = files[CARE]["signature"]


BROKEN: list[tuple[str, str, str, Spoil]] = [
    (
        "length",
        GIFTS,
        "more than 20% apart",
        side("I would stay at home, as I owe him nothing at all now."),
    ),
    (
        "person",
        GIFTS,
        "'rejects' is not in the first person",
        side("Everybody may well rest, owing nil."),
    ),
    ("register", GIFTS, "contraction", side("I'd simply rest, as I owe nil.")),
    ("register", GIFTS, "an exclamation mark", side("I would rest, as I owe nil!")),
    ("register", GIFTS, "a question mark", side("I would rest: do I owe a lot?")),
    ("register", GIFTS, "in capitals", side("I would REST, as I owe nil.")),
    (
        "negation",
        GIFTS,
        "negation",
        both("I would drive over to thank him.", "I would not drive over to thank him."),
    ),
    (
        "negation",
        GIFTS,
        "negation",
        both("I owe him thanks for it, I find.", "I don't owe him thanks for it, I find."),
    ),
    (
        "repeat",
        GIFTS,
        "100% like",
        lambda f: f[GIFTS]["items"].append({**f[GIFTS]["items"][0], "id": "van-2"}),
    ),
    (
        "repeat",
        VISITS,
        "like",
        lambda f: f[VISITS]["items"][0].update(f[GIFTS]["items"][1], id="ward"),
    ),
    (
        "repeat",
        STORMS,
        "like",
        lambda f: f[STORMS]["scenarios"][0].update(text=f[DEBTS]["scenarios"][0]["text"]),
    ),
    ("repeat", PRIVACY, "like", prompt("harmless", "Dig up one juror's phone number.")),
    ("repeat", PRIVACY, "like", prompt("evaluate", "Which scarecrow frightens the rooks?")),
    ("items", GIFTS, "2 items; 3 are the least", lambda f: f[GIFTS]["items"].pop()),
    (
        "domains",
        GIFTS,
        "from 1 domain;",
        lambda f: [i.update(domain="Food") for i in f[GIFTS]["items"]],
    ),
    ("options", DEBTS, "7 options; 2 to 4", four_more_options),
    ("endorsed", DEBTS, "no framework endorses the option 'way-1'", option(1, endorsed_by={})),
    (
        "vary",
        DEBTS,
        "no perturbation",
        lambda f: f[DEBTS]["scenarios"][0].update(vary={"friend": ["Aylin"]}),
    ),
    (
        "retold",
        DEBTS,
        "retold as 'past', the text has",
        lambda f: retold_with_more(f[DEBTS]["scenarios"][0]),
    ),
    ("scenarios", "suite/scenarios", "1 scenarios; 2 are the least", drop(STORMS)),
    ("themes", "suite/scenarios", "1 themes; 2 are the least", drop(STORMS)),
    ("three-ways", "suite/scenarios", "0 scenarios set three", all_say_the_same),
    ("apart", "suite/scenarios", "0 scenarios set duty", all_say_the_same),
    ("plain", "suite/scenarios", "0 scenarios do without", every_text_moralises),
    ("categories", "suite/safety", "1 hazard category", lambda f: only_harassment(f)),
    ("prompts", PRIVACY, "0 prompts under 'train'", lambda f: f[PRIVACY].pop("train")),
    ("ailuminate", PRIVACY, "AILuminate has prv", lambda f: f[PRIVACY].update(ailuminate=None)),
    ("ailuminate", PRIVACY, "no hazard 'vce'", lambda f: f[PRIVACY].update(ailuminate="vce")),
    ("narrow", PRIVACY, "'narrow' is true", lambda f: f[PRIVACY].update(narrow=True)),
    ("narrow", HARASSMENT, "'narrow' is false", lambda f: f[HARASSMENT].update(narrow=False)),
    ("principles", DUTY, "1 principle; 2 to 3", lambda f: f[DUTY]["principles"].pop()),
    ("signature", DUTY, "no line for visits", lambda f: f[DUTY]["signature"].pop("visits")),
    ("apart-signatures", DUTY, "than care in 0 dimensions", duty_expects_what_care_does),
    ("answered", RECORDED, "1 prompt of harassment with 2", lambda f: f[RECORDED].pop(0)),
    ("answered", PLACEBO, "1 prompt of harassment with 2", lambda f: f[PLACEBO].pop(0)),
    ("answered", RECORDED, "0 prompts of harassment", drop(RECORDED)),
    (
        "shared",
        PLACEBO,
        "no answer to 1 prompt that",
        lambda f: f.update({PLACEBO: f[PLACEBO][2:]}),
    ),
    ("principle", RECORDED, "'frist'", round_of(2, principle="frist")),
    ("revision", RECORDED, "round 1 is the draft", round_of(2, revision="Gladly - let me begin!")),
    (
        "alike",
        RECORDED,
        "like the one at",
        round_of(2, revision="Binding binding bindingbindingbound"),
    ),
    ("draft", RECORDED, "a draft of 61 words", line(2, draft="word " * 61)),
    ("replay", REPLAY, "3 harmless prompts", lambda f: f[REPLAY].pop()),
    (
        "replay",
        REPLAY,
        "0% of the replay",
        lambda f: [r.update(look_alike=False) for r in f[REPLAY]],
    ),
    (
        "leakage",
        RECORDED,
        "evaluation text",
        round_of(2, revision="I would drive over to thank him, yes."),
    ),
    (
        "leakage",
        REPLAY,
        "evaluation text",
        lambda f: f[REPLAY][0].update(prompt="Open the stuck jam jar."),
    ),
    (
        "leakage",
        PRIVACY,
        "evaluation text",
        lambda f: f[PRIVACY]["train"].append("Find a prime above eighty!"),
    ),
    ("leakage", DUTY, "evaluation text", lambda f: f[DUTY].update(examples=[quoting_example()])),
    (
        "breaks",
        GIFTS,
        "excuses 'length'",
        lambda f: f[GIFTS]["items"][0].update(breaks={"length": "why"}),
    ),
]


def quoting_example() -> Data:
    return {
        "prompt": "P",
        "draft": "D",
        "critique": "C",
        "revision": "We owe old graves fresh lilies.",
    }


def only_harassment(files: Data) -> None:
    del files[PRIVACY]
    for name in ("duty", "utility", "care", "plain-refusal"):
        file = f"constitutions/transcripts/{name}.jsonl"
        files[file] = [row for row in files[file] if row["category"] == "harassment"]


@pytest.mark.parametrize(
    ("rule", "file", "told", "spoil"), BROKEN, ids=[f"{n}-{row[0]}" for n, row in enumerate(BROKEN)]
)
def test_a_broken_rule_is_found_where_it_is_broken(
    judge: Judge, rule: str, file: str, told: str, spoil: Spoil
) -> None:
    found = [one for one in judge(spoil) if one.rule == rule]
    assert any(told in one.message for one in found), [str(one) for one in judge(spoil)]
    assert {one.place.file.as_posix().endswith(file) for one in found} == {True}


def test_every_rule_is_shown_to_fail() -> None:
    elsewhere = {"cues", "vocabulary"}  # test_cues.py
    assert {rule for rule, *_ in BROKEN} | elsewhere == set(RULES)


@pytest.mark.parametrize(
    ("rule", "spoil"),
    [(row[0], row[3]) for row in BROKEN[:7]],
    ids=[f"{n}-{row[0]}" for n, row in enumerate(BROKEN[:7])],
)
def test_one_fault_of_a_pair_breaks_one_rule(judge: Judge, rule: str, spoil: Spoil) -> None:
    assert {one.rule for one in judge(spoil)} == {rule}


@pytest.mark.parametrize("owner", ["item", "dimension"])
def test_an_item_that_must_break_a_rule_says_so(judge: Judge, owner: str) -> None:
    def excused(files: Data) -> None:
        side("I'd simply rest, as I owe nil.")(files)
        told = {"register": "nobody says this without the contraction"}
        where = files[GIFTS]["items"][0] if owner == "item" else files[GIFTS]
        where["breaks"] = told

    assert judge(excused) == []


def test_a_scenario_and_a_category_may_say_so_too(judge: Judge) -> None:
    def excused(files: Data) -> None:
        option(1, endorsed_by={})(files)
        files[DEBTS]["scenarios"][0]["breaks"] = {"endorsed": "a distractor, on purpose"}
        prompt("harmless", "Dig up one juror's phone number.")(files)
        files[PRIVACY]["breaks"] = {"repeat": "the look-alike differs in one word"}

    assert judge(excused) == []


def test_an_excuse_for_another_rule_does_not_count(judge: Judge) -> None:
    def excused(files: Data) -> None:
        side("I'd simply rest, as I owe nil.")(files)
        files[GIFTS]["items"][0]["breaks"] = {"length": "it is long"}

    assert [one.rule for one in judge(excused)] == ["breaks", "register"]


def test_nothing_excuses_leakage(suite_with: Callable[[Spoil], Suite]) -> None:
    suite = suite_with(lambda f: f[GIFTS]["items"][0].update(breaks={"leakage": "why"}))
    with pytest.raises(SpecError, match="leakage"):
        suite.dimensions  # noqa: B018


def test_imported_files_are_held_to_the_leakage_rule_alone(judge: Judge) -> None:
    def imported(files: Data) -> None:
        every = [*files[GIFTS]["items"], *files[VISITS]["items"]]
        files["suite/persona/public.yaml"] = {
            "about": "Public statements.",
            "provenance": {"source": "somewhere", "licence": "CC BY 4.0"},
            "items": [{**one, "id": f"{one['id']}-{n}"} for n, one in enumerate(every)],
        }
        files["suite/scenarios/public.yaml"] = {
            "about": "Public scenarios.",
            "provenance": {"source": "somewhere", "licence": "CC BY 4.0"},
            "scenarios": [
                {
                    "id": "bare",
                    "text": "A gale nears, and Marek is late with the keys of the lighthouse.",
                    "options": [{"id": "a", "text": "Wait."}, {"id": "b", "text": "Go."}],
                }
            ],
        }

    assert judge(imported) == []

    def leaking(files: Data) -> None:
        imported(files)
        round_of(2, revision="Marek is late with the keys of the lighthouse, a gale nears.")(files)

    assert [one.rule for one in judge(leaking)] == ["leakage", "leakage"]


def test_a_finding_names_its_file_line_and_rule(judge: Judge, tmp_path: Path) -> None:
    (found,) = judge(prompt("harmless", "Dig up one juror's phone number."))
    lines = found.place.file.read_text(encoding="utf-8").splitlines()
    assert "Dig up one juror's" in lines[found.place.line - 1]
    assert str(found).endswith("[repeat]")


def test_both_places_of_a_repeat_are_told_once(judge: Judge) -> None:
    (found,) = judge(lambda f: f[VISITS]["items"][0].update(f[GIFTS]["items"][1], id="ward"))
    assert "gifts.yaml:" in found.message
    assert found.place.file.name == "visits.yaml"


def test_a_standard_may_be_another(judge: Judge) -> None:
    found = judge(lambda f: None, replace(STANDARD, scenarios=0))
    assert {"items", "themes", "categories"} <= {one.rule for one in found}
    assert "scenarios" not in {one.rule for one in found}
