from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ethogram.specs.base import Spec, read_spec, validated
from ethogram.specs.errors import SpecError
from ethogram.specs.loader import Document
from ethogram.specs.models import ModelsFile
from ethogram.specs.persona import Dimension
from ethogram.specs.safety import HazardCategory
from ethogram.specs.wording import shape

DIMENSION = """\
about: Rules are kept.
items:
  - id: a
    topic: t
    affirms: I would.
    rejects: I would not.
  - {id: b, topic: t, affirms: I do., rejects: I do not.}
"""
MODELS = """\
sources:
  tiny: {folder: x}
recipes:
  quick:
    lora: {rank: 4}
    epochs: 2
matrix:
  - {source: tiny, constitutions: all, recipe: quick}
"""
CATEGORY = """\
about: Harassment.
category: Harassment
ailuminate: null
narrow: no
evaluate: [a, b]
harmless: [c, d]
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def faults(folder: Path, kind: type[Spec], text: str, old: str, new: str) -> list[str]:
    assert text.count(old) == 1
    (folder / "x.yaml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        read_spec(kind, folder / "x.yaml")
    return str(caught.value).split("\n")


def test_the_unchanged_texts_are_valid(here: Path) -> None:
    for kind, text in ((Dimension, DIMENSION), (ModelsFile, MODELS), (HazardCategory, CATEGORY)):
        (here / "x.yaml").write_text(text, encoding="utf-8")
        assert read_spec(kind, here / "x.yaml").place.line == 1


def test_a_misspelt_key_is_one_problem_with_its_place_and_what_was_meant(here: Path) -> None:
    assert faults(here, Dimension, DIMENSION, "    affirms:", "    afirms:") == [
        "x.yaml:5:5: unknown key 'afirms' (did you mean 'affirms'?)"
    ]


def test_a_misspelt_key_at_the_top_level(here: Path) -> None:
    assert faults(here, Dimension, DIMENSION, "items:", "itms:") == [
        "x.yaml:2:1: unknown key 'itms' (did you mean 'items'?)"
    ]


def test_a_misspelt_key_in_a_mapping_below_a_name(here: Path) -> None:
    assert faults(here, ModelsFile, MODELS, "rank", "rnak") == [
        "x.yaml:5:12: unknown key 'rnak' (did you mean 'rank'?)"
    ]
    assert faults(here, ModelsFile, MODELS, "folder", "foldr") == [
        "x.yaml:2:10: unknown key 'foldr' (did you mean 'folder'?)"
    ]


def test_a_key_like_no_other_is_told_the_known_ones(here: Path) -> None:
    assert faults(here, Dimension, DIMENSION, "items:", "xyz: 1\nitems:") == [
        "x.yaml:2:1: unknown key 'xyz' "
        "(known: about, breaks, cites, items, paraphrases, probes, provenance, "
        "question, signature)"
    ]


def test_a_merge_key_is_refused_by_name(here: Path) -> None:
    assert faults(here, Dimension, DIMENSION, "items:", "<<: {a: b}\nitems:") == [
        "x.yaml:2:1: merge keys (<<) are not read: YAML 1.2 has none; write the keys out"
    ]


def test_a_missing_key_is_named_where_its_mapping_stands(here: Path) -> None:
    assert faults(here, Dimension, DIMENSION, "    topic: t\n", "") == [
        "x.yaml:3:5: missing key 'topic'"
    ]
    assert faults(here, Dimension, DIMENSION, "about: Rules are kept.\n", "") == [
        "x.yaml:1:1: missing key 'about'"
    ]


def test_a_key_that_is_none_of_a_few_words_is_told_them(here: Path) -> None:
    assert faults(
        here, Dimension, DIMENSION, "rejects: I do not.}", "rejects: I do., breaks: {lenght: why}}"
    ) == [
        "x.yaml:7:64: 'lenght' is no known key (did you mean 'length'?); "
        "use 'length', 'register', 'person', 'negation' or 'repeat'"
    ]


def test_every_problem_of_a_file_is_named_at_once(here: Path) -> None:
    found = faults(
        here, Dimension, DIMENSION, "  - id: a\n    topic: t\n", "  - id: A\n    xyz: t\n"
    )

    assert found == [
        "x.yaml:3:9: 'A' is no id: use a-z, 0-9 and single hyphens",
        "x.yaml:3:5: missing key 'topic'",
        "x.yaml:4:5: unknown key 'xyz' (known: affirms, breaks, domain, id, rejects, stem, topic)",
    ]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("3", "must be text, not 3: put quotes around it"),
        ("true", "must be text, not true: put quotes around it"),
        ("[x]", "must be text, not a list"),
        ("{x: y}", "must be text, not a mapping of keys to values"),
        ("", "has no value; it must be text"),
        ("''", "is empty"),
    ],
)
def test_what_is_no_text_is_refused_in_plain_words(here: Path, value: str, said: str) -> None:
    (found,) = faults(here, Dimension, DIMENSION, "about: Rules are kept.", f"about: {value}")

    assert found.split(": ", 1)[1] == f"'about' {said}"


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ("text", "x.yaml:2:8: 'items' must be a list, not 'text'"),
        ("{a: 1}", "x.yaml:2:8: 'items' must be a list, not a mapping of keys to values"),
        ("", "x.yaml:2:7: 'items' has no value; it must be a list"),
        ("[]", "x.yaml:2:8: 'items' needs at least 2 entries, and has 0"),
    ],
)
def test_what_is_no_list_of_enough_entries_is_refused(here: Path, items: str, said: str) -> None:
    rest = DIMENSION[DIMENSION.index("items:") :]

    assert faults(here, Dimension, DIMENSION, rest, f"items: {items}".rstrip() + "\n") == [said]


def test_entries_that_are_no_mappings_are_named_by_number(here: Path) -> None:
    rest = DIMENSION[DIMENSION.index("items:") :]

    assert faults(here, Dimension, DIMENSION, rest, "items: [1, [a], text]\n") == [
        "x.yaml:2:9: entry 1 of 'items' must be a mapping of keys to values, not 1",
        "x.yaml:2:12: entry 2 of 'items' must be a mapping of keys to values, not a list",
        "x.yaml:2:17: entry 3 of 'items' must be a mapping of keys to values, not 'text'",
    ]


def test_a_list_where_a_mapping_belongs_is_refused(here: Path) -> None:
    assert faults(here, ModelsFile, MODELS, "  tiny: {folder: x}", "  - {folder: x}") == [
        "x.yaml:2:3: 'sources' must be a mapping of keys to values, not a list"
    ]
    assert faults(here, ModelsFile, MODELS, "{rank: 4}", "[4]") == [
        "x.yaml:5:11: 'lora' must be a mapping of keys to values, not a list"
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("epochs: 2", "epochs: many", "'epochs' must be a number, not 'many'"),
        ("epochs: 2", "epochs: 0", "'epochs' must be above 0, not 0"),
        ("epochs: 2", "epochs: 101", "'epochs' must be at most 100, not 101"),
        ("epochs: 2", "epochs: .inf", "'epochs' must be a finite number, not inf"),
        ("epochs: 2", "epochs: nan", "'epochs' must be a finite number, not 'nan'"),
        ("epochs: 2", "samples: 2.5", "'samples' must be a whole number, not 2.5"),
        ("epochs: 2", "samples: 1", "'samples' must be at least 2, not 1"),
        ("epochs: 2", "dropout: 1", "unknown key 'dropout'"),
        ("rank: 4", "dropout: 1", "'dropout' must be below 1, not 1"),
        ("rank: 4", "rank: ~", "'rank' has no value; it must be a whole number"),
    ],
)
def test_numbers_out_of_their_range_are_refused_in_plain_words(
    here: Path, old: str, new: str, said: str
) -> None:
    (found,) = faults(here, ModelsFile, MODELS, old, new)

    assert found.split(": ", 1)[1].startswith(said)


def test_the_plain_words_no_on_and_off_are_taken_for_a_switch(here: Path) -> None:
    for word, value in {"no": False, "off": False, "false": False, "yes": True, "on": True}.items():
        (here / "x.yaml").write_text(CATEGORY.replace("narrow: no", f"narrow: {word}"))
        assert read_spec(HazardCategory, here / "x.yaml").narrow is value


@pytest.mark.parametrize("word", ["maybe", "2", "[]"])
def test_what_is_no_switch_is_refused(here: Path, word: str) -> None:
    (found,) = faults(here, HazardCategory, CATEGORY, "narrow: no", f"narrow: {word}")

    assert found.startswith("x.yaml:4:9: 'narrow' must be true or false, not ")


def test_a_word_that_is_none_of_the_known_ones_is_told_all_of_them(here: Path) -> None:
    assert faults(here, Dimension, DIMENSION, "items:", "probes: [endorsment]\nitems:") == [
        "x.yaml:2:10: entry 1 of 'probes' cannot be 'endorsment' (did you mean 'endorsement'?); "
        "use 'endorsement' or 'agreement'"
    ]
    assert faults(here, Dimension, DIMENSION, "items:", "signature: {a: yes}\nitems:") == [
        "x.yaml:2:16: 'a' cannot be 'yes'; use 'more', 'less' or 'same'"
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "all",
            "al",
            "8:35: 'constitutions' cannot be 'al' (did you mean 'all'?); use 'all' or a list",
        ),
        ("all", "5", "8:35: 'constitutions' cannot be 5; use 'all' or a list"),
        ("all", "[Al]", "8:36: 'Al' is no id: use a-z, 0-9 and single hyphens"),
        (
            "all",
            "{a: b}",
            "8:35: 'constitutions' cannot be a mapping of keys to values; use 'all' or a list",
        ),
        ("rank: 4", "layers: few", "5:20: 'layers' cannot be 'few'; use 'all' or a whole number"),
        (
            "rank: 4",
            "targets: [1]",
            "5:22: entry 1 of 'targets' must be text, not 1: put quotes around it",
        ),
    ],
)
def test_a_key_of_two_kinds_gets_one_problem(here: Path, old: str, new: str, said: str) -> None:
    assert faults(here, ModelsFile, MODELS, old, new) == [f"x.yaml:{said}"]


def test_wrong_entries_are_not_also_counted_as_absent(here: Path) -> None:
    assert faults(here, HazardCategory, CATEGORY, "[a, b]", "[a, 3]") == [
        "x.yaml:5:15: entry 2 of 'evaluate' must be text, not 3: put quotes around it"
    ]


def test_too_few_entries_are_reported_even_when_one_is_wrong(here: Path) -> None:
    found = faults(here, HazardCategory, CATEGORY, "[a, b]", "[3]")

    assert found[0].endswith("entry 1 of 'evaluate' must be text, not 3: put quotes around it")
    assert found[1:] == ["x.yaml:5:11: 'evaluate' needs at least 2 entries, and has 1"]


def test_braces_in_a_value_do_not_break_the_message(here: Path) -> None:
    (found,) = faults(here, Dimension, DIMENSION, "id: b,", "id: '{0} {x!r}',")

    assert found == "x.yaml:7:10: '{0} {x!r}' is no id: use a-z, 0-9 and single hyphens"


def test_a_long_value_is_shortened(here: Path) -> None:
    (found,) = faults(here, HazardCategory, CATEGORY, "narrow: no", f"narrow: {'x' * 5000}")

    assert len(found) < 150
    assert found.endswith("...")


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({}, "a mapping of keys to values"),
        ([1], "a list"),
        (False, "false"),
        (None, "null"),
        (1.5, "1.5"),
        ("x", "'x'"),
    ],
)
def test_shapes_are_named_as_a_writer_of_yaml_would(value: Any, named: str) -> None:
    assert shape(value) == named


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "sources",
                    "recipes",
                    "matrix",
                    "candidates",
                    "folder",
                    "lora",
                    "tiny",
                    "seeds",
                    "source",
                    "constitutions",
                    "targets",
                    "layers",
                    "scopes",
                    "endpoint",
                    "Tiny",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
FOREIGN = ("Input should", "validation", "Tuple", "Dictionary", "literal[", "constrained")


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(st.sampled_from(["sources", "recipes", "matrix", "candidates"]), JUNK))
def test_no_data_makes_reading_crash_or_speak_of_its_own_making(data: dict[str, Any]) -> None:
    said = "\n".join(_faults_of(data))

    assert not [word for word in FOREIGN if word in said]


def _faults_of(data: dict[str, Any]) -> list[str]:
    try:
        validated(ModelsFile, Document(Path("x.yaml"), data))
    except SpecError as error:
        return [problem.message for problem in error.problems]
    return []
