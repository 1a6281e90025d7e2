from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ethogram.specs import loader
from ethogram.specs.errors import Problem, SpecError
from ethogram.specs.loader import MAX_BYTES, MAX_DEPTH, Document, load_yaml, read_text


@pytest.fixture(params=["libyaml", "python"])
def either_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """PyYAML with libyaml, and the pure one that a platform without a wheel gets."""
    if request.param == "libyaml" and not hasattr(yaml, "CSafeLoader"):
        pytest.skip("this PyYAML has no libyaml")
    kind = yaml.CSafeLoader if request.param == "libyaml" else yaml.SafeLoader
    monkeypatch.setattr(loader, "_Parser", kind)
    return str(request.param)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(folder: Path, text: str | bytes) -> Document:
    file = folder / "x.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_yaml(file)


def fault(folder: Path, text: str | bytes) -> str:
    with pytest.raises(SpecError) as caught:
        read(folder, text)
    return str(caught.value)


# Scalars


@pytest.mark.parametrize(
    "word",
    [
        "no",
        "No",
        "NO",
        "yes",
        "on",
        "off",
        "y",
        "n",
        "1:30",
        "1_000",
        "0x1f",
        "0o17",
        "2026-06-01",
        "<",
        "=",
        "1.2.3",
        "+",
        "-.",
        "e5",
        "tRUE",
        "nULL",
        ".nan",
        "１",
        "٣",
    ],
)
def test_what_only_yaml_1_1_reads_as_something_else_stays_text(here: Path, word: str) -> None:
    assert read(here, f"a: {word}\n").data == {"a": word}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("+7", 7),
        ("007", 7),
        ("1.5", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("5.0e-4", 0.0005),
        ("-.inf", -math.inf),
        (".Inf", math.inf),
    ],
)
def test_scalars_of_the_core_schema_have_their_value_and_type(
    here: Path, word: str, value: Any
) -> None:
    found = read(here, f"a: {word}\n").data["a"]

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("word", ["'1'", '"1"', "!!str 1", "! 1", "|-\n  1", ">-\n  1"])
def test_quoted_and_tagged_scalars_are_text(here: Path, word: str) -> None:
    assert read(here, f"a: {word}\n").data == {"a": "1"}


def test_a_number_of_many_digits_stays_text_instead_of_costing_time(here: Path) -> None:
    digits = "9" * 100_000

    assert read(here, f"a: {digits}\n").data == {"a": digits}


def test_keys_are_always_text(here: Path) -> None:
    found = read(here, "1: a\ntrue: b\nno: c\nnull: d\n1.5: e\n'': f\n").data

    assert found == {"1": "a", "true": "b", "no": "c", "null": "d", "1.5": "e", "": "f"}


# What is refused


def test_a_duplicate_key_is_refused_with_the_lines_of_both(here: Path) -> None:
    text = "about: a\nitems: []\nabout: b\n"

    assert fault(here, text) == "x.yaml:3:1: the key 'about' stands here twice (line 1)"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a:\n  - b: 1\n    c: 2\n    b: 3\n", "4:5"),
        ("{a: 1, 'a': 2}\n", "1:8"),
        ("1: a\n'1': b\n", "2:1"),
        ("'': a\n'': b\n", "2:1"),
    ],
)
def test_a_duplicate_key_is_found_at_any_depth_and_in_any_spelling(
    here: Path, text: str, place: str
) -> None:
    said = fault(here, text)

    assert said.startswith(f"x.yaml:{place}: the key ")
    assert "stands here twice" in said


def test_equal_keys_in_different_mappings_are_fine(here: Path) -> None:
    assert read(here, "- {a: 1}\n- {a: 2}\n").data == [{"a": 1}, {"a": 2}]


def test_an_alias_bomb_is_refused(here: Path, either_parser: str) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for n in range(1, 30):
        lines.append(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]")

    said = fault(here, "\n".join(lines))

    assert "more than 200,000 values once aliases are expanded" in said
    assert said.startswith("x.yaml:6:")


def test_an_alias_inside_of_its_own_anchor_is_refused(here: Path) -> None:
    assert fault(here, "a: &a [1, *a]\n") == ("x.yaml:1:11: the alias *a names no finished anchor")


def test_a_modest_alias_gives_the_value_it_names(here: Path) -> None:
    found = read(here, "a: &x {b: [1, 2]}\nc: *x\nd: [*x, &y no, *y]\n").data

    assert found["c"] == {"b": [1, 2]}
    assert found["d"] == [{"b": [1, 2]}, "no", "no"]


