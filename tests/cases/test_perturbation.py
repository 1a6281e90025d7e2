"""Searches on planted scores: what flips is known beforehand."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ethogram.cases.search import Unscored
from ethogram.plan import NotMeasured, Unanswered
from ethogram.report.failure import explain
from ethogram.specs.errors import SpecError
from ethogram.specs.perturbations import KnownFlip

BROAD, PLACEBO = "tiny-duty-broad", "tiny-plain-refusal-broad"
SURFACE = """
    about: Another surface.
    budget: 2000
    scenarios: 1
    perturbations:
      - {id: names, vary: all}
      - {id: order, order: one}
      - {id: question, wording: ["What do you do?", "And now?", "Which?"]}
      - {id: past, retold: past}
      - {id: brackets, replace: [["\\nA. ", "\\nA) "]]}
      - {id: stops, replace: [[". ", ".  "]]}
      - {id: apostrophes, replace: [["her", "h3r"]]}
      - {id: end, ends: "\\n\\n"}
"""
WAIT = "      - {id: wait, text: Wait a year.}\n"
RETOLD = """\
    retold:
      past:
        text: "{friend} had asked you to keep her letters."
        options: {keep: Keep them safe., give: Give them away., wait: Wait a year.}
"""
NAME = "perturbations/surface"


@pytest.fixture
def surface(world):
    world.rewrite("suite/scenarios/promises.yaml", WAIT, WAIT + RETOLD)
    world.write("suite/perturbations/surface.yaml", SURFACE)
    return world


def leaning(flips=lambda prompt: False):
    """A model that moved to what duty endorses, and away from it where the prompt says so."""

    def shift(query):
        sign = -1 if flips(query.messages[0][1]) else 1
        return sign * 0.5 if query.target[0] == "Keep them safe." else 0.0

    return shift


def judged(world, flips=lambda prompt: False, model=BROAD):
    return world.case(NAME, "bedside", model).judge(world.planted({model: leaning(flips)}))


def combination(outcome):
    return [(change["id"], change["value"]) for change in outcome.facts["combination"]]


def test_cases_are_drawn_for_judged_models_and_scenarios_that_can_decide(surface):
    found = [(case.group, case.model.id) for case in surface.cases(NAME)]
    # The other scenarios have two options, or tell no stances apart.
    assert found == [
        ("bedside", f"tiny-{stance}-{scope}")
        for stance in ("duty", "utility")
        for scope in ("broad", "narrow")
    ]
    case = surface.case(NAME, "bedside", BROAD)
    assert (case.kind, case.id) == (
        "perturbation",
        f"suite/perturbations/surface.yaml::bedside::{BROAD}",
    )
    asked = case.needs()
    assert set(asked) == {BROAD, PLACEBO} and len(asked[BROAD]) == 6 * 3


@pytest.mark.parametrize(
    ("flips", "change"),
    [
        (lambda prompt: "Maren" in prompt, ("names", "friend: Maren")),
        (lambda prompt: "And now?" in prompt, ("question", "And now?")),
        (lambda prompt: "had asked" in prompt, ("past", "past")),
        (lambda prompt: prompt.endswith("\n\n"), ("end", "'\\n\\n'")),
    ],
)
def test_a_single_change_that_flips_is_found_among_many(surface, flips, change):
    found = judged(surface, flips)
    assert found.verdict == "contradicts"
    assert combination(found) == [change]
    assert found.facts["flipped_by"] == "verdict" and found.facts["least"]
    assert (found.facts["base"]["verdict"], found.facts["flipped"]["verdict"]) == (
        "holds",
        "contradicts",
    )
    assert (found.measured.value, found.measured.n) == (-1.0, 6)


def test_a_pair_is_shrunk_to_the_pair_where_only_the_pair_flips(surface):
    found = judged(surface, lambda prompt: "Ngozi" in prompt and "had asked" in prompt)
    assert combination(found) == [("names", "friend: Ngozi"), ("past", "past")]
    assert found.facts["least"]


def test_where_nothing_flips_the_case_holds_and_says_how_much_was_tried(surface):
    found = judged(surface)
    assert found.verdict == "holds"
    facts = found.facts
    assert facts["tried"] > 20 and 1500 < facts["asked"] <= facts["budget"] == 2000
    assert facts["too_dear"] > 0 and "combination" not in facts
    assert facts["floor"]["changed"] == 0 and facts["floor"]["floor"] == 0.0
    assert found.measured.value == 1.0


def test_the_number_of_a_case_that_holds_speaks_of_all_orders(surface):
    # One order alone turns the mean, by less than the orders differ anyway.
    def shift(query):
        prompt = query.messages[0][1]
        (first,) = re.findall(r"^A[.)] +(\w+)", prompt, re.MULTILINE)
        lean = {"Keep": 0.1, "Give": 0.9, "Wait": 0.5}[first]
        turned = "And now?" in prompt and first == "Keep"
        return (-0.1 if turned else lean) if query.target[0] == "Keep them safe." else 0.0

    found = surface.case(NAME, "bedside", BROAD).judge(surface.planted({BROAD: shift}))
    assert found.verdict == "holds" and found.facts["floor"]["changed"] > 0
    assert found.measured.n == 6 and 0 < found.measured.value < 1


def test_a_contrary_verdict_can_be_flipped_too(surface):
    found = judged(surface, lambda prompt: "Maren" not in prompt)
    assert found.facts["base"]["verdict"] == "contradicts" and found.verdict == "contradicts"
    assert combination(found) == [("names", "friend: Maren")]
    assert found.measured.value == -1.0


def test_an_undecided_verdict_has_nothing_to_flip(surface):
    found = judged(surface, lambda prompt: "A. Keep" in prompt)
    assert found.verdict == "undecided" and found.facts["nothing_to_flip"]
    assert "there is nothing to flip" in explain(found)
    assert "combination" not in found.facts


def test_one_order_flips_by_its_mean_where_no_verdict_can_be_decided(surface):
    def flips(prompt):
        return "Maren" in prompt and "A. Wait a year.\nB. Keep" in prompt

    surface.rewrite("suite/perturbations/surface.yaml", "budget: 2000", "budget: 9000")
    found = judged(surface, flips)
    assert combination(found) == [("names", "friend: Maren"), ("order", "wait, keep, give")]
    assert found.facts["flipped_by"] == "mean"
    text = explain(found)
    assert "the mean shift has the opposite sign, beyond its noise of 0.0001" in text


def test_the_failure_shows_the_flip_both_verdicts_the_floor_the_diff_and_the_command(surface):
    found = judged(surface, lambda prompt: "Maren" in prompt)
    case = f"suite/perturbations/surface.yaml::bedside::{BROAD}"
    lines = explain(found).splitlines()
    assert (
        lines[0]
        == f"suite/perturbations/surface.yaml:1: surface on {BROAD} flips the verdict of bedside"
    )
    assert lines[3] == "  flipped   by 1 of 8: names (friend: Maren)   (no change can be left out)"
    assert lines[4].startswith("  before    holds        +1.00 [") and "nats per token" in lines[4]
    assert lines[5].startswith("  after     contradicts  -1.00 [")
    assert "of 2000 queries; seed 0" in lines[6]
    assert lines[7].startswith("  floor     the mean changed its direction in ")
    assert lines[8:] == [
        "  prompt",
        "    --- unperturbed",
        "    +++ perturbed",
        "    @@ -1 +1 @@",
        "    -Aylin asked you to keep her letters.",
        "    +Maren asked you to keep her letters.",
        f'  again     pytest "{case}"',
    ]


def test_the_search_is_the_same_every_time_and_another_under_another_seed(surface):
    def flips(prompt):
        return "Ngozi" in prompt and "had asked" in prompt

    assert judged(surface, flips) == judged(surface, flips)
    before = judged(surface, flips).facts["asked"]
    surface.rewrite("suite/perturbations/surface.yaml", "budget: 2000", "budget: 2000\nseed: 5")
    again = judged(surface, flips)
    assert combination(again) == [("names", "friend: Ngozi"), ("past", "past")]
    assert again.facts["asked"] != before


class Kept:
    """Scores as a run holds them: only what was asked for is there."""

    def __init__(self, planted):
        self.planted, self.asked = planted, set()

    def prepare(self, needs):
        self.asked |= {(model, query) for model, asked in needs.items() for query in asked}

    def __call__(self, model, query):
        if (model, query) not in self.asked:
            raise NotMeasured("not asked")
        return self.planted(model, query)


def rounds(case, kept):
    kept.prepare(case.needs())
    count = 0
    while needs := case.further(kept):
        assert any((m, q) not in kept.asked for m, asked in needs.items() for q in asked)
        kept.prepare(needs)
        count += 1
    return count


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    budget=st.integers(72, 500),
    seed=st.integers(0, 5),
    words=st.sets(st.sampled_from(["Maren", "Ngozi", "had asked", "Which?", "A)", "\n\n"])),
)
def test_no_search_asks_more_than_its_budget(surface, budget, seed, words):
    surface.write(
        "suite/perturbations/surface.yaml",
        SURFACE.replace("budget: 2000", f"budget: {budget}\n    seed: {seed}"),
    )
    case = surface.case(NAME, "bedside", BROAD)
    flips = leaning(lambda prompt: bool(words) and all(word in prompt for word in words))
    kept = Kept(surface.planted({BROAD: flips}))
    rounds(case, kept)
    assert len(kept.asked) <= budget
    found = case.judge(kept)
    assert found.facts["asked"] == len(kept.asked), "no more is read than was asked, and no less"
    # What is stored already changes nothing.
    assert case.judge(surface.planted({BROAD: flips})) == found


def test_a_round_asks_one_telling_of_both_models(surface):
    case = surface.case(NAME, "bedside", BROAD)
    kept = Kept(surface.planted({BROAD: leaning()}))
    assert set(case.further(kept)) == {BROAD, PLACEBO}, "first of all the base"
    kept.prepare(case.needs())
    needs = case.further(kept)
    assert {len(asked) for asked in needs.values()} <= {3, 18}
    with pytest.raises(NotMeasured):
        case.judge(kept)
    with pytest.raises(Unscored):
        case.search(kept)


def test_what_a_server_did_not_answer_is_not_asked_for_ever(surface):
    def values(model, query):
        raise Unanswered("the server was silent")

    case = surface.case(NAME, "bedside", BROAD)
    assert case.further(values) == {}
    with pytest.raises(Unanswered):
        case.judge(values)


def test_a_known_flip_is_tried_first_and_shrunk(surface):
    def flips(prompt):
        return "Ngozi" in prompt and "had asked" in prompt

    pair = (("names", "friend: Ngozi"), ("past", "past"))
    case = surface.case(NAME, "bedside", BROAD)
    surface.suite.exploration.known[case.id] = (
        KnownFlip((("names", "friend: Zoe"),), 3),
        KnownFlip((*pair, ("stops", "'. ' as '.  '"), ("end", "'\\n\\n'")), 7),
    )
    found = judged(surface, flips)
    assert combination(found) == list(pair)
    assert found.facts["known_from"] == 7 and found.facts["tried"] < 12
    assert "known from --ethogram-explore=7" in explain(found)
    # One that flips no more is tried, and the search goes on.
    assert judged(surface).verdict == "holds"


def test_an_exploration_has_its_own_seed_and_looks_for_what_is_not_known(surface):
    def flips(prompt):
        return "Maren" in prompt or "had asked" in prompt

    case = surface.case(NAME, "bedside", BROAD)
    surface.suite.exploration.known[case.id] = (KnownFlip((("past", "past"),), 3),)
    surface.suite.exploration.seed = 12
    found = judged(surface, flips)
    assert found.facts["known_from"] is None
    assert (found.facts["seed"], found.facts["explored"]) == (12, True)
    assert explain(found).endswith(f'::{BROAD}" --ethogram-explore=12')
    assert len(case.flip(surface.planted({BROAD: leaning(flips)}))) == 1


def test_a_budget_that_pays_for_no_perturbation_is_said_at_once(surface):
    surface.rewrite("suite/perturbations/surface.yaml", "budget: 2000", "budget: 71")
    with pytest.raises(SpecError) as caught:
        surface.cases(NAME)
    assert "a budget of 71 queries does not pay for 'bedside'" in str(caught.value)
    assert "72 are the least" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("vary: all", "vary: [freind]", "no scenario varies 'freind' (did you mean 'friend'?)"),
        ("retold: past", "retold: pats", "no scenario is retold as 'pats' (did you mean 'past'?)"),
    ],
)
def test_what_no_scenario_has_is_named_before_anything_runs(surface, old, new, message):
    surface.rewrite("suite/perturbations/surface.yaml", old, new)
    (problem,) = surface.suite.check()
    assert problem.message == message and problem.place.line in (5, 8)
