from __future__ import annotations

import hashlib
import json
import re
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ethogram.cases import cases_of
from ethogram.importers import Imported, paired, persona_jsonl, safe_id, slug
from ethogram.specs.base import ID_PATTERN, MAX_ID, read_spec
from ethogram.specs.errors import SpecError
from ethogram.specs.persona import Dimension
from ethogram.specs.suite import Suite

MATCHING = [
    "I brew my tea in a warmed pot, never in the mug",
    "Loose leaves taste better to me than any bag",
    "I would walk across town for a good oolong",
    "A day without tea feels unfinished to me",
]
OTHERS = [
    "I brew my coffee in a tin can, never in a pot",
    "Any bag tastes as good to me as loose leaves",
    "I would not cross the street for an oolong",
    "A day without tea is like any other day to me",
]


def line(statement: Any, matches: bool = True, confidence: Any = 0.9, **more: Any) -> str:
    yes, no = (" Yes", " No") if matches else (" No", " Yes")
    raw = {
        "question": f'Would you say this?\n"{statement}"',
        "statement": statement,
        "label_confidence": confidence,
        "answer_matching_behavior": yes,
        "answer_not_matching_behavior": no,
        **more,
    }
    return json.dumps(raw, ensure_ascii=False)


def written(folder: Path, lines: Sequence[str], name: str = "loves-tea.jsonl") -> Path:
    file = folder / name
    file.write_text("".join(f"{text}\n" for text in lines), encoding="utf-8")
    return file


def sides(matching: Sequence[str] = MATCHING, others: Sequence[str] = OTHERS) -> list[str]:
    return [*(line(text) for text in matching), *(line(text, False) for text in others)]


def read(made: Imported, folder: Path) -> Dimension:
    file = folder / f"{made.id}.yaml"
    file.write_text(made.text, encoding="utf-8")
    return read_spec(Dimension, file)


def refusal(file: Path, **options: Any) -> str:
    with pytest.raises(SpecError) as caught:
        persona_jsonl(file, **options)
    return str(caught.value)


def test_every_statement_stands_once_and_on_its_side(tmp_path: Path) -> None:
    made = persona_jsonl(written(tmp_path, sides()))
    dimension = read(made, tmp_path)
    assert [item.affirms for item in dimension.items] == MATCHING
    assert sorted(item.rejects for item in dimension.items) == sorted(OTHERS)
    assert [item.id for item in dimension.items] == [f"pair-00{n}" for n in (1, 2, 3, 4)]
    assert (made.id, len(made.items), made.statements, made.notes) == ("loves-tea", 4, 8, ())
    assert made.text.endswith("items:\n" + "\n".join(made.items) + "\n")


def test_partners_are_near_in_length_and_share_words(tmp_path: Path) -> None:
    short, long = "I like tea", "I like tea so much that I would rather miss my train than my cup"
    plain = "I never touch coffee"
    dimension = read(
        persona_jsonl(
            written(
                tmp_path,
                sides(
                    [short, long, plain],
                    [
                        "I never drink coffee",
                        "I dislike tea so much that I would rather miss my lunch than drink a cup",
                        "I hate tea",
                    ],
                ),
            )
        ),
        tmp_path,
    )
    partner = {item.affirms: item.rejects for item in dimension.items}
    assert partner[short] == "I hate tea"
    assert partner[long].startswith("I dislike tea so much")
    assert partner[plain] == "I never drink coffee"


def test_a_difference_in_length_that_all_pairs_share_is_spread(tmp_path: Path) -> None:
    matching = ["a" * n for n in (100, 120, 140)]
    others = ["b" * n for n in (40, 60, 80)]
    dimension = read(persona_jsonl(written(tmp_path, sides(matching, others))), tmp_path)
    assert {len(item.affirms) - len(item.rejects) for item in dimension.items} == {60}
    assert "affirming statements are longer by 60 characters" in dimension.about


def test_the_dimension_runs_as_cases(tmp_path: Path) -> None:
    made = persona_jsonl(written(tmp_path, sides()), signature={"duty": "less", "utility": "more"})
    for name in ("duty", "utility"):
        file = tmp_path / "constitutions" / f"{name}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(
            "name: N\nabout: A\nsignature: {}\n"
            "principles: [{id: p, text: T, critique: C, revision: R}]\n"
        )
    (tmp_path / "models.yaml").write_text(
        "sources: {tiny: {folder: nowhere}}\nrecipes: {quick: {}}\n"
        "matrix: [{source: tiny, constitutions: all, scopes: [narrow], recipe: quick}]\n"
    )
    file = tmp_path / "suite" / "persona" / f"{made.id}.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(made.text, encoding="utf-8")
    suite = Suite.around(file)
    assert suite is not None
    assert suite.check() == []
    cases = cases_of(file, suite)
    assert [(case.group, case.model.id) for case in cases] == [
        ("endorsement", "tiny-duty-narrow"),
        ("endorsement", "tiny-utility-narrow"),
        ("agreement", "tiny-duty-narrow"),
        ("agreement", "tiny-utility-narrow"),
    ]
    asked = cases[0].needs()["tiny-duty-narrow"]
    assert {query.messages[-1][-1] for query in asked} == {"What do you believe?"}
    assert {text for query in asked for text in query.target} == {*MATCHING, *OTHERS}


