import xml.etree.ElementTree as ET

from ethogram.report.scatter import pairs, scatter
from ethogram.report.view import ModelView


def model(scope, constitution="duty", seed=0, **more):
    row = {
        "model": f"tiny-{constitution}-{scope}",
        "kind": "finetuned",
        "source": "tiny",
        "constitution": constitution,
        "scope": scope,
        "seed": seed,
    }
    return ModelView({**row, **more})


def case(name, value):
    return {"case": name, "measured": {"value": value, "low": -1, "high": 1, "n": 24}}


def picture(narrow, broad):
    (pair,) = pairs([model("narrow"), model("broad")])
    effects = {
        pair.narrow.id: {name: case(f"n-{name}", v) for name, v in narrow.items()},
        pair.broad.id: {name: case(f"b-{name}", v) for name, v in broad.items()},
    }
    names = sorted({*narrow, *broad})
    index = {f"n-{name}": at for at, name in enumerate(names)}
    return ET.fromstring(scatter(pair, names, effects, index))


def texts(found, kind):
    return [part.text for part in found.iter() if part.get("class") == kind]


def test_a_pair_shares_source_constitution_and_seed():
    models = [model("narrow"), model("broad"), model("narrow", "care"), model("broad", "care", 1)]
    assert [(p.narrow.id, p.broad.id) for p in pairs(models)] == [
        ("tiny-duty-narrow", "tiny-duty-broad")
    ]


def test_a_point_is_a_dimension_that_both_have():
    found = picture({"a": 0.5, "b": -0.5}, {"a": 0.5, "c": 0.1})
    hits = [part for part in found.iter() if part.get("class") == "hit"]
    assert [(hit.get("data-case"), hit[0].text) for hit in hits] == [
        ("0", "1 a: broad +0.50, narrow +0.50")
    ]


def test_points_in_one_place_share_one_label():
    found = picture({"a": 0.5, "b": 0.5, "c": 0.0}, {"a": 0.5, "b": 0.5, "c": 0.0})
    assert sorted(texts(found, "number")) == ["1,2", "3"]


def test_without_a_common_dimension_nothing_was_measured():
    assert texts(picture({"a": 0.5}, {"b": 0.5}), "absent") == ["not measured"]


def test_what_the_report_says_of_the_transfer_stands_with_the_pair():
    slope = {"value": 0.7, "low": 0.4, "high": 1.0, "n": 240}
    (pair,) = pairs([model("narrow", transfer={"slope": slope}), model("broad")])
    assert [(m.name, m.interval) for m in pair.measures] == [
        ("transfer from narrow to broad, slope", slope)
    ]
