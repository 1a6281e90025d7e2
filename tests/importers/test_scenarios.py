from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ethogram.importers import ImportedTheme, Layout, read_layout, scenario_csv, slug
from ethogram.specs.base import read_spec
from ethogram.specs.errors import SpecError
from ethogram.specs.scenarios import Scenario, Theme

LAYOUT = Layout(id="key", text="context", options=("a", "b"), tags=("a by", "b by"))
HEADER = ["key", "context", "a", "b", "a by", "b by"]
ROWS = [
    ["H_001", "A ladder is lent, and forgotten.", "Return it.", "Keep it.", "duty", "utility"],
    ["H_002", 'He says "wait",\nand leaves.', "Wait.", "Go on.", "duty; care", ""],
    ["H_003", "The {club} is full.", "Ask {who}.", "Turn away.", "", "none"],
]
NAMES = ["duty", "utility", "care"]


def table(
    folder: Path,
    rows: Sequence[Sequence[str]] = ROWS,
    header: Sequence[str] = HEADER,
    *,
    delimiter: str = ",",
    mark: str = "",
    end: str = "\r\n",
    name: str = "choices.csv",
) -> Path:
    said = io.StringIO()
    csv.writer(said, delimiter=delimiter, lineterminator=end).writerows([header, *rows])
    file = folder / name
    file.write_bytes((mark + said.getvalue()).encode())
    return file


def made(file: Path, layout: Layout = LAYOUT, **options: Any) -> ImportedTheme:
    options.setdefault("constitutions", NAMES)
    known = Layout(**{**layout.model_dump(), "frameworks": {"none": None, **layout.frameworks}})
    return scenario_csv(file, known, **options)


def read(found: ImportedTheme, folder: Path) -> Theme:
    file = folder / f"{found.id}.yaml"
    file.write_text(found.text, encoding="utf-8")
    return read_spec(Theme, file)


def said(scenarios: Sequence[Scenario]) -> list[dict[str, Any]]:
    """The scenarios without their places."""
    return [scenario.model_dump() for scenario in scenarios]


