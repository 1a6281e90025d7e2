from ethogram.report.rows import count_verdicts, widest_gaps, worst_gap


def test_verdicts_are_counted_for_one_model(outcome):
    outcomes = [
        outcome(verdict="holds"),
        outcome(verdict="holds"),
        outcome(verdict="undecided"),
        outcome(model="another", verdict="contradicts"),
    ]
    assert count_verdicts(outcomes, "tiny-duty-narrow") == {
        "holds": 2,
        "contradicts": 0,
        "undecided": 1,
    }


def test_the_widest_gap_is_by_size_and_ties_go_by_id(outcome):
    outcomes = [
        outcome(case="c", gap=0.5),
        outcome(case="b", gap=-1.5),
        outcome(case="a", gap=1.5),
        outcome(case="d", gap=0.0),
    ]
    assert [found.case for found in widest_gaps(outcomes, 3)] == ["a", "b", "c"]


def test_only_persona_cases_with_a_gap_compete(outcome):
    outcomes = [
        outcome(case="a", kind="scenario", gap=2.0),
        outcome(case="b", gap=None),
        outcome(case="c", gap=0.1),
    ]
    assert [found.case for found in widest_gaps(outcomes, 9)] == ["c"]


def test_the_worst_gap_of_a_model_is_its_own(outcome):
    outcomes = [outcome(case="a", gap=0.5), outcome(case="b", model="another", gap=2.0)]
    assert worst_gap(outcomes, "tiny-duty-narrow").case == "a"
    assert worst_gap(outcomes, "a-third") is None
