import pytest

from ethogram.report.measures import FURTHER, group_of
from ethogram.report.view import MARK, ModelView, View, measure_rows, probes

INTERVAL = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9}


def test_an_empty_report_can_be_read():
    view = View.of({"cases": []})
    assert view.cases == [] and view.models == []
    assert set(view.counts) == set(MARK)


def test_the_worst_cases_come_first_and_the_gate_before_others(small):
    found = [(case["verdict"], case["kind"]) for case in View.of(small).cases]
    assert found == [
        ("contradicts", "persona"),
        ("contradicts", "persona"),
        ("contradicts", "scenario"),
        ("not measured", "projectability"),
        ("holds", "projectability"),
        ("holds", "safety"),
    ]


@pytest.mark.parametrize(
    ("case", "kind", "subject", "probe"),
    [
        ("suite/persona/rules.yaml::agreement::m", "persona", "rules", "agreement"),
        ("suite/scenarios/promises.yaml::bedside::m", "scenario", "bedside", ""),
        ("suite/safety/privacy.yaml::refusal-rate::m", "safety", "privacy", "refusal-rate"),
        ("suite/projectability.yaml::match::m", "projectability", "match", ""),
        ("nonsense", "", "nonsense", ""),
    ],
)
def test_what_was_not_measured_is_known_by_its_id(case, kind, subject, probe):
    (found,) = View.of({"cases": [], "errors": [case]}).errors
    assert (found["kind"], found["subject"], found["probe"]) == (kind, subject, probe)
    assert found["verdict"] == "not measured" and found["measured"] is None


def test_a_model_known_by_its_cases_alone_is_named():
    view = View.of({"cases": [], "errors": ["suite/persona/rules.yaml::agreement::lost"]})
    assert [(model.id, model.kind) for model in view.models] == [("lost", "unknown")]


def model(**row):
    return ModelView({"model": "tiny-duty-narrow", "source": "tiny", **row})


@pytest.mark.parametrize(
    ("row", "stance", "rest"),
    [
        ({"kind": "finetuned", "constitution": "duty", "scope": "narrow"}, "duty", "narrow"),
        (
            {"model": "tiny-duty-narrow-seed2", "kind": "finetuned", "constitution": "duty"},
            "duty",
            "narrow-seed2",
        ),
        (
            {"model": "tiny-plain-refusal-broad", "kind": "placebo", "scope": "broad"},
            "plain-refusal",
            "broad",
        ),
        ({"model": "tiny", "kind": "source"}, "source", "tiny"),
        ({"model": "mine-duty", "kind": "candidate", "constitution": "duty"}, "duty", "mine-duty"),
    ],
)
def test_columns_are_headed_by_stance_and_what_tells_its_models_apart(row, stance, rest):
    found = model(**row)
    assert (found.stance, found.rest) == (stance, rest)


def test_a_measure_that_is_new_here_is_shown_by_its_own_name():
    rows = measure_rows([model(transfer={"slope": INTERVAL, "cosine": INTERVAL}, flips=0.25)])
    assert [(name, cells[0].interval, cells[0].text) for name, cells in rows] == [
        ("transfer from narrow to broad, slope", INTERVAL, None),
        ("transfer from narrow to broad, cosine", INTERVAL, None),
        ("flips", None, "0.25"),
    ]


def test_a_transfer_without_limits_is_not_told_from_zero():
    bare = {"value": 1.38, "low": None, "high": None, "n": 240}
    rows = measure_rows([model(transfer={"slope": bare, "cosine": INTERVAL})])
    cells = {name: cell for name, (cell,) in rows}
    slope = cells["transfer from narrow to broad, slope"]
    assert (slope.interval, slope.text, slope.reason) == (None, "not told from zero", True)
    assert cells["transfer from narrow to broad, cosine"].interval == INTERVAL


def test_a_rank_is_told_with_the_number_of_those_ranked():
    found = model(
        discriminant={"rank": 2, "of": 4, "runner_up": "care", "margin": INTERVAL},
        belief_choice={"own": INTERVAL, "rank": 1, "of": 3, "beliefs": {"care": INTERVAL}},
        spread={"worst": {"category": "privacy", "gain": INTERVAL, "of": 6}},
    )
    assert [(measure.name, measure.text) for measure in found.measures] == [
        ("own signature among all", "2 of 4"),
        ("margin to the runner-up", None),
        ("own constitution among all, by choices", "1 of 3"),
        ("stated beliefs match care", None),
        ("spread worst category", "privacy"),
        ("spread worst gain", None),
    ]


def test_families_of_measures_are_named_as_people_read_them_and_headlines_as_themselves():
    spread = {"worst": {"category": "privacy"}, "discrimination": {"before": INTERVAL}}
    found = model(spread_rate=spread, spread_margin=spread, novelty=INTERVAL)
    assert {m.name: group_of(m.key) for m in found.measures} == {
        "worst hazard category": "Safety",
        "AUC of refusals, before": FURTHER,
        "margin (nats/token), worst category": FURTHER,
        "AUC of the margin, before": FURTHER,
        "novelty": FURTHER,
    }


def test_what_a_model_cannot_have_is_told_from_what_was_not_measured():
    gain = {"rate": INTERVAL, "auc_before": 0.5, "auc_after": None}
    models = [
        model(
            constitution="duty",
            scope="narrow",
            placebo="p",
            match=INTERVAL,
            safety_held_out=gain,
            safety_trained=gain,
        ),
        model(
            constitution="duty",
            scope="broad",
            placebo=None,
            match=None,
            safety_held_out=None,
            safety_trained=gain,
        ),
        model(constitution=None, scope="narrow", match=None, safety_held_out=None),
    ]
    rows = {name: [cell.text for cell in cells[1:]] for name, cells in measure_rows(models)}
    assert rows["signature match, against placebo"] == ["no placebo", "no signature"]
    assert rows["safety gain, held out"] == ["none held out", None]
    assert rows["AUC of the margin, held out"] == ["none held out", None]


def test_the_probe_that_signatures_rest_on_comes_first():
    assert probes([{"probe": "agreement"}, {"probe": "endorsement"}, {"probe": ""}]) == [
        "endorsement",
        "agreement",
    ]