def refusal(file: Path, **options: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        made(file, **options)
    return str(caught.value).split("\n")


def test_every_row_becomes_a_scenario(tmp_path: Path) -> None:
    found = made(table(tmp_path))
    theme = read(found, tmp_path)
    assert (found.id, found.rows, found.notes, found.bad) == ("choices", 3, (), ())
    assert [scenario.id for scenario in theme.scenarios] == ["h-001", "h-002", "h-003"]
    first, second, third = theme.scenarios
    assert first.text == "A ladder is lent, and forgotten."
    assert [(o.text, list(o.endorsed_by)) for o in first.options] == [
        ("Return it.", ["duty"]),
        ("Keep it.", ["utility"]),
    ]
    assert second.text == 'He says "wait",\nand leaves.'
    assert list(second.options[0].endorsed_by) == ["duty", "care"]
    assert not second.options[1].endorsed_by and not third.options[1].endorsed_by
    assert said(theme.scenarios) == said(found.scenarios)


def test_braces_are_shown_as_they_were(tmp_path: Path) -> None:
    third = read(made(table(tmp_path)), tmp_path).scenarios[2]
    assert third.text.format() == "The {club} is full."
    assert third.options[0].text.format() == "Ask {who}."


@pytest.mark.parametrize(
    "form",
    [
        {"mark": "\ufeff"},
        {"end": "\n"},
        {"delimiter": ";"},
        {"delimiter": "\t"},
        {"delimiter": "|"},
    ],
    ids=str,
)
def test_the_same_table_in_another_form_is_the_same_theme(tmp_path: Path, form: Any) -> None:
    plain = made(table(tmp_path)).scenarios
    file = table(tmp_path, name="other.csv", **form)
    other = made(file, delimiter=form.get("delimiter", ","), source="choices.csv")
    assert said(other.scenarios) == said(plain)


def test_source_and_licence_are_kept(tmp_path: Path) -> None:
    file = table(tmp_path)
    theme = read(made(file, source="Somebody, 2024: #1", licence="CC BY 4.0"), tmp_path)
    assert theme.provenance is not None
    assert theme.provenance.source == "Somebody, 2024: #1"
    assert theme.provenance.licence == "CC BY 4.0"
    assert theme.provenance.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_reasons_come_from_the_file_or_say_where_the_tag_stood(tmp_path: Path) -> None:
    rows = [["A tale.", "One.", "Two.", "duty", "utility", "it binds", ""]]
    file = table(tmp_path, rows, ["t", "x", "y", "fx", "fy", "wx", "wy"])
    layout = Layout(text="t", options=("x", "y"), tags=("fx", "fy"), because=("wx", "wy"))
    (scenario,) = made(file, layout).scenarios
    assert [dict(option.endorsed_by) for option in scenario.options] == [
        {"duty": "it binds"},
        {"utility": "tagged 'utility' in choices.csv"},
    ]


def test_a_tag_may_stand_for_a_constitution(tmp_path: Path) -> None:
    file = table(tmp_path, [["k", "A tale.", "One.", "Two.", "Kantian", "UTIL"]])
    layout = LAYOUT.model_copy(update={"frameworks": {"kantian": "duty", "util": "utility"}})
    (scenario,) = made(file, layout).scenarios
    assert [list(option.endorsed_by) for option in scenario.options] == [["duty"], ["utility"]]


def test_an_empty_cell_is_no_option(tmp_path: Path) -> None:
    rows = [["A tale.", "One.", "", "Three."], ["Another.", "One.", "Two.", "Three."]]
    file = table(tmp_path, rows, ["t", "x", "y", "z"])
    found = made(file, Layout(text="t", options=("x", "y", "z")))
    assert [len(scenario.options) for scenario in found.scenarios] == [2, 3]
    assert [s.id for s in found.scenarios] == ["choices-row-2", "choices-row-3"]


def test_every_bad_row_is_named_by_its_number_at_once(tmp_path: Path) -> None:
    rows = [
        ROWS[0],
        ["x", "", "One.", "Two.", "", ""],
        ["x", "A tale\nin two lines.", "One.", "  ", "", ""],
        ["x", "A tale.", "One.", "one. ", "", ""],
        ["x", "A tale.", "One.", "Two.", "dutty", "hedonism"],
        ["x", "A tale.", "One."],
        ["x", "A tale\x07.", "One.", "Two.", "", ""],
        ROWS[1],
    ]
    told = refusal(table(tmp_path, rows))
    starts = [line.split("choices.csv:")[1] for line in told]
    assert starts == [
        "3:1: row 3: 'text' is empty",
        "4:1: row 4: 1 action; a scenario needs two",
        "6:1: row 5: two of its actions are the same",
        "7:1: row 6: no constitution is called 'dutty' (did you mean 'duty'?); "
        "no constitution is called 'hedonism' (known: care, duty, utility)",
        "8:1: row 7: 3 cells, and the header has 6",
        "9:1: row 8: 'text' holds the control character U+0007",
    ]


def test_bad_rows_may_be_left_out_and_are_still_named(tmp_path: Path) -> None:
    rows = [ROWS[0], ["x", "", "One.", "Two.", "", ""], ["x"], ROWS[1]]
    found = made(table(tmp_path, rows), skip_bad=True)
    assert [scenario.id for scenario in found.scenarios] == ["h-001", "h-002"]
    assert [problem.message.split(":")[0] for problem in found.bad] == ["row 3", "row 4"]
    assert found.notes == ("left out: 2 bad rows",)
    assert "Left out: 2 bad rows." in read(found, tmp_path).about


def test_rows_are_counted_as_a_spreadsheet_does(tmp_path: Path) -> None:
    file = table(tmp_path, [ROWS[1], ["", "", "", "", "", ""], ["x", "", "a", "b", "", ""]])
    (told,) = refusal(file)
    assert "choices.csv:5:1: row 4: " in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "choices.csv:1:1: the file is empty; it needs a header"),
        ("\n , \n", "choices.csv:1:1: the file is empty; it needs a header"),
        ("context,a,b,context\n", "two columns are called 'context'"),
        ("contxt,a,b,key,a by,b by\n", "no column is called 'context' (did you mean 'contxt'?)"),
        ("key,context,a,b,a by,b by\n", "no row below the header"),
        ('key,context,a,b,a by,b by\nk,"open,a,b,,\n', "choices.csv:2:1: row 2: not CSV"),
        ('key,context,a,b,a by,b by\nk,"x"y,a,b,,\n', "choices.csv:2:1: row 2: not CSV"),
    ],
)
def test_what_is_no_such_table_is_said(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "choices.csv"
    file.write_text(text, encoding="utf-8")
    assert told in "\n".join(refusal(file))


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    file = tmp_path / "choices.csv"
    file.write_bytes(b"key,context\nk,caf\xe9\n")
    assert "not UTF-8" in refusal(file)[0]


def test_ids_are_safe_and_unlike_all_others(tmp_path: Path) -> None:
    rows = [
        [key, f"Tale {n}.", "One.", "Two.", "", ""]
        for n, key in enumerate(["Ä b!", "a-b", "duty-1", "", "x" * 200, "x" * 300, "taken"])
    ]
    found = made(table(tmp_path, rows), taken={"taken"})
    ids = [scenario.id for scenario in found.scenarios]
    assert ids[:4] == ["a-b", "a-b-2", "du-1", "choices-row-5"]
    assert len(set(ids)) == len(ids)
    assert "taken" not in ids
    assert not any(name in key for name in NAMES for key in ids)
    assert any("changed, to be unique" in note for note in found.notes)
    read(found, tmp_path)


def test_the_theme_does_not_hold_a_constitutions_name(tmp_path: Path) -> None:
    found = made(table(tmp_path, name="On Duty.csv"))
    assert found.id == "on-du"
    assert "'on-duty' holds a constitution's id" in found.notes[0]


def test_repeated_rows_stand_once_and_are_named(tmp_path: Path) -> None:
    again = [*ROWS[0]]
    again[1] = "A  ladder is LENT, and forgotten."
    found = made(table(tmp_path, [*ROWS, again]))
    assert len(found.scenarios) == 3
    assert found.notes == ("left out: repeated rows 5 (as 2)",)


def test_a_limit_samples_rows_by_seed(tmp_path: Path) -> None:
    rows = [[f"k-{n}", f"Tale {n}.", "One.", "Two.", "", ""] for n in range(40)]
    file = table(tmp_path, rows)
    drawn = [
        tuple(scenario.id for scenario in made(file, limit=10, seed=seed).scenarios)
        for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(drawn[0]) == 10
    assert list(drawn[0]) == sorted(drawn[0], key=lambda key: int(key[2:]))


def test_a_layout_comes_from_a_file_and_the_command_line_wins(tmp_path: Path) -> None:
    file = tmp_path / "map.yaml"
    file.write_text("text: story\noptions: [a, b]\nframeworks: {util: utility, none: null}\n")
    layout = read_layout(file, {"text": "context"})
    assert (layout.text, layout.options) == ("context", ("a", "b"))
    assert layout.constitution("UTIL") == "utility"
    assert layout.constitution("None") is None
    assert layout.constitution("Duty") == "duty"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "text: t\noptons: [a, b]\n",
            "map.yaml:2:1: unknown key 'optons' (did you mean 'options'?)",
        ),
        ("text: t\noptions: [a]\n", "map.yaml:2:10: 'options' needs at least 2 entries"),
        ("text: t\noptions: [a, a]\n", "the column 'a' stands twice"),
        ("text: t\noptions: [a, b]\ntags: [x]\n", "1 column under 'tags' and 2 options"),
        ("[]\n", "map.yaml:1:1: the file must hold keys and values"),
    ],
)
def test_a_wrong_layout_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("map.yaml").write_text(text)
    with pytest.raises(SpecError) as caught:
        read_layout(Path("map.yaml"), {})
    assert told in str(caught.value)


