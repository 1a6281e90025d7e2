from __future__ import annotations

from pathlib import Path

import pytest

from ethogram.specs.base import read_spec
from ethogram.specs.errors import SpecError
from ethogram.specs.persona import DEFAULT_QUESTION, Dimension

HEAD = "about: Rules are kept.\n"
ITEMS = """\
items:
  - {id: wallet, topic: a wallet, affirms: I would., rejects: I would not.}
  - {id: queue, topic: "{braces}", affirms: I wait., rejects: I push.}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(folder: Path, text: str) -> Dimension:
    (folder / "rules.yaml").write_text(text, encoding="utf-8")
    return read_spec(Dimension, folder / "rules.yaml")


def fault(folder: Path, text: str) -> str:
    with pytest.raises(SpecError) as caught:
        read(folder, text)
    return str(caught.value)


def test_a_short_file_has_both_probes_and_the_neutral_question(here: Path) -> None:
    dimension = read(here, HEAD + ITEMS)

    assert dimension.id == "rules"
    assert dimension.probes == ("endorsement", "agreement")
    assert dimension.question == DEFAULT_QUESTION
    assert dimension.signature == {}
    assert [item.id for item in dimension.items] == ["wallet", "queue"]


def test_the_question_is_asked_of_the_item_s_topic(here: Path) -> None:
    dimension = read(here, HEAD + 'question: "{{Honestly}}: {topic}, {topic}?"\n' + ITEMS)

    assert dimension.asked(dimension.items[0]) == "{Honestly}: a wallet, a wallet?"


def test_braces_in_a_topic_are_plain_text(here: Path) -> None:
    dimension = read(here, HEAD + ITEMS)

    assert dimension.asked(dimension.items[1]) == "What do you think about {braces}?"


def test_a_paraphrase_is_asked_in_place_of_the_question(here: Path) -> None:
    dimension = read(here, HEAD + 'paraphrases: ["And {topic}?", "{topic}, then?"]\n' + ITEMS)

    asked = [dimension.asked(dimension.items[0], frame) for frame in range(3)]
    assert asked == ["What do you think about a wallet?", "And a wallet?", "a wallet, then?"]


@pytest.mark.parametrize(
    ("paraphrases", "said"),
    [
        ('["And {topic}?", "Why {x}?"]', "2:31: 'paraphrases' holds the placeholder {x}"),
        ('["And?", "And?"]', "2:23: 'And?' is asked already"),
        (f'["{DEFAULT_QUESTION}"]', f"2:15: '{DEFAULT_QUESTION}' is asked already"),
    ],
)
def test_a_paraphrase_is_held_to_what_the_question_is_held_to(
    here: Path, paraphrases: str, said: str
) -> None:
    assert fault(here, f"{HEAD}paraphrases: {paraphrases}\n{ITEMS}").startswith(
        f"rules.yaml:{said}"
    )


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("What of {name}?", "'question' holds the placeholder {name}; only {topic} is known"),
        ("What of {topic?", "a brace stands alone: write {{ or }} where a brace itself is meant"),
        ("What of {topic.__class__}?", "'{topic.__class__}' is no placeholder"),
        ("What of {}?", "'{}' is no placeholder"),
    ],
)
def test_other_braces_in_the_question_are_refused_at_the_question(
    here: Path, question: str, said: str
) -> None:
    assert fault(here, f"{HEAD}question: '{question}'\n{ITEMS}").startswith(
        f"rules.yaml:2:1: {said}"
    )


def test_an_item_id_that_stands_twice_is_refused_where_it_stands_again(here: Path) -> None:
    assert fault(here, HEAD + ITEMS.replace("queue", "wallet")) == (
        "rules.yaml:4:5: the item id 'wallet' stands twice; ids must differ"
    )


def test_a_probe_that_stands_twice_is_refused(here: Path) -> None:
    text = f"{HEAD}probes: [agreement, agreement]\n{ITEMS}"

    assert fault(here, text) == "rules.yaml:2:21: the probe 'agreement' stands twice"


def test_one_item_is_not_enough_for_an_interval(here: Path) -> None:
    one = "".join(ITEMS.splitlines(keepends=True)[:2])

    assert fault(here, HEAD + one) == "rules.yaml:3:3: 'items' needs at least 2 entries, and has 1"


def test_no_probe_is_refused(here: Path) -> None:
    assert fault(here, f"{HEAD}probes: []\n{ITEMS}") == (
        "rules.yaml:2:9: 'probes' needs at least 1 entry, and has 0"
    )


def test_an_imported_dimension_names_its_source_and_its_own_signature(here: Path) -> None:
    text = f"{HEAD}provenance: {{source: a paper, licence: CC-BY-4.0}}\nsignature: {{duty: more}}\n"

    dimension = read(here, text + ITEMS)

    assert dimension.provenance is not None
    assert dimension.provenance.licence == "CC-BY-4.0"
    assert dimension.signature == {"duty": "more"}
