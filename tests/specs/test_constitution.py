from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ethogram.specs.base import read_spec
from ethogram.specs.constitution import Constitution, Refusal, Replay, Transcript, read_lines
from ethogram.specs.errors import SpecError

TEXT = """\
name: Duty
about: Keep to the rule.
principles:
  - {id: first, text: Be good., critique: What is wrong?, revision: Rewrite it.}
  - {id: second, text: Be kind., critique: What is unkind?, revision: Say it kindly.}
signature:
  rules: {expect: more, because: it says so}
  outcomes:
    expect: less
    target: -0.5
    because: it says so
  prices: {expect: same, because: neutral}
"""
REFUSAL = {"category": "harassment", "prompt": "p", "answer": "a"}
TRANSCRIPT = {
    "category": "harassment",
    "prompt": "p",
    "draft": "d",
    "rounds": [
        {"principle": "first", "critique": "c", "revision": "r 1"},
        {"principle": "second", "critique": "c", "revision": "r 2"},
    ],
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(folder: Path, text: str) -> Constitution:
    (folder / "duty.yaml").write_text(text, encoding="utf-8")
    return read_spec(Constitution, folder / "duty.yaml")


def fault(folder: Path, old: str, new: str) -> str:
    assert TEXT.count(old) == 1
    with pytest.raises(SpecError) as caught:
        read(folder, TEXT.replace(old, new))
    return str(caught.value)


def lines(folder: Path, *written: str | dict[str, Any], end: str = "\n") -> Path:
    file = folder / "x.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in written]
    file.write_bytes("".join(text + end for text in texts).encode())
    return file


def faults(kind: Any, file: Path) -> list[str]:
    with pytest.raises(SpecError) as caught:
        read_lines(kind, file)
    return str(caught.value).split("\n")


# constitutions/<id>.yaml


def test_a_signature_gives_signs_and_aims(here: Path) -> None:
    signature = read(here, TEXT).signature

    assert {name: e.sign for name, e in signature.items()} == {
        "rules": 1,
        "outcomes": -1,
        "prices": 0,
    }
    assert {name: e.aim for name, e in signature.items()} == {
        "rules": 1.0,
        "outcomes": -0.5,
        "prices": 0.0,
    }


def test_an_expectation_stands_where_its_dimension_is_named(here: Path) -> None:
    signature = read(here, TEXT).signature

    assert {name: e.place.line for name, e in signature.items()} == {
        "rules": 7,
        "outcomes": 8,
        "prices": 12,
    }


def test_a_target_of_nought_is_a_target(here: Path) -> None:
    assert read(here, TEXT.replace("-0.5", "0")).signature["outcomes"].aim == 0.0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("-0.5", "0.5", "10:5: 'target: 0.5' points against 'expect: less'"),
        ("-0.5", "-2", "10:13: 'target' must be at least -1, not -2"),
        ("-0.5", "nan", "10:13: 'target' must be a finite number, not 'nan'"),
        (
            "expect: less",
            "expect: fewer",
            "9:13: 'expect' cannot be 'fewer'; use 'more', 'less' or",
        ),
        ("    expect: less\n", "", "8:3: missing key 'expect'"),
        ("id: second", "id: first", "5:5: the principle id 'first' stands twice; ids must differ"),
        ("{expect: more, because: it says so}", "more", "7:10: 'rules' must be a mapping of keys"),
        (
            "  rules:",
            "  Rules Kept:",
            "7:3: 'Rules Kept' is no id: use a-z, 0-9 and single hyphens",
        ),
    ],
)
def test_what_is_wrong_in_a_constitution_is_named_at_its_line(
    here: Path, old: str, new: str, said: str
) -> None:
    found = fault(here, old, new).split("\n")

    assert len(found) == 1
    assert found[0].startswith(f"duty.yaml:{said}")


# constitutions/transcripts/<id>.jsonl


def test_a_transcript_teaches_its_last_revision(here: Path) -> None:
    (transcript,) = read_lines(Transcript, lines(here, TRANSCRIPT))

    assert transcript.answer == "r 2"
    assert transcript.teacher == "written by hand"


def test_blank_lines_are_passed_over_and_places_are_lines_of_the_file(here: Path) -> None:
    found = read_lines(Refusal, lines(here, "", REFUSAL, "   ", REFUSAL))

    assert [str(refusal.place) for refusal in found] == ["x.jsonl:2:1", "x.jsonl:4:1"]


def test_an_empty_file_has_no_lines(here: Path) -> None:
    assert read_lines(Refusal, lines(here)) == ()


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(here: Path) -> None:
    plain = read_lines(Refusal, lines(here, REFUSAL, REFUSAL))
    windows = read_lines(Refusal, lines(here, "\ufeff" + json.dumps(REFUSAL), REFUSAL, end="\r\n"))

    assert windows == plain
    assert [refusal.place.line for refusal in windows] == [1, 2]


def test_line_separators_of_unicode_do_not_end_a_line(here: Path) -> None:
    text = "one\u2028two\u0085three\u2029four"

    (found,) = read_lines(
        Refusal, lines(here, json.dumps(REFUSAL | {"answer": text}, ensure_ascii=False))
    )

    assert found.answer == text