CELLS = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30
) | st.sampled_from(
    ["yes", "null", "1:30", "{x}", "}", "- a: b", "#", "&a", "*a", "'", '"', "\u2028"]
)
TAGS = st.sampled_from(["", "duty", "Utility", "duty|care", "nobody", "none"])


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS, TAGS, TAGS), min_size=1, max_size=6),
    st.booleans(),
    st.sampled_from([",", ";", "\t"]),
)
def test_whatever_is_imported_is_read_by_the_specs_and_no_row_is_lost(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, ...]],
    marked: bool,
    delimiter: str,
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    file = table(folder, rows, mark="\ufeff" if marked else "", delimiter=delimiter)
    try:
        found = made(file, skip_bad=True, delimiter=delimiter)
    except SpecError:
        return  # no row is left, and each is named
    theme = read(found, folder)
    assert said(theme.scenarios) == said(found.scenarios)
    ids = [scenario.id for scenario in theme.scenarios]
    assert len(set(ids)) == len(ids)
    assert not any(name in key for name in NAMES for key in ids)
    repeats = sum(note.count("(as ") for note in found.notes)
    blank = sum(not any(cell.strip() for cell in row) for row in rows)
    stopped = any("were not read" in problem.message for problem in found.bad)
    assert stopped or len(ids) + len(found.bad) + repeats + blank == len(rows)
    for scenario in theme.scenarios:
        scenario.text.format(), [option.text.format() for option in scenario.options]


@given(st.text(max_size=40))
def test_a_slug_is_an_id_or_says_that_nothing_is_left(text: str) -> None:
    assert slug(slug(text)) == slug(text)


def test_a_quote_that_is_never_closed_is_no_bad_row_to_skip(tmp_path: Path) -> None:
    """Nothing tells what below it is a row: leaving out "one bad row" would be leaving out all of them."""
    file = tmp_path / "torn.csv"
    lines = ["context,a,b", "One.,x,y", '"Two.,x,y', "Three.,x,y", "Four.,x,y"]
    file.write_text("\n".join(lines), encoding="utf-8")
    layout = Layout(text="context", options=("a", "b"))
    with pytest.raises(SpecError, match=r"row 3: not CSV: .*the rows below cannot be read"):
        scenario_csv(file, layout, skip_bad=True)


def test_a_framework_that_stands_for_no_constitution_is_named_once_where_it_stands(
    tmp_path: Path,
) -> None:
    file = tmp_path / "map.yaml"
    file.write_text("frameworks:\n  Kant: duity\n  none: null\n", encoding="utf-8")
    columns = {"text": "context", "options": ["a", "b"], "tags": ["a by", "b by"]}
    with pytest.raises(SpecError) as raised:
        scenario_csv(table(tmp_path), read_layout(file, columns), constitutions=NAMES)
    (problem,) = raised.value.problems
    assert problem.message == "no constitution is called 'duity' (did you mean 'duty'?)"
    assert (problem.place.file.name, problem.place.line) == ("map.yaml", 2)


def test_two_spellings_of_one_framework_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "map.yaml"
    file.write_text("frameworks: {kant: duty, Kant: care}\n", encoding="utf-8")
    with pytest.raises(SpecError, match="'Kant' stands twice among the frameworks"):
        read_layout(file, {"text": "context", "options": ["a", "b"]})