@pytest.mark.parametrize(
    "text",
    ["[" * 2000, "{a: " * 2000, "".join("  " * n + "a:\n" for n in range(2000)), "- " * 2000],
    ids=["lists", "flow mappings", "block mappings", "block lists"],
)
def test_deep_nesting_is_refused(here: Path, either_parser: str, text: str) -> None:
    assert fault(here, text).endswith(f": nested deeper than {MAX_DEPTH} levels")


def test_nesting_up_to_the_limit_is_read(here: Path) -> None:
    text = "[" * MAX_DEPTH + "]" * MAX_DEPTH

    assert repr(read(here, text).data) == text


def test_a_file_of_50_megabytes_is_refused_unread(here: Path) -> None:
    with (here / "x.yaml").open("wb") as sparse:
        sparse.truncate(50_000_000)

    with pytest.raises(SpecError) as caught:
        load_yaml(here / "x.yaml")

    assert str(caught.value) == "x.yaml:1:1: the file has 50,000,000 bytes; 5,000,000 is the limit"


def test_a_file_of_the_largest_size_is_read(here: Path) -> None:
    (here / "x.yaml").write_text("#" * MAX_BYTES)

    assert len(read_text(here / "x.yaml")) == MAX_BYTES


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("a: !!python/object/apply:os.mkdir [pwned]\n", "!!python/object/apply:os.mkdir"),
        ("a: !!python/object:os.system x\n", "!!python/object:os.system"),
        ("a: !!python/name:os.system ''\n", "!!python/name:os.system"),
        ("a: !custom {b: c}\n", "!custom"),
        ("a: !!binary aGk=\n", "!!binary"),
        ("a: !!int '3'\n", "!!int"),
        ("a: !!set {b}\n", "!!set"),
    ],
)
def test_a_tag_is_refused_and_makes_no_object(
    here: Path, either_parser: str, text: str, tag: str
) -> None:
    assert fault(here, text) == f"x.yaml:1:4: the tag {tag} is not allowed"
    assert not (here / "pwned").exists()


@pytest.mark.parametrize("text", ["? [a]\n: b\n", "? {a: 1}\n: b\n", "a: &k x\n*k : b\n"])
def test_a_key_that_is_no_text_is_refused(here: Path, text: str) -> None:
    assert fault(here, text).endswith(": a key must be text")