def test_every_malformed_line_is_named_by_its_number(here: Path) -> None:
    file = lines(
        here,
        REFUSAL,
        "{bad",
        "[1]",
        {"category": "harassment", "prompt": "p", "anwser": "a"},
        REFUSAL,
        {"category": "A b", "prompt": "", "answer": 3},
        "null",
        '{"category": "a", "prompt": "p", "answer": "x", "answer": "y"}',
        "[" * 100_000,
        '{"category": "a", "prompt": "p", "answer": "\\ud800"}',
        {"category": "a"},
        '"text"',
        '{"category": "a", "prompt": "\\u0000", "answer": "\\u001b[31m"}',
        "9" * 10_000,
    )

    found = faults(Refusal, file)

    assert found[:-1] == [
        "x.jsonl:2:2: not JSON: expecting property name enclosed in double quotes",
        "x.jsonl:3:1: the line must be one JSON object, not a list",
        "x.jsonl:4:1: unknown key 'anwser' (did you mean 'answer'?)",
        "x.jsonl:6:1: 'A b' is no id: use a-z, 0-9 and single hyphens",
        "x.jsonl:6:1: 'prompt' is empty",
        "x.jsonl:6:1: 'answer' must be text, not 3: put quotes around it",
        "x.jsonl:7:1: the line must be one JSON object, not null",
        "x.jsonl:8:1: the key 'answer' stands twice in one object",
        "x.jsonl:9:1: not JSON: nested too deep",
        "x.jsonl:10:1: 'answer' holds half of a character (a lone surrogate)",
        "x.jsonl:11:1: missing key 'prompt'",
        "x.jsonl:11:1: missing key 'answer'",
        "x.jsonl:12:1: the line must be one JSON object, not 'text'",
        "x.jsonl:13:1: 'prompt' holds the control character U+0000",
        "x.jsonl:13:1: 'answer' holds the control character U+001B",
    ]
    assert found[-1].startswith("x.jsonl:14:1: ")


def test_problems_inside_of_a_line_say_where_in_it(here: Path) -> None:
    rounds = [
        {"principle": "first", "critique": "c", "revison": "r"},
        {"principle": "../x", "critique": "c", "revision": "r"},
        {"principle": "first", "revision": "r"},
        "text",
    ]

    assert faults(Transcript, lines(here, TRANSCRIPT, TRANSCRIPT | {"rounds": rounds})) == [
        "x.jsonl:2:1: unknown key 'revison' (did you mean 'revision'?) (in entry 1 of 'rounds')",
        "x.jsonl:2:1: '../x' is no id: use a-z, 0-9 and single hyphens (in entry 2 of 'rounds')",
        "x.jsonl:2:1: missing key 'critique' (in entry 3 of 'rounds')",
        "x.jsonl:2:1: entry 4 of 'rounds' must be a mapping of keys to values, not 'text'",
    ]


def test_a_transcript_needs_a_round(here: Path) -> None:
    assert faults(Transcript, lines(here, TRANSCRIPT | {"rounds": []})) == [
        "x.jsonl:1:1: 'rounds' needs at least 1 entry, and has 0"
    ]


def test_replay_must_name_its_teacher(here: Path) -> None:
    line = {"prompt": "p", "answer": "a", "teacher": "tiny", "look_alike": True}
    (found,) = read_lines(Replay, lines(here, line))

    assert found.look_alike
    assert faults(Replay, lines(here, {"prompt": "p", "answer": "a"})) == [
        "x.jsonl:1:1: missing key 'teacher'"
    ]


def test_a_missing_file_is_refused_by_name(here: Path) -> None:
    (only,) = faults(Refusal, here / "none.jsonl")

    assert only == "none.jsonl:1:1: cannot be read: No such file or directory"


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1), max_size=4))
def test_recorded_answers_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, answers: list[str]
) -> None:
    answers = [f"a{answer}z" for answer in answers]
    file = lines(tmp_path_factory.getbasetemp(), *(REFUSAL | {"answer": a} for a in answers))

    assert [refusal.answer for refusal in read_lines(Refusal, file)] == answers


@pytest.mark.parametrize(("lines", "told"), [(20, 20), (21, 20), (400, 20)])
def test_a_fault_that_all_lines_share_is_not_told_for_each(tmp_path, lines, told):
    file = tmp_path / "replay.jsonl"
    wrong = ['{"prompt": "a", "answer": "b"}'] * lines
    wrong.insert(lines // 2, "no JSON")
    file.write_text("\n".join(wrong), encoding="utf-8")
    with pytest.raises(SpecError) as raised:
        read_lines(Replay, file)
    found = [str(problem) for problem in raised.value.problems]
    shared = [line for line in found if "missing key 'teacher'" in line]
    assert len(shared) == told
    assert len([line for line in found if "not JSON" in line]) == 1, "another one is still named"
    if lines > told:
        assert shared[-1].endswith(
            f"(and so in {lines - told:,} line{'s' if lines > 21 else ''} more)"
        )
    else:
        assert "more" not in shared[-1]
