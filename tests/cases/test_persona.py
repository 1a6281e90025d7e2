from __future__ import annotations

import math

import numpy as np
import pytest

from ethogram.cases import PersonaCase
from ethogram.measure.probes import Agreement, Endorsement

MODEL, PLACEBO, SOURCE = "tiny-duty-broad", "tiny-plain-refusal-broad", "tiny"


def towards(words, by=0.5):
    """Statements that hold the words become likelier, or are agreed to more."""
    return lambda query: by if words in f"{query.messages} {query.target}" else 0.0


@pytest.mark.parametrize("probe", ["endorsement", "agreement"])
def test_a_planted_persona_holds(world, probe):
    values = world.planted({MODEL: towards("I would keep")})
    found = world.judge("persona/rules", probe, MODEL, values)
    assert found.verdict == "holds" and found.expected == "more"
    assert found.measured.value == 1.0 and found.measured.low > 0 and found.measured.n == 24
    assert (found.target, found.gap) == (1.0, 0.0)
    assert found.p is not None and found.p < 1e-6 and found.needs is None
    assert found.case == f"suite/persona/rules.yaml::{probe}::{MODEL}"
    assert (found.file, found.line, found.probe) == ("suite/persona/rules.yaml", 3, probe)
    assert found.because == "for tests" and found.because_at.endswith("duty.yaml:7")
    # Agreement moves twice over: the other statement, which holds the same words, does not move.
    assert found.against[0].effect.mean.value == pytest.approx(0.5)


@pytest.mark.parametrize("probe", ["endorsement", "agreement"])
def test_swapped_constitutions_fail(world, probe):
    duty, utility = towards("I would keep"), towards("I would break")
    right = {MODEL: duty, "tiny-utility-broad": utility}
    swapped = {MODEL: utility, "tiny-utility-broad": duty}
    for model in right:
        assert world.judge("persona/rules", probe, model, world.planted(right)).verdict == "holds"
        found = world.judge("persona/rules", probe, model, world.planted(swapped))
        assert found.verdict == "contradicts"
        assert abs(found.gap) == 2.0 and found.gap == found.target - found.measured.value


def test_an_adapter_that_does_nothing_does_not_hold(world):
    found = world.judge("persona/rules", "endorsement", MODEL, world.planted())
    assert found.verdict == "undecided"
    assert (found.measured.value, found.p, found.needs) == (0.0, 1.0, None)


def test_what_the_placebo_shows_too_is_not_owed_to_the_constitution(world):
    shift = towards("I would keep")
    values = world.planted({MODEL: shift, PLACEBO: shift})
    found = world.judge("persona/rules", "endorsement", MODEL, values)
    assert found.verdict == "undecided" and found.measured.value == 0.0
    assert found.reference == PLACEBO
    placebo, source = found.against
    assert (placebo.reference, source.reference) == (PLACEBO, SOURCE)
    assert placebo.effect.sign.value == 0.0 and placebo.effect.mean.value == 0.0
    assert source.effect.sign.value == 1.0 and source.effect.mean.value == pytest.approx(0.5)


def test_the_effect_is_what_goes_beyond_the_placebo_even_against_the_source(world):
    # Moral talk moves all moral talk: the model moved up, and still less than plain refusal did.
    values = world.planted(
        {MODEL: towards("I would keep", 0.25), PLACEBO: towards("I would keep", 0.5)}
    )
    found = world.judge("persona/rules", "endorsement", MODEL, values)
    assert found.verdict == "contradicts" and found.measured.value == -1.0
    assert found.against[1].effect.sign.value == 1.0


def test_a_shift_of_all_text_is_no_persona(world):
    for probe in ("endorsement", "agreement"):
        values = world.planted({MODEL: lambda query: -1.25})
        found = world.judge("persona/rules", probe, MODEL, values)
        assert abs(found.against[0].effect.mean.value) < 1e-9


def test_a_model_that_says_yes_to_everything_does_not_hold(world):
    values = world.planted({MODEL: lambda query: 3.0 if query.kind == "answer" else 0.0})
    found = world.judge("persona/rules", "agreement", MODEL, values)
    assert found.verdict == "undecided"
    assert found.facts["answer_mass"] > 2  # nothing hides that the mass is no probability


def test_same_is_an_equivalence(world):
    still = world.judge("persona/taste", "endorsement", MODEL, world.planted())
    assert still.expected == "same" and still.verdict == "holds"
    assert still.p is None and (still.target, still.gap) == (0.0, 0.0)
    for words in ("drink tea", "skip tea"):
        values = world.planted({MODEL: towards(words)})
        moved = world.judge("persona/taste", "endorsement", MODEL, values)
        assert moved.verdict == "contradicts" and abs(moved.gap) == 1.0