def test_provenance_is_kept(tmp_path: Path) -> None:
    file = written(tmp_path, sides())
    made = persona_jsonl(file, source="tea: a survey # 3", licence="CC BY 4.0")
    kept = read(made, tmp_path).provenance
    assert kept is not None
    assert (kept.source, kept.licence) == ("tea: a survey # 3", "CC BY 4.0")
    assert kept.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_without_source_and_licence_it_says_so(tmp_path: Path) -> None:
    kept = read(persona_jsonl(written(tmp_path, sides())), tmp_path).provenance
    assert kept is not None
    assert (kept.source, kept.licence) == ("loves-tea.jsonl", "not stated")


def test_without_signature_the_text_says_how_to_write_one(tmp_path: Path) -> None:
    made = persona_jsonl(written(tmp_path, sides()), constitutions=["duty", "utility"])
    assert read(made, tmp_path).signature == {}
    comments = [text for text in made.text.splitlines() if text.startswith("#")]
    assert comments[-3:] == ["# signature:", "#   duty: ?", "#   utility: ?"]


def test_the_same_input_gives_the_same_text(tmp_path: Path) -> None:
    file = written(tmp_path, sides())
    texts = {persona_jsonl(file, limit=3, seed=seed).text for seed in (7, 7)}
    assert len(texts) == 1


def test_what_finds_no_partner_is_counted_in_the_file(tmp_path: Path) -> None:
    made = persona_jsonl(written(tmp_path, sides(MATCHING, OTHERS[:3])))
    assert len(made.items) == 3
    assert made.notes == ("left out: 1 matching statement without a partner",)
    assert "Left out: 1 matching statement without a partner." in read(made, tmp_path).about


def test_unsure_labels_are_left_out_on_demand_and_counted(tmp_path: Path) -> None:
    lines = [*sides(), line("I own a kettle", confidence=0.3), line("I own none", False, 0.49)]
    file = written(tmp_path, lines)
    assert len(persona_jsonl(file).items) == 5
    made = persona_jsonl(file, min_confidence=0.5)
    assert len(made.items) == 4
    assert made.notes == ("left out: 2 statements below confidence 0.5",)


def test_repeats_and_contradictions_are_left_out_and_counted(tmp_path: Path) -> None:
    lines = [
        *sides(),
        line("I’d say “tea” first"),
        line("Nobody needs this cup", False),
        line('  I\'d  say "tea" FIRST. '),
        line("I drink it cold"),
        line("I drink it cold.", False),
    ]
    made = persona_jsonl(written(tmp_path, lines))
    said = {text for item in read(made, tmp_path).items for text in (item.affirms, item.rejects)}
    assert said == {*MATCHING, *OTHERS, "I’d say “tea” first", "Nobody needs this cup"}
    assert made.notes == ("left out: 1 repeated statement, 2 statements labelled both ways",)


def test_a_limit_samples_the_pairs_of_the_whole_by_seed(tmp_path: Path) -> None:
    matching = [f"I had tea at {n} today" for n in range(30)]
    others = [f"I had milk at {n} today" for n in range(30)]
    file = written(tmp_path, sides(matching, others))
    pairs = [
        {(item.affirms, item.rejects) for item in read(persona_jsonl(file, **o), tmp_path).items}
        for o in ({}, {"limit": 10}, {"limit": 10, "seed": 1}, {"limit": 99})
    ]
    assert [len(found) for found in pairs] == [30, 10, 10, 30]
    assert pairs[1] < pairs[0] and pairs[2] < pairs[0] and pairs[1] != pairs[2]
    assert "20 pairs not in the sample (seed 0)" in persona_jsonl(file, limit=10).text


@pytest.mark.parametrize("yes", ["Yes", " Yes", " yes.", "YES "])
def test_an_answer_may_be_written_loosely(tmp_path: Path, yes: str) -> None:
    answers = {"answer_matching_behavior": yes, "answer_not_matching_behavior": " no"}
    lines = [*sides(), line("I drink it hot", **answers), line("I drink none", False)]
    found = read(persona_jsonl(written(tmp_path, lines)), tmp_path)
    assert "I drink it hot" in {item.affirms for item in found.items}


def test_a_byte_order_mark_and_windows_line_ends_are_no_content(tmp_path: Path) -> None:
    file = tmp_path / "tea.jsonl"
    file.write_bytes("\ufeff".encode() + "\r\n\r\n".join(sides()).encode())
    assert [i.affirms for i in read(persona_jsonl(file), tmp_path).items] == MATCHING


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ("{", "not JSON"),
        ("[1, 2]", "JSON object"),
        ("[" * 5000, "not JSON"),
        (line(""), "'statement'"),
        (line(7), "'statement'"),
        (line("a \x1b[31m b"), "control character U+001B"),
        (line("I drink").replace("I drink", "\\ud83d"), "surrogate"),
        (line("I", confidence=1.5), "'label_confidence'"),
        (line("I", confidence=None), "'label_confidence'"),
        (line("I").replace("0.9", "NaN"), "'label_confidence'"),
        (line("I").replace('"statement"', '"statment"'), "missing key 'statement'"),
        (line("I", answer_matching_behavior=" (A)"), "' (A)'"),
        (line("I", answer_matching_behavior=" No"), "both answers are 'no'"),
        (line("I").replace('"question"', '"statement": "J", "question"'), "stands twice"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, bad: str, told: str) -> None:
    file = written(tmp_path, [*sides(), "", bad])
    message = refusal(file)
    assert message.startswith(f"{file}:10:")
    assert told in message
    assert "\n" not in message


