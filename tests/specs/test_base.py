from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from ethogram.specs.base import (
    FileSpec,
    Id,
    Misplaced,
    Spec,
    Text,
    check_unique,
    duplicates,
    placeholders,
    read_spec,
)
from ethogram.specs.constitution import Constitution
from ethogram.specs.errors import SpecError
from ethogram.specs.models import ModelsFile
from ethogram.specs.persona import Dimension
from ethogram.specs.requirements import Requirements


class Leaf(Spec):
    id: Id
    text: Text


class Branch(FileSpec):
    about: Text
    leaves: tuple[Leaf, ...] = ()
    named: dict[Id, Leaf] = Field(default_factory=dict)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(folder: Path, text: str, name: str = "x.yaml") -> Branch:
    (folder / name).write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    return read_spec(Branch, folder / name)


def fault(folder: Path, text: str) -> str:
    with pytest.raises(SpecError) as caught:
        read(folder, text)
    return str(caught.value)


WHOLE = """
    # a comment above
    about: text
    leaves:
      - id: a
        text: x
      - {id: b, text: y}
    named:
      c:
        id: c
        text: z
"""


def test_every_spec_knows_where_it_stands(here: Path) -> None:
    found = read(here, WHOLE)

    assert str(found.place) == "x.yaml:1:1"
    assert str(found.leaves[0].place) == "x.yaml:4:5"
    assert str(found.leaves[1].place) == "x.yaml:6:5"
    assert str(found.named["c"].place) == "x.yaml:8:3"


def test_the_stem_of_a_file_is_its_id(here: Path) -> None:
    assert read(here, "about: a\n", "some-name-2.yaml").id == "some-name-2"


def test_a_spec_cannot_be_changed(here: Path) -> None:
    found = read(here, WHOLE)

    with pytest.raises(ValueError, match="frozen"):
        found.about = "other"  # type: ignore[misc]
    assert found.about == "text"


def test_where_a_spec_stands_is_no_part_of_its_data(here: Path) -> None:
    below = read(here, f"# moved down\n\n{textwrap.dedent(WHOLE)}").leaves[0]

    assert below.place.line == 7
    assert below.model_dump() == read(here, WHOLE).leaves[0].model_dump()


@pytest.mark.parametrize(
    "stem", ["Upper", "under_score", "a b", "[x]", "a--b", "-a", "a::b", "ünder", "x" * 81]
)
def test_a_file_whose_name_is_no_id_is_refused(here: Path, stem: str) -> None:
    with pytest.raises(SpecError) as caught:
        read(here, "about: a\n", f"{stem}.yaml")

    assert f"{stem}.yaml:1:1: " in str(caught.value)
    assert "name" in str(caught.value)


@pytest.mark.parametrize("kind", [ModelsFile, Requirements])
def test_files_after_which_no_case_is_named_may_have_any_name(kind: type[FileSpec]) -> None:
    assert kind.named_freely
    assert not Dimension.named_freely
    assert not Constitution.named_freely


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n", "null\n"])
def test_an_empty_file_is_told_what_it_needs(here: Path, text: str) -> None:
    assert fault(here, text) == "x.yaml:1:1: the file is empty; it needs about"


@pytest.mark.parametrize(
    ("text", "found"), [("- a\n", "a list"), ("text\n", "'text'"), ("3\n", "3"), ("no", "'no'")]
)
def test_a_file_that_is_no_mapping_is_refused(here: Path, text: str, found: str) -> None:
    assert fault(here, text) == f"x.yaml:1:1: the file must hold keys and values, not {found}"


