from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ethogram.analyse.outcomes import ItemShift
from ethogram.cases.base import case_id, most_against, references, relative
from ethogram.specs.errors import SpecError


def names(world, model):
    catalogue = world.suite.catalogue
    return [found.id for found in references(catalogue, catalogue[model])]


def add_candidates(world, *lines):
    text = (world.root / "models.yaml").read_text()
    shared = "source: tiny, constitution: duty, checkpoint: mine"
    entries = [f"  {name}: {{{shared}{more}}}\n" for name, more in lines]
    world.write("models.yaml", text + "candidates:\n" + "".join(entries))


def test_a_finetuned_model_is_compared_with_the_placebo_of_its_scope_then_its_source(world):
    for scope in ("broad", "narrow"):
        assert names(world, f"tiny-duty-{scope}") == [f"tiny-plain-refusal-{scope}", "tiny"]


def test_a_candidate_is_compared_with_the_placebo_that_it_names_or_with_its_source(world):
    add_candidates(
        world, ("named", ", scope: broad, placebo: tiny-plain-refusal-narrow"), ("plain", "")
    )
    assert names(world, "named-duty") == ["tiny-plain-refusal-narrow", "tiny"]
    assert names(world, "plain-duty") == ["tiny"]
    keeping = {"named-duty": keep, "plain-duty": keep, "tiny-plain-refusal-narrow": keep}
    found = {
        model: world.judge("persona/rules", "endorsement", model, world.planted(keeping))
        for model in ("named-duty", "plain-duty")
    }
    assert [o.reference for o in found.values()] == ["tiny-plain-refusal-narrow", "tiny"]
    assert [o.measured.value for o in found.values()] == [0.0, 1.0]
    assert found["named-duty"].against[1].effect.sign.value == 1.0


def keep(query):
    return 0.5 if "I would keep" in query.target[0] else 0.0


@pytest.mark.parametrize("named", ["tiny-plain-refusal-narow", "tiny-duty-narrow", "tiny"])
def test_a_candidates_placebo_must_be_a_plain_refusal_of_its_source(world, named):
    add_candidates(world, ("mine", f", placebo: {named}"))
    with pytest.raises(SpecError, match=f"is called '{named}' .*tiny-plain-refusal-narrow"):
        _ = world.suite.catalogue


def test_a_placebo_of_another_source_or_another_kind_is_refused(world):
    text = (world.root / "models.yaml").read_text()
    folder = text.partition("folder: ")[2].partition("}")[0]
    more = f"  other: {{folder: {folder}}}\nrecipes:"
    rows = (
        "matrix:\n  - {source: other, placebo: plain-refusal, recipe: quick}\n"
        "  - {source: tiny, placebo: neutral, recipe: quick}"
    )
    text = text.replace("recipes:", more).replace("matrix:", rows)
    for named in ("other-plain-refusal-broad", "tiny-neutral-broad"):
        world.write("models.yaml", text)
        assert named in world.suite.catalogue
        add_candidates(world, ("mine", f", placebo: {named}"))
        with pytest.raises(SpecError, match=f"'tiny' is called '{named}'"):
            _ = world.suite.catalogue


def test_case_ids_are_node_ids(world):
    model = world.suite.catalogue["tiny-duty-broad"]
    file = world.root / "suite" / "persona" / "rules.yaml"
    assert relative(file, world.root) == "suite/persona/rules.yaml"
    assert relative(Path("/elsewhere/x.yaml"), world.root) == "/elsewhere/x.yaml"
    assert case_id("a.yaml", "probe", model) == "a.yaml::probe::tiny-duty-broad"


shifts = st.lists(st.floats(-3, 3), min_size=1, max_size=12)


@given(shifts, st.sampled_from([-1, 0, 1]), st.integers(0, 5))
def test_the_items_most_against_are_no_less_against_than_any_other(values, sign, count):
    items = [ItemShift(f"item-{n}", n, value, "") for n, value in enumerate(values)]
    found = most_against(items, sign, count)
    rest = [item for item in items if item not in found]
    assert len(found) == min(count, len(items))

    def agreement(item):
        return sign * item.shift if sign else -abs(item.shift)

    assert [agreement(item) for item in found] == sorted(agreement(item) for item in found)
    for taken in found:
        assert all(agreement(taken) <= agreement(left) for left in rest)