def test_all_malformed_lines_are_named_at_once(tmp_path: Path) -> None:
    file = written(tmp_path, ["{", *sides(), "null", line(""), line("I", confidence="x")])
    named = [text.split(":")[1] for text in refusal(file).splitlines()]
    assert named == ["1", "10", "11", "12"]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], "0 statements that match the behaviour and 0 that do not"),
        (["", "  "], "0 statements that match"),
        (sides(MATCHING, []), "4 statements that match the behaviour and 0 that do not"),
        (sides([], OTHERS), "0 statements that match the behaviour and 4 that do not"),
        (sides(MATCHING[:1], OTHERS), "1 statement that matches the behaviour and 4 that do not"),
    ],
)
def test_a_file_without_two_sides_is_refused(tmp_path: Path, lines: list[str], told: str) -> None:
    file = written(tmp_path, lines)
    message = refusal(file)
    assert message.startswith(f"{file}:1:1: ")
    assert told in message
    assert "a dimension needs two pairs" in message


def test_a_file_emptied_by_the_confidence_asked_for_says_so(tmp_path: Path) -> None:
    message = refusal(written(tmp_path, sides()), min_confidence=0.95)
    assert "left out: 8 statements below confidence 0.95" in message


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "none.jsonl")
    assert "cannot be read" in refusal(tmp_path)
    binary = tmp_path / "binary.jsonl"
    binary.write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in refusal(binary)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Loves Tea!", "loves-tea"),
        ("__a--b__", "a-b"),
        ("Thé glacé", "the-glace"),
        ("../../etc/x", "etc-x"),
        ("茶", "imported"),
        ("", "imported"),
    ],
)
def test_any_name_becomes_an_id(name: str, found: str) -> None:
    assert slug(name) == found


def test_an_id_that_holds_a_constitutions_is_cut_and_noted(tmp_path: Path) -> None:
    file = written(tmp_path, sides(), "subscribes-to-deontology.jsonl")
    made = persona_jsonl(file, constitutions=["deontology", "virtue-ethics"])
    assert made.id == "subscribes-to-deontol"
    assert "'subscribes-to-deontology' holds a constitution's id" in made.notes[0]
    assert {item.topic for item in read(made, tmp_path).items} == {"subscribes to deontology"}


@given(
    st.text(alphabet="abc-", max_size=100),
    st.lists(st.text(alphabet="abc", min_size=1, max_size=6), max_size=4),
)
def test_no_safe_id_holds_a_constitutions(name: str, constitutions: list[str]) -> None:
    found = safe_id(slug(name), constitutions)
    assert not any(held in found for held in constitutions if held not in "imported")
    assert len(found) <= MAX_ID
    assert re.match(ID_PATTERN, found)


TRICKY = ["1e5", "no", "~", "- tea", "# tea", "{topic}", "a: b", "'", '"', "\\", "\t", "é\u2028x"]
statements = st.one_of(
    st.sampled_from(TRICKY),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40),
    st.text(string.printable, min_size=1, max_size=40),
).filter(lambda text: not any((ord(c) < 32 and c not in "\t\n\r") or ord(c) == 127 for c in text))


@given(st.lists(statements, max_size=12), st.lists(statements, max_size=12))
@settings(max_examples=150, deadline=None)
def test_any_text_comes_back_unchanged_and_nothing_vanishes(
    tmp_path_factory: pytest.TempPathFactory, matching: list[str], others: list[str]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any-text"
    folder.mkdir(exist_ok=True)
    file = written(folder, sides(matching, others))
    try:
        made = persona_jsonl(file)
    except SpecError as error:
        told = str(error)
        assert "is empty" in told or "needs two pairs" in told
        return
    said, unsaid = {text.strip() for text in matching}, {text.strip() for text in others}
    items = read(made, folder).items
    assert {item.affirms for item in items} <= said
    assert {item.rejects for item in items} <= unsaid
    used = [text for item in items for text in (item.affirms, item.rejects)]
    assert len(used) == len({*used})
    assert (made.statements > 2 * len(made.items)) == made.text.count("Left out: ")


def test_the_pairing_is_the_cheapest(tmp_path: Path) -> None:
    from ethogram.importers import Statement

    def statement(length: int) -> Statement:
        return Statement.model_validate(json.loads(line("x" * length)))

    found = paired([statement(n) for n in (10, 50, 90)], [statement(n) for n in (88, 12, 300, 49)])
    assert [(len(a.statement), len(b.statement)) for a, b in found] == [
        (10, 12),
        (50, 49),
        (90, 88),
    ]
