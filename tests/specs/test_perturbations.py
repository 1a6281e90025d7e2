import pytest

from ethogram.specs.base import read_spec
from ethogram.specs.errors import SpecError
from ethogram.specs.perturbations import Perturbations
from ethogram.specs.scenarios import Theme

WHOLE = """\
about: Another surface.
budget: 100
scenarios: 2
perturbations:
  - {id: currency, vary: [currency]}
  - {id: names, vary: all}
  - {id: order, order: one}
  - {id: question, wording: ["What do you do?"]}
  - {id: past, retold: past}
  - {id: stops, replace: [[". ", ".  "]]}
  - {id: end, ends: "\\n\\n"}
"""


def read(tmp_path, text, kind=Perturbations):
    file = tmp_path / "surface.yaml"
    file.write_text(text, encoding="utf-8")
    return read_spec(kind, file)


def said(tmp_path, text, kind=Perturbations):
    with pytest.raises(SpecError) as caught:
        read(tmp_path, text, kind)
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_a_whole_file_is_read_spaces_and_line_ends_included(tmp_path):
    found = read(tmp_path, WHOLE)
    assert (found.budget, found.seed, found.scenarios) == (100, 0, 2)
    by_id = {entry.id: entry for entry in found.perturbations}
    assert by_id["stops"].replace == ((". ", ".  "),)
    assert by_id["end"].ends == "\n\n"
    assert (by_id["names"].vary, by_id["currency"].vary) == ("all", ("currency",))
    assert found.listed == {"currency"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "order: one}",
            "order: one, retold: past}",
            "surface.yaml:7:5: a perturbation has one of the keys vary, order, wording, retold, "
            "replace, ends; this one has order and retold",
        ),
        (
            "{id: order, order: one}",
            "{id: order}",
            "surface.yaml:7:5: a perturbation has one of the keys vary, order, wording, retold, "
            "replace, ends; this one has none",
        ),
        ('["What do you do?"]', "[]", "surface.yaml:8:20: 'wording' changes nothing: it is empty"),
        ('ends: "\\n\\n"', 'ends: ""', "surface.yaml:11:15: 'ends' changes nothing: it is empty"),
        (
            '[". ", ".  "]',
            '["", "x"]',
            "surface.yaml:10:27: nothing cannot be replaced: write what stands in the prompt",
        ),
        ("vary: all", "vary: [currency]", "another perturbation varies 'currency' already"),
        ("retold: past", "order: one", "another perturbation changes the order already"),
        ("id: names", "id: currency", "the perturbation id 'currency' stands twice"),
        ("wording:", "wordings:", "unknown key 'wordings' (did you mean 'wording'?)"),
        ("budget: 100", "budget: 0", "surface.yaml:2:9: 'budget' must be at least 1, not 0"),
        ("budget: 100\n", "", "missing key 'budget'"),
        ("order: one", "order: two", "'order' cannot be 'two'"),
    ],
)
def test_a_wrong_file_says_what_is_wrong_and_where(tmp_path, old, new, message):
    assert old in WHOLE
    assert message in said(tmp_path, WHOLE.replace(old, new, 1))


RETOLD = """\
about: Promises.
scenarios:
  - id: bedside
    text: "{friend} asks you to keep her letters."
    options:
      - {id: keep, text: "Keep them safe."}
      - {id: give, text: "Give them away."}
    vary: {friend: [Aylin, Ngozi]}
    retold:
      past:
        text: "{friend} had asked you to keep her letters."
        options: {keep: "Keep them safe.", give: "Give them away."}
"""


def test_a_retelling_is_read(tmp_path):
    (scenario,) = read(tmp_path, RETOLD, Theme).scenarios
    assert scenario.retold["past"].options["keep"] == "Keep them safe."


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            ', give: "Give them away."}',
            "}",
            "surface.yaml:12:9: the option 'give' is not retold",
        ),
        ('give: "Give', 'giv: "Give', "the scenario has no option 'giv' (did you mean 'give'?)"),
        ("had asked", "had {tone} asked", "the placeholder {tone} has no values under 'vary'"),
        ('"{friend} had', '"She had', "the retelling leaves out {friend}"),
        (
            "        options: {keep",
            "        vary: {frend: [Aylin, Ngozi]}\n        options: {keep",
            "surface.yaml:12:16: the scenario does not vary 'frend' (did you mean 'friend'?)",
        ),
        (
            "        options: {keep",
            "        vary: {friend: [Aylin]}\n        options: {keep",
            "surface.yaml:12:16: 1 value of 'friend' in place of the scenario's 2",
        ),
        (
            "        options: {keep",
            "        vary: {friend: [Her, Her]}\n        options: {keep",
            "'Her' stands twice among the values of 'friend'",
        ),
        ('give: "Give them away."}', 'give: "keep them  SAFE."}', "the same option stands twice"),
    ],
)
def test_a_retelling_has_the_options_and_placeholders_of_the_scenario(tmp_path, old, new, message):
    assert old in RETOLD
    assert message in said(tmp_path, RETOLD.replace(old, new, 1), Theme)
