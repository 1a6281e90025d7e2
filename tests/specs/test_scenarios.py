from __future__ import annotations

from pathlib import Path

import pytest

from ethogram.specs.base import read_spec
from ethogram.specs.errors import SpecError
from ethogram.specs.scenarios import MAX_SETTINGS, Theme

TEXT = """\
about: Promises.
scenarios:
  - id: bedside
    text: "{friend} asked you in {place}."
    options:
      - {id: keep, text: "Keep {friend}'s word.", endorsed_by: {duty: it binds}}
      - {id: give, text: Give it away.}
    vary: {friend: [Aylin, Ngozi], place: [Leeds, Oslo, Lima]}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(folder: Path, text: str) -> Theme:
    (folder / "promises.yaml").write_text(text, encoding="utf-8")
    return read_spec(Theme, folder / "promises.yaml")


def fault(folder: Path, old: str, new: str) -> str:
    assert TEXT.count(old) == 1
    with pytest.raises(SpecError) as caught:
        read(folder, TEXT.replace(old, new))
    return str(caught.value)


def test_settings_are_every_combination_with_the_first_values_first(here: Path) -> None:
    (scenario,) = read(here, TEXT).scenarios

    settings = scenario.settings()

    assert settings[0] == {"friend": "Aylin", "place": "Leeds"}
    assert len({tuple(sorted(setting.items())) for setting in settings}) == len(settings) == 6


def test_a_scenario_without_placeholders_has_one_empty_setting(here: Path) -> None:
    text = TEXT[: TEXT.index("    vary")].replace("{friend}", "She").replace("{place}", "{{Oslo}}")

    assert read(here, text).scenarios[0].settings() == [{}]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{place}", "{town}", "4:5: the placeholder {town} has no values under 'vary'"),
        (
            "text: Give it away.",
            'text: "{Give} it."',
            "7:20: the placeholder {Give} has no values under 'vary'",
        ),
        ("in {place}", "in Oslo", "8:36: 'vary' lists 'place', which no text uses"),
        ("[Aylin, Ngozi]", "[]", "8:12: 'vary' lists no value for 'friend'"),
        ("[Aylin, Ngozi]", "Aylin", "8:20: 'friend' must be a list, not 'Aylin'"),
        ("{place}", "{place", "4:5: a brace stands alone: write {{ or }} where a brace itself"),
        ("{place}", "{place.x}", "4:5: '{place.x}' is no placeholder: write a plain name"),
        ("id: give", "id: keep", "7:9: the option id 'keep' stands twice; ids must differ"),
        ("endorsed_by: {duty: it binds}", "endorsed_by: [duty]", "6:64: 'endorsed_by' must be a"),
        ("{duty: it binds}", "{duty: }", "6:71: 'duty' has no value; it must be text"),
        ("{duty: it binds}", "{Du ty: x}", "6:65: 'Du ty' is no id: use a-z, 0-9 and"),
        (
            "      - {id: give, text: Give it away.}\n",
            "",
            "6:7: 'options' needs at least 2 entries",
        ),
    ],
)
def test_what_is_wrong_in_a_scenario_is_named_at_its_line(
    here: Path, old: str, new: str, said: str
) -> None:
    found = fault(here, old, new).split("\n")

    assert len(found) == 1
    assert found[0].startswith(f"promises.yaml:{said}")


def test_more_than_eight_options_are_refused(here: Path) -> None:
    more = "".join(f"      - {{id: o-{n}, text: x}}\n" for n in range(7))

    assert fault(here, "    vary:", f"{more}    vary:") == (
        "promises.yaml:6:7: 'options' takes at most 8 entries, and has 9"
    )


def test_a_product_of_values_without_end_is_refused_before_it_is_made(here: Path) -> None:
    names = [f"n{n}" for n in range(12)]
    text = "".join(f"{{{name}}}" for name in names)
    vary = ", ".join(f"{name}: [a, b, c, d, e, f, g, h, i, j]" for name in names)
    whole = f"""\
about: a
scenarios:
  - id: s
    text: "{text}"
    options: [{{id: a, text: A}}, {{id: b, text: B}}]
    vary: {{{vary}}}
"""
    with pytest.raises(SpecError) as caught:
        read(here, whole)

    assert str(caught.value) == (
        f"promises.yaml:6:5: 'vary' makes 1,000,000,000,000 combinations; {MAX_SETTINGS:,} is the limit"
    )


def test_a_scenario_id_that_stands_twice_in_a_file_is_refused(here: Path) -> None:
    scenario = TEXT[TEXT.index("  - id: bedside") :]

    with pytest.raises(SpecError) as caught:
        read(here, TEXT + scenario)

    assert str(caught.value) == (
        "promises.yaml:9:5: the scenario id 'bedside' stands twice; ids must differ"
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "friend: [Aylin, Ngozi]",
            "friend: [Aylin, Ngozi, Aylin]",
            "'Aylin' stands twice among the values of 'friend'",
        ),
        ("Give them away.", "keep  them SAFE.", "the same option stands twice"),
    ],
)
def test_what_would_count_one_rendering_twice_is_refused(old, new, message, tmp_path):
    text = """\
about: Promises.
scenarios:
  - id: bedside
    text: "{friend} asks you to keep her letters."
    options:
      - {id: keep, text: "Keep them safe."}
      - {id: give, text: "Give them away."}
    vary: {friend: [Aylin, Ngozi]}
"""
    assert old in text
    file = tmp_path / "promises.yaml"
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(SpecError, match=message):
        read_spec(Theme, file)
