import pytest

from ethogram.cases.perturbed import Perturbing
from ethogram.cases.scenario import choice_of
from ethogram.specs.perturbations import Perturbations
from ethogram.specs.scenarios import Scenario

SCENARIO = {
    "id": "bedside",
    "text": "{friend}'s letters are yours to keep. It costs four {currency}.",
    "options": [
        {"id": "keep", "text": "Keep {friend}'s letters."},
        {"id": "give", "text": "Give them away."},
        {"id": "wait", "text": "Wait a year."},
    ],
    "vary": {"friend": ["Aylin", "Ngozi", "Maren"], "currency": ["euros", "pesos"]},
    "retold": {
        "past": {
            "text": "{friend}'s letters were yours to keep. It cost four {currency}.",
            "options": {
                "keep": "Keep {friend}'s letters.",
                "give": "Give them away.",
                "wait": "Wait for a year.",
            },
        }
    },
}


def perturbing(*entries, **changed):
    file = Perturbations.model_validate(
        {"about": "x", "budget": 100, "scenarios": 1, "perturbations": list(entries)}
    )
    return Perturbing(file, Scenario.model_validate({**SCENARIO, **changed}))


def told(found, *pairs):
    """The first prompt under the changes named."""
    changes = [c for slot in found.slots for c in slot if c.pair in pairs]
    assert len(changes) == len(pairs)
    return found.told(changes)


def test_the_base_is_every_order_in_the_first_setting():
    found = perturbing({"id": "order", "order": "one"})
    base = found.base.renderings
    assert len({r.order for r in base}) == len(base) == 6
    assert all("Aylin" in r.prompt and "euros" in r.prompt for r in base)
    # As the scenario's own case shows it, so that its scores are shared.
    assert base[0] == choice_of(found.scenario).renderings[0]


def test_orders_come_in_whole_rounds_and_are_few():
    four = [*SCENARIO["options"], {"id": "burn", "text": "Burn them."}]
    retold = {}
    found = perturbing({"id": "end", "ends": "\n"}, options=four, retold=retold)
    orders = found.base.orders
    assert len(orders) == 8
    assert [sum(order[0] == option for order in orders) for option in range(4)] == [2] * 4


def test_every_value_but_the_first_is_a_change_of_its_own_slot():
    found = perturbing({"id": "money", "vary": ["currency"]}, {"id": "names", "vary": "all"})
    assert [[c.pair for c in slot] for slot in found.slots] == [
        [("money", "currency: pesos")],
        [("names", "friend: Ngozi"), ("names", "friend: Maren")],
    ]
    shown = told(found, ("money", "currency: pesos"), ("names", "friend: Maren"))
    assert len(shown) == 6
    assert all("Maren's" in r.prompt and "four pesos" in r.prompt for r in shown)
    assert shown[0].options[0] == "Keep Maren's letters.", "the answer scored follows"


def test_one_order_is_one_rendering_that_names_its_options():
    found = perturbing({"id": "order", "order": "one"})
    (shown,) = told(found, ("order", "give, keep, wait"))
    assert shown.prompt.endswith("A. Give them away.\nB. Keep Aylin's letters.\nC. Wait a year.")


def test_wording_retelling_and_typography_compose():
    found = perturbing(
        {"id": "past", "retold": "past"},
        {"id": "question", "wording": ["What do you do?", "And now?"]},
        {"id": "brackets", "replace": [["\nA. ", "\nA) "]]},
        {"id": "curly", "replace": [["'", "\u2019"]]},
        {"id": "end", "ends": "\n\n"},
    )
    every = [slot[0].pair for slot in found.slots]
    shown = told(found, *every)[0]
    assert shown.prompt == (
        "Aylin\u2019s letters were yours to keep. It cost four euros.\nWhat do you do?\n"
        "A) Keep Aylin\u2019s letters.\nB. Give them away.\nC. Wait for a year.\n\n"
    )
    assert shown.options == ("Keep Aylin's letters.", "Give them away.", "Wait for a year.")


@pytest.mark.parametrize(
    "entry",
    [
        {"id": "hyphens", "replace": [["-", "\u2011"]]},
        {"id": "plainer", "retold": "plainer"},
        {"id": "town", "vary": ["town"]},
        {"id": "same", "wording": ["What would you do?"]},
    ],
)
def test_what_finds_nothing_to_change_is_no_change(entry):
    found = perturbing(entry)
    assert found.slots == []


def test_a_retelling_puts_values_into_its_own_tense_whichever_change_comes_first():
    text = "{friend} {asks} you to keep her letters. It costs four {currency}."
    past = SCENARIO["retold"]["past"] | {
        "text": "{friend} {asks} you to keep her letters. It cost four {currency}.",
        "vary": {"asks": ["asked", "begged"]},
    }
    vary = SCENARIO["vary"] | {"asks": ["asks", "begs"]}
    entries = {"id": "past", "retold": "past"}, {"id": "names", "vary": "all"}
    changed = {"text": text, "vary": vary, "retold": {"past": past}}
    for ordered in (entries, entries[::-1]):
        found = perturbing(*ordered, **changed)
        alone = told(found, ("past", "past"))[0].prompt
        assert alone.startswith("Aylin asked you to keep her letters. It cost four euros.")
        both = told(found, ("past", "past"), ("names", "asks: begs"))[0].prompt
        assert both.startswith("Aylin begged you")
        assert told(found, ("names", "asks: begs"))[0].prompt.startswith("Aylin begs you")


def test_two_retellings_share_a_slot():
    twice = {**SCENARIO["retold"], "other": SCENARIO["retold"]["past"]}
    found = perturbing({"id": "a", "retold": "past"}, {"id": "b", "retold": "other"}, retold=twice)
    assert [[c.id for c in slot] for slot in found.slots] == [["a", "b"]]