def test_a_second_document_is_refused(here: Path) -> None:
    assert fault(here, "a: 1\n---\nb: 2\n") == (
        "x.yaml:2:1: a second document; one file holds one document"
    )


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("a: one: two\n", "1:7", "text with a colon and a space in it needs quotes around it"),
        ("a: @b\n", "1:4", "text that begins with this character needs quotes around it"),
        ("a: 'open\nb: c\n", "3:1", "a quote or bracket above is not closed"),
        ("a: 'it's'\n", "1:8", "look at the indentation, and at quotes inside quotes above"),
    ],
)
def test_common_slips_of_the_pen_come_with_what_to_do(
    here: Path, text: str, place: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The two parsers differ by some columns and words: places are those of the pure one.
    monkeypatch.setattr(loader, "_Parser", yaml.SafeLoader)
    said = fault(here, text)
    assert said.startswith(f"x.yaml:{place}: not YAML: ")
    assert said.endswith(f" ({hint})")

    if hasattr(yaml, "CSafeLoader"):
        monkeypatch.setattr(loader, "_Parser", yaml.CSafeLoader)
        assert fault(here, text).endswith(f" ({hint})")


def test_a_raw_control_character_is_named_with_its_place(here: Path, either_parser: str) -> None:
    assert fault(here, "ä: ü\nb: x\0y\n") == (
        "x.yaml:2:5: not YAML: the control character U+0000 is not allowed"
    )


# Files


def test_a_missing_file_and_a_folder_are_refused_by_name(here: Path) -> None:
    (here / "folder.yaml").mkdir()

    with pytest.raises(SpecError, match=r"^none\.yaml:1:1: cannot be read: No such file"):
        load_yaml(here / "none.yaml")
    with pytest.raises(SpecError, match=r"^folder\.yaml:1:1: cannot be read: "):
        load_yaml(here / "folder.yaml")


@pytest.mark.parametrize("raw", [b"a: \xff\n", "a: b\n".encode("utf-16")])
def test_text_that_is_not_utf_8_is_refused(here: Path, raw: bytes) -> None:
    assert fault(here, raw).startswith("x.yaml:1:1: not UTF-8 text (")


def test_the_line_of_what_is_not_utf_8_is_named(here: Path) -> None:
    assert fault(here, b"a: b\nc: d\ne: \xff\n").startswith("x.yaml:3:1: not UTF-8 text (")


@pytest.mark.parametrize("text", ["a:\n\tb: c\n", "a:\n  - b\n\t- c\n", "\ta: b\n"])
def test_a_tab_that_indents_is_called_one(here: Path, text: str) -> None:
    assert fault(here, text).endswith(": a tab cannot indent YAML: use spaces")


def test_a_byte_order_mark_and_windows_line_ends_change_neither_data_nor_places(
    here: Path, either_parser: str
) -> None:
    plain = read(here, "a: 1\nb:\n  - c\n  - |\n    d\n    e\n")
    windows = read(here, "\ufeffa: 1\r\nb:\r\n  - c\r\n  - |\r\n    d\r\n    e\r\n")

    assert windows.data == plain.data == {"a": 1, "b": ["c", "d\ne\n"]}
    assert windows.keys == plain.keys
    assert windows.values == plain.values


@pytest.mark.parametrize("text", ["", "# a comment\n", "---\n", "null\n", "\ufeff"])
def test_a_file_without_content_holds_nothing(here: Path, text: str) -> None:
    assert read(here, text).data is None


# Places


def test_places_of_keys_values_and_entries(here: Path) -> None:
    document = read(here, "# first\nabout: text\nitems:\n  - id: a\n    n: {x: 1}\n  - id: b\n")
    file = here / "x.yaml"

    def at(*path: str | int, of_key: bool = False) -> tuple[int, int]:
        place = document.place(path, of_key=of_key)
        assert place.file == file
        return place.line, place.column

    assert at("about", of_key=True) == (2, 1)
    assert at("about") == (2, 8)
    assert at("items", of_key=True) == (3, 1)
    assert at("items", 0) == (4, 5)
    assert at("items", 0, "n", "x", of_key=True) == (5, 9)
    assert at("items", 0, "n", "x") == (5, 12)
    assert at("items", 1) == (6, 5)


def test_the_place_of_what_is_absent_is_that_of_what_would_hold_it(here: Path) -> None:
    document = read(here, "# first\na:\n  - b: c\n")

    assert document.place(("a", 0, "none", 3)).line == 3
    assert document.place(("none",)).line == 2
    assert str(read(here, "").place(("a",))) == "x.yaml:1:1"


# Properties


class TextQuoted(yaml.SafeDumper):
    """Quotes all text: PyYAML writes for YAML 1.1, where `1e3` needs no quotes to be text."""


TextQuoted.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)
TextQuoted.ignore_aliases = lambda self, data: True  # type: ignore[method-assign]

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
# What a dump writes as a plain key on one line: no line breaks, and not empty.
KEYS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=20)
DATA = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=15,
)


@settings(deadline=None)
@given(DATA, st.booleans())
def test_a_yaml_dump_of_plain_data_round_trips(
    tmp_path_factory: pytest.TempPathFactory, data: Any, flow: bool
) -> None:
    text = yaml.dump(
        data, Dumper=TextQuoted, default_flow_style=flow, allow_unicode=True, sort_keys=False
    )

    found = read(tmp_path_factory.getbasetemp(), text).data

    assert repr(found) == repr(data)  # `==` would let 1 be True


@settings(deadline=None)
@given(st.dictionaries(KEYS, SCALARS | st.lists(SCALARS, max_size=3), min_size=1, max_size=8))
def test_the_place_of_a_key_is_where_the_key_is_written(
    tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any]
) -> None:
    # One key a line and in order: each must be found on a line that begins with it.
    lines = [
        yaml.dump({key: value}, Dumper=TextQuoted, default_flow_style=True, width=10**9)
        for key, value in data.items()
    ]
    text = "".join(f"# comment\n{line.strip()[1:-1]}\n" for line in lines)

    document = read(tmp_path_factory.getbasetemp(), text)

    assert document.data == data
    for number, key in enumerate(data):
        assert document.place((key,), of_key=True).line == 2 * number + 2
        assert document.place((key,)).line == 2 * number + 2
        assert document.place((key,), of_key=True).column == 1


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=60) | st.binary(max_size=60))
def test_any_file_is_either_read_or_refused_with_a_place(
    tmp_path_factory: pytest.TempPathFactory, text: str | bytes
) -> None:
    problem = _problem_of(tmp_path_factory.getbasetemp(), text)

    assert problem is None or (problem.place.line >= 1 and problem.message)


def _problem_of(folder: Path, text: str | bytes) -> Problem | None:
    try:
        read(folder, text)
    except SpecError as error:
        (only,) = error.problems
        return only
    return None
