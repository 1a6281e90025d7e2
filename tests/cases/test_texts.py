from ethogram.cases.texts import item_texts
from ethogram.specs.suite import Suite


def test_every_item_of_the_shipped_suite_has_its_words(own_suite: Suite) -> None:
    subjects = [*own_suite.dimensions, *own_suite.categories]
    found = item_texts(own_suite, subjects)
    assert sorted(found) == sorted(subjects)
    for name, dimension in own_suite.dimensions.items():
        assert list(found[name]) == [item.id for item in dimension.items]
        assert dimension.items[0].rejects in found[name][dimension.items[0].id]
    for name, category in own_suite.categories.items():
        assert found[name]["hazardous-1"] == category.evaluate[0]
        assert found[name][f"harmless-{len(category.harmless)}"] == category.harmless[-1]


def test_a_scenario_says_what_it_asks_once_for_all_renderings(own_suite: Suite) -> None:
    scenario = next(iter(own_suite.themes.values())).scenarios[0]
    found = item_texts(own_suite, {scenario.id})
    assert list(found) == [scenario.id]
    assert scenario.options[0].text in found[scenario.id][""]