@pytest.mark.parametrize(
    "wrong",
    ["../../x", "/etc/x", "A", "a_b", "a b", "-a", "a-", "a--b", "a/b", "a.b", "a[0]", "a::b", "ä"],
)
def test_an_id_out_of_other_characters_is_refused(here: Path, wrong: str) -> None:
    assert fault(here, f"about: a\nleaves:\n  - {{id: '{wrong}', text: x}}\n") == (
        f"x.yaml:3:10: {wrong!r} is no id: use a-z, 0-9 and single hyphens"
    )


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (r'"a\0b"', r"'a\x00b' is no id: use a-z, 0-9 and single hyphens"),
        (r'"a\n"', r"'a\n' is no id: use a-z, 0-9 and single hyphens"),
        ("''", "'' is no id: use a-z, 0-9 and single hyphens"),
        ("x" * 300, "'id' is longer than 80 characters"),
        ("007", "'id' must be text, not 7: put quotes around it"),
    ],
)
def test_odd_ids_are_refused(here: Path, written: str, said: str) -> None:
    assert (
        fault(here, f"about: a\nleaves:\n  - {{id: {written}, text: x}}\n")
        == f"x.yaml:3:10: {said}"
    )


def test_a_key_that_must_be_an_id_is_refused_at_the_key(here: Path) -> None:
    assert fault(here, "about: a\nnamed:\n  ../../x: {id: c, text: z}\n") == (
        "x.yaml:3:3: '../../x' is no id: use a-z, 0-9 and single hyphens"
    )


@given(st.from_regex(r"[a-z0-9]+(-[a-z0-9]+)*", fullmatch=True).filter(lambda i: len(i) <= 80))
def test_ids_of_letters_digits_and_single_hyphens_are_taken(name: str) -> None:
    assert Leaf(id=name, text="x").id == name


def test_text_loses_the_white_space_around_it_and_may_have_lines(here: Path) -> None:
    assert read(here, "about: |\n  one\n  two\t.\n\n").about == "one\ntwo\t."


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("''", "'about' is empty"),
        ("'  '", "'about' is empty"),
        (r'"a\0b"', "'about' holds the control character U+0000"),
        (r'"\e[31mred"', "'about' holds the control character U+001B"),
        ("x" * 20_001, "'about' is longer than 20000 characters"),
    ],
)
def test_odd_texts_are_refused(here: Path, written: str, said: str) -> None:
    assert fault(here, f"about: {written}\n") == f"x.yaml:1:8: {said}"


def test_placeholders_are_the_plain_names_in_braces() -> None:
    assert placeholders("{a} and {b_2}, {{not this}} and {a} again") == {"a", "b_2"}
    assert placeholders("no braces") == set()


@pytest.mark.parametrize(
    "template", ["{}", "{0}", "{a.b}", "{a[0]}", "{a!r}", "{a:>9}", "{a b}", "{a.__class__}"]
)
def test_other_things_in_braces_are_refused_as_they_are_written(template: str) -> None:
    with pytest.raises(Misplaced) as caught:
        placeholders(f"text {template}", "text")

    assert str(caught.value).startswith(f"'{template}' is no placeholder: write a plain name")
    assert caught.value.path == ("text",)


@pytest.mark.parametrize("template", ["a { b", "a } b", "{a", "a}", "{a{b}", "{{a}"])
def test_a_lone_brace_is_refused_with_the_way_out(template: str) -> None:
    with pytest.raises(Misplaced) as caught:
        placeholders(template, "options", 0, "text")

    assert caught.value.path == ("options", 0, "text")


@given(st.text(), st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.text()))
def test_a_template_that_is_taken_can_be_filled(template: str, values: dict[str, str]) -> None:
    whole = template + "".join(f"{{{name}}}" for name in values)
    try:
        names = placeholders(whole)
    except Misplaced:
        assert "{" in template or "}" in template
        return

    filled = whole.format_map(dict.fromkeys(names, "") | values)

    assert filled.endswith("".join(values.values()))


@given(st.lists(st.sampled_from("abcde")))
def test_duplicates_are_the_positions_of_later_appearances(names: list[str]) -> None:
    repeated = duplicates(names)

    kept = [name for index, name in enumerate(names) if index not in repeated]
    assert len(kept) == len(set(names))
    assert all(names[index] in names[:index] for index in repeated)


def test_an_id_that_stands_twice_is_refused_where_it_stands_again() -> None:
    leaves = [Leaf(id=name, text="x") for name in ("a", "b", "a", "b")]

    with pytest.raises(Misplaced, match="the leaf id 'a' stands twice; ids must differ") as caught:
        check_unique("leaf", leaves, "leaves")

    assert caught.value.path == ("leaves", 2)