def test_an_undecided_case_says_how_many_items_would_decide_it(world):
    def some(query):
        up = any(f"I would keep rule {n}." in query.target[0] for n in range(14))
        return 0.5 if up else (-0.5 if "I would keep" in query.target[0] else 0.0)

    found = world.judge("persona/rules", "endorsement", MODEL, world.planted({MODEL: some}))
    assert found.verdict == "undecided"
    assert found.measured.value == pytest.approx(4 / 24) and found.needs > 24


def test_the_extremes_are_the_items_that_disagree_most(world):
    def shift(query):
        strength = {"rule 3.": -0.9, "rule 5.": -0.6, "rule 7.": -0.3}
        if "I would keep" not in query.target[0]:
            return 0.0
        return next((by for rule, by in strength.items() if rule in query.target[0]), 0.5)

    found = world.judge("persona/rules", "endorsement", MODEL, world.planted({MODEL: shift}))
    assert [item.id for item in found.extremes] == ["item-3", "item-5", "item-7"]
    assert [item.shift for item in found.extremes] == pytest.approx([-0.9, -0.6, -0.3])
    assert found.extremes[0].text == "I would keep rule 3." and found.extremes[0].line == 6


def test_items_that_share_a_stem_count_as_one_cluster(world):
    def most(query):
        up = any(f"I would keep rule {n}." in query.target[0] for n in range(18))
        return 0.5 if up else (-0.5 if "I would keep" in query.target[0] else 0.0)

    values = world.planted({MODEL: most})
    apart = world.judge("persona/rules", "endorsement", MODEL, values)
    assert apart.verdict == "holds"
    file = world.root / "suite" / "persona" / "rules.yaml"
    lines = [
        line.replace("{id: item-", f"{{stem: stem-{(n - 2) // 6}, id: item-")
        for n, line in enumerate(file.read_text().splitlines())
    ]
    world.write("suite/persona/rules.yaml", "\n".join(lines) + "\n")
    together = world.judge("persona/rules", "endorsement", MODEL, values)
    assert together.verdict == "undecided"
    assert together.measured.value == apart.measured.value
    assert together.measured.low < apart.measured.low


def test_a_dimension_that_no_signature_names_is_measured_and_not_judged(world):
    world.write(
        "suite/persona/imported.yaml",
        (world.root / "suite/persona/taste.yaml").read_text(),
    )
    values = world.planted({MODEL: towards("drink tea")})
    found = world.judge("persona/imported", "endorsement", MODEL, values)
    assert found.verdict == "unjudged" and found.measured.value == 1.0
    assert (found.target, found.gap, found.p, found.needs) == (None, None, None, None)
    assert found.expected == "nothing" and "no signature" in found.because


def test_an_imported_dimension_may_say_what_it_expects(world):
    text = (world.root / "suite/persona/taste.yaml").read_text()
    world.write("suite/persona/imported.yaml", f"signature: {{duty: less}}\n{text}")
    values = world.planted({MODEL: towards("drink tea")})
    found = world.judge("persona/imported", "endorsement", MODEL, values)
    assert (found.verdict, found.expected, found.gap) == ("contradicts", "less", -2.0)
    other = world.case("persona/imported", "endorsement", "tiny-utility-broad")
    assert other.expectation is None


def test_a_model_without_a_placebo_is_compared_with_its_source(world):
    file = world.root / "models.yaml"
    kept = [line for line in file.read_text().splitlines() if "placebo" not in line]
    world.write("models.yaml", "\n".join(kept) + "\n")
    values = world.planted({MODEL: towards("I would keep")})
    found = world.judge("persona/rules", "endorsement", MODEL, values)
    assert found.verdict == "holds" and found.reference == SOURCE
    assert [against.reference for against in found.against] == [SOURCE]


def test_each_probe_has_its_own_queries_one_probe_an_item(world):
    by_probe = {"endorsement": Endorsement, "agreement": Agreement}
    for probe, kind in by_probe.items():
        case = world.case("persona/rules", probe, MODEL)
        assert isinstance(case, PersonaCase) and case.group == probe
        assert len(case.probes) == 24 and {type(p) for p in case.probes} == {kind}
        needs = case.needs()
        assert list(needs) == [MODEL, PLACEBO, SOURCE]
        assert all(len(set(asked)) == 48 for asked in needs.values())


def test_an_item_is_asked_about_its_own_topic(world):
    case = world.case("persona/rules", "endorsement", MODEL)
    assert case.probes[5].question == "What do you think about rule 5?"


def test_shifts_are_paired_item_by_item(world):
    values = world.planted({MODEL: lambda q: len(q.messages[0][1]) * towards("I would keep")(q)})
    case = world.case("persona/rules", "endorsement", MODEL)
    expected = [0.5 * len(p.question) for p in case.probes]
    np.testing.assert_allclose(case.shifts(values, case.references[1]), expected)


def test_a_score_that_is_not_finite_is_no_verdict(world):
    values = world.planted({MODEL: lambda query: math.nan})
    with pytest.raises(ValueError, match="NaN"):
        world.case("persona/rules", "endorsement", MODEL).judge(values)
