"""Decision, comparison and baseline over stored runs."""

import json
import math
from dataclasses import replace

import pytest

from ethogram.analyse.intervals import Interval
from ethogram.analyse.outcomes import Moved
from ethogram.report.baseline import accept, read_baseline, stale_cases
from ethogram.report.comparison import compare_models, compare_runs, comparison_text
from ethogram.report.decision import Gate, decide
from ethogram.report.document import write
from ethogram.report.stored import ReportError, read_data, read_report, stored_of
from ethogram.specs.base import read_spec
from ethogram.specs.requirements import Requirement, Requirements

IDS = tuple(f"item-{n}" for n in range(24))
MODEL = "tiny-duty-narrow"


MEASURED = {
    "holds": Interval(0.75, 0.41, 0.9, 24),
    "contradicts": Interval(0.1, 0.0, 0.2, 24),
    "undecided": Interval(0.3, 0.1, 0.5, 24),
    "unjudged": Interval(0.75, 0.41, 0.9, 24),
}
"""Of `at least +0.3`."""


@pytest.fixture
def requirement(outcome):
    def make(name="match", verdict="holds", model=MODEL, **changed):
        changed.setdefault("measured", MEASURED[verdict])
        return outcome(
            case=f"suite/projectability.yaml::{name}::{model}",
            kind="projectability",
            subject=name,
            probe="signature-match",
            model=model,
            expected="at least +0.3 on its confidence limit",
            verdict=verdict,
            p=None,
            moved=None,
            **changed,
        )

    return make


@pytest.fixture
def persona(outcome):
    def make(by=0.5, model=MODEL, expected="more", subject="rules", ids=IDS, stems=None):
        shifts = [by + (0.01 * n) for n in range(len(ids))]
        return outcome(
            case=f"suite/persona/{subject}.yaml::endorsement::{model}",
            subject=subject,
            model=model,
            expected=expected,
            moved=Moved.of(ids, shifts, stems),
        )

    return make


@pytest.fixture
def stored(report, tmp_path):
    def make(*outcomes, name="run", **changed):
        return read_report(write(report(outcomes=outcomes, **changed), tmp_path, name))

    return make


# -- promote --------------------------------------------------------------------------------------


def gate(*names, **changed):
    """A gate that asks `at least: 0.3` under every one of the names."""
    asked = [Requirement(id=name, measure="signature-match", at_least=0.3) for name in names]
    return Gate(asked, **changed)


def test_a_model_is_promoted_only_where_every_requirement_holds(stored, requirement):
    run = stored(requirement(), requirement("safe"))
    found = decide(run, MODEL, gate("match", "safe"))
    assert found.code == 0
    assert found.reason.startswith(
        f"Promote {MODEL}: all 2 requirements hold (none measured once more: this cache lacks the "
        "scores): match (at least +0.3"
    )
    assert "\n" not in found.reason and "n = 24" in found.reason


def test_numbers_are_held_to_what_the_scores_say_now(stored, requirement):
    run = stored(requirement(), requirement("safe"))
    said = MEASURED["holds"]
    close = Interval(said.value + 1e-9, said.low, said.high, said.n)
    found = decide(run, MODEL, gate("match", "safe", measured={"match": close}))
    assert found.code == 0 and "(1 of them measured once more" in found.reason
    for other in (Interval(0.7, said.low, said.high, 24), Interval(math.nan, 0.0, 1.0, 24)):
        found = decide(run, MODEL, gate("match", "safe", measured={"match": other}))
        assert found.code == 2
        assert "match measured +0.75 [+.41,+.90], it says, and the stored scores" in found.reason


def test_one_that_does_not_hold_keeps_it_back_whatever_else_is_unknown(stored, requirement):
    run = stored(
        requirement(),
        requirement("safe", "contradicts"),
        requirement("calm", "undecided"),
        errors=(f"suite/projectability.yaml::spread::{MODEL}",),
    )
    found = decide(run, MODEL, gate("match", "safe", "calm", "spread", "never"))
    assert found.code == 1 and "1 of 3 requirements measured does not hold" in found.reason


@pytest.mark.parametrize(
    ("cases", "errors", "asked", "said"),
    [
        ([], (), gate("match"), "holds no requirement case"),
        ([("match", "undecided")], (), gate("match"), "1 requirement undecided (match)"),
        ([("match", "holds")], ("safe",), gate("match"), "1 requirement not measured (safe)"),
        ([], ("safe", "calm"), gate("match"), "2 requirements not measured (calm, safe)"),
        ([("match", "holds")], (), gate("match", "safe"), "1 requirement never run (safe)"),
        (
            [("match", "holds")],
            (),
            gate("match", changed=["suite/x.yaml"]),
            "changed since the run: su",
        ),
        ([("match", "unjudged")], (), gate("match"), "1 requirement unjudged (match)"),
        ([("match", "holds")], (), Gate(), "the suite requires nothing of it"),
        ([("match", "holds")], (), Gate(problem="there is no suite here"), "no suite here"),
        ([], (), Gate(problem="there is no suite here"), "no suite here"),
    ],
)
def test_what_is_not_known_never_promotes(stored, requirement, cases, errors, asked, said):
    run = stored(
        *(requirement(*case) for case in cases),
        requirement("match", "holds", "tiny-utility-broad"),
        errors=tuple(f"suite/projectability.yaml::{name}::{MODEL}" for name in errors),
    )
    found = decide(run, MODEL, asked)
    assert found.code == 2 and said in found.reason and found.reason.startswith("Could not decide")


def test_a_requirement_broken_is_told_without_a_suite_too(stored, requirement):
    found = decide(stored(requirement(verdict="contradicts")), MODEL, Gate(problem="no suite"))
    assert found.code == 1 and "1 of 1 requirement measured does not hold" in found.reason


def test_persona_cases_alone_promote_nobody_and_the_way_out_is_told(stored, persona, requirement):
    run = stored(persona(), requirement(model="tiny-utility-broad"))
    found = decide(run, MODEL, gate("match"))
    measures = f"`pytest suite -m projectability -k {MODEL}` measures them"
    assert found.code == 2 and measures in found.reason
    other = decide(replace(run, models_file="mine.yaml"), MODEL, gate("match"))
    assert f"-k {MODEL} --ethogram-models=mine.yaml`" in other.reason


DEFINED = Interval(0.75, 0.41, 0.9, 24)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"measured": Interval(math.nan, math.nan, math.nan, 24)}, "interval without numbers"),
        ({"measured": Interval(0.75, math.nan, math.nan, 24)}, "interval without numbers"),
        ({"measured": replace(DEFINED, high=math.inf)}, "interval without numbers"),
        ({"measured": replace(DEFINED, low=0.95)}, "has no such interval"),
        ({"measured": replace(DEFINED, n=0)}, "has no such interval"),
        ({"measured": Interval(0.28, -1.64, 1.34, 384)}, "is undecided against at least +0.3"),
        ({"measured": Interval(0.1, 0.0, 0.2, 24)}, "is contradicts against at least +0.3"),
        ({"expected": "at least -9 on its confidence limit"}, "asks signature-match at least -9"),
        ({"expected": "at least +0.3 on its estimate"}, "and the suite signature-match at least"),
        ({"probe": "over-refusal"}, "asks over-refusal"),
        ({"subject": "gone"}, "is called gone of tiny-duty-narrow"),
        ({"verdict": "contradicts"}, "is holds against at least +0.3"),
        ({"verdict": "undecided"}, "is holds against at least +0.3"),
    ],
)
def test_a_verdict_that_its_own_row_does_not_bear_out_decides_nothing(
    stored, requirement, changed, said
):
    run = stored(requirement())
    (case,) = run.cases.values()
    assert decide(run, MODEL, gate("match")).code == 0
    odd = replace(run, cases={case.case: replace(case, **changed)})
    found = decide(odd, MODEL, gate("match"))
    assert found.code == 2 and said in found.reason, found.reason


def test_a_requirement_that_the_suite_does_not_know_decides_nothing(stored, requirement):
    found = decide(stored(requirement(), requirement("gone")), MODEL, gate("match"))
    assert found.code == 2 and "gone is no requirement of the suite" in found.reason


def test_an_estimate_needs_no_limits(stored, requirement):
    alone = Interval(0.75, math.nan, math.nan, 1)
    run = stored(replace(requirement(measured=alone), expected="at least +0.3 on its estimate"))
    asked = Requirement(id="match", measure="signature-match", at_least=0.3, on="estimate")
    assert decide(run, MODEL, Gate([asked])).code == 0


@pytest.mark.parametrize("verdict", ["holds", "contradicts"])
def test_what_was_not_measured_is_not_believed_without_a_suite_either(stored, requirement, verdict):
    undefined = Interval(math.nan, math.nan, math.nan, 24)
    run = stored(requirement(verdict=verdict, measured=undefined))
    assert decide(run, MODEL, Gate(problem="there is no suite here")).code == 2


@pytest.mark.parametrize("digest", [None, ""])
@pytest.mark.parametrize("missing", [MODEL, "tiny"])
def test_models_without_a_digest_decide_nothing(stored, requirement, missing, digest):
    known = {MODEL: "a" * 64, "tiny": "b" * 64}
    asked = gate("match", rests_on=list(known))
    run = stored(requirement())
    assert decide(replace(run, digests=known), MODEL, asked).code == 0
    for digests in (
        {**known, missing: digest},
        {name: found for name, found in known.items() if name != missing},
    ):
        found = decide(replace(run, digests=digests), MODEL, asked)
        assert found.code == 2 and f"names no digest of {missing}" in found.reason


def test_one_that_does_not_hold_keeps_back_beside_one_that_is_not_believed(stored, requirement):
    odd = requirement("odd", measured=Interval(0.1, 0.0, 0.2, 24))
    found = decide(stored(requirement("safe", "contradicts"), odd), MODEL, gate("safe", "odd"))
    assert found.code == 1


def test_an_id_that_stands_twice_is_refused(report, requirement, row):
    data = report(outcomes=(requirement(verdict="contradicts"),), models=(row(),)).as_json()
    assert stored_of(data, "run").cases
    (case,), (model,) = data["cases"], data["models"]
    with pytest.raises(ReportError, match=r"the case '.*::match::.*' stands in it twice"):
        stored_of({**data, "cases": [case, {**case, "verdict": "holds"}]}, "run")
    with pytest.raises(ReportError, match="the model 'tiny-duty-narrow' stands in it twice"):
        stored_of({**data, "models": [model, model]}, "run")


def test_every_verdict_of_the_example_follows_from_its_interval(example, own_suite):
    run = stored_of(example, "example")
    file = own_suite.folder / "projectability.yaml"
    asked = {r.id: r for r in read_spec(Requirements, file).requirements}
    for model in {c.model for c in run.cases.values() if c.kind == "projectability"}:
        found = decide(run, model, Gate(list(asked.values()), rests_on=[model, "smollm2"]))
        assert "not to be believed" not in found.reason and "digest" not in found.reason


# -- compare --------------------------------------------------------------------------------------


def test_two_runs_are_paired_by_item_and_regressions_come_first(stored, persona, requirement):
    before = stored(persona(0.5), persona(-0.5, subject="taste"), requirement(), name="before")
    after = stored(persona(0.1), persona(0.5, subject="taste"), requirement(), name="after")
    found = compare_runs(before, after)
    assert [(p.after.subject, p.direction) for p in found.pairs] == [
        ("rules", "worse"),
        ("taste", "better"),
        ("match", "same"),
    ]
    assert found.pairs[0].change.p == pytest.approx(2 * 0.5**24)
    assert found.pairs[0].p_holm == pytest.approx(6 * 0.5**24)
    text = comparison_text(found)
    assert text.index("Regressions") < text.index("Improvements")
    assert "3 cases compared; 1 worse, 1 better, 0 moved" in text
    assert max(len(line) for line in text.splitlines() if "report.json" not in line) <= 100


def test_what_chance_alone_brings_is_listed_and_is_no_regression(stored, persona):
    ups = [-1.0] * 19 + [1.0] * 5  # p = 0.007 alone
    subjects = [f"s{n}" for n in range(20)]

    def run(name, by, sharp):
        cases = [persona(0.5, subject=s) for s in subjects]
        moved = [0.5 + 0.01 * n + by * up for n, up in enumerate(ups)]
        cases[0] = replace(cases[0], moved=Moved.of(IDS, moved))
        if sharp:
            cases[1] = persona(-0.5, subject=subjects[1])
        return stored(*cases, name=name)

    before = run("before", 0.0, False)
    found = compare_runs(before, run("chance", 0.2, False))
    assert [p.after.subject for p in found.of("worse")] == ["s0"] and not found.regressions
    assert "Regressions beyond noise: 0 of 1 survive Holm" in comparison_text(found)
    real = compare_runs(before, run("real", 0.2, True))
    assert len(real.of("worse")) == 2
    assert [p.after.subject for p in real.regressions] == ["s1"]
    assert "0.000 *" in comparison_text(real)


def test_a_run_compared_with_itself_shows_no_change(stored, persona, requirement):
    run = stored(persona(), requirement())
    found = compare_runs(run, run)
    assert not found.of("worse") and not found.of("better") and not found.only_before


def test_what_chance_alone_changes_is_the_exact_rate_of_the_items(stored, persona):
    run = stored(*(persona(subject=f"d{at}") for at in range(12)))
    assert "by chance alone about 0.4 each way" in comparison_text(compare_runs(run, run))


def test_cases_that_only_one_run_has_are_named(stored, persona):
    found = compare_runs(stored(persona(), name="a"), stored(persona(subject="taste"), name="b"))
    assert not found.pairs
    assert "cases only in" in comparison_text(found) and len(found.only_before) == 1


def test_cases_lost_to_errors_are_named(stored, persona, requirement):
    undefined = Interval(math.nan, math.nan, math.nan, 24)
    before = stored(persona(), persona(subject="taste"), requirement(), name="a")
    error = f"suite/persona/taste.yaml::endorsement::{MODEL}"
    after = stored(persona(), requirement(measured=undefined), errors=(error,), name="b")
    found = compare_runs(before, after)
    assert found.lost == (error, f"suite/projectability.yaml::match::{MODEL}")
    assert not found.only_before and [p.direction for p in found.pairs] == ["unknown", "same"]
    text = comparison_text(found)
    assert "that are lost in" in text and f": 2\n  {error}" in text
    assert "1 case compared, 2 lost; 0 worse" in text
    assert not compare_runs(after, before).lost


def test_a_model_that_could_not_be_measured_loses_what_the_other_has(stored, persona):
    other = "tiny-utility-narrow"
    run = stored(persona(), errors=(f"suite/persona/rules.yaml::endorsement::{other}",))
    assert compare_models(run, MODEL, other).lost == ("persona::rules::endorsement",)


def test_what_has_no_value_in_the_other_model_is_lost_and_not_counted_again(stored, requirement):
    undefined = Interval(math.nan, math.nan, math.nan, 24)
    other = "tiny-utility-narrow"
    theirs = replace(
        requirement(measured=undefined),
        case=f"suite/projectability.yaml::match::{other}",
        model=other,
    )
    found = compare_models(stored(requirement(), theirs), MODEL, other)
    text = comparison_text(found)
    assert len(found.lost) == 1 and "0 cases compared, 1 lost" in text
    assert theirs.case not in text


def test_two_models_are_compared_by_what_they_share(stored, persona):
    other = "tiny-utility-narrow"
    run = stored(persona(0.5), persona(0.1, other), persona(0.1, other, "less", "taste"))
    found = compare_models(run, MODEL, other)
    assert [(p.after.subject, p.direction) for p in found.pairs] == [("rules", "worse")]
    assert found.only_after == ("persona::taste::endorsement",)
    opposed = stored(persona(0.5), persona(0.1, other, "less"), name="opposed")
    assert compare_models(opposed, MODEL, other).pairs[0].direction == "moved"


def test_a_persona_that_no_longer_bears_pressure_is_worse(stored, requirement):
    def bears(value, name):
        kept = Interval(value, value - 0.1, value + 0.1, 24)
        held = requirement("doubt", measured=kept)
        return stored(replace(held, kind="pressure", expected="more"), name=name)

    assert compare_runs(bears(0.9, "a"), bears(0.2, "b")).pairs[0].direction == "worse"
    assert compare_runs(bears(0.2, "c"), bears(0.9, "d")).pairs[0].direction == "better"


def test_items_that_share_a_stem_are_compared_as_one(stored, persona):
    # Of 24 items 17 rise; of the 6 stems that is no more than chance.
    stems = [f"stem-{n // 4}" for n in range(24)]
    ups = [1 if n < 17 else -1 for n in range(24)]

    def moved(case, by, stems=None):
        shifts = [0.01 * n + by * up for n, up in enumerate(ups)]
        return replace(case, moved=Moved.of(IDS, shifts, stems))

    before = stored(moved(persona(), 0.0))
    alone = compare_runs(before, stored(moved(persona(), 1.0), name="alone"))
    found = compare_runs(before, stored(moved(persona(), 1.0, stems), name="stems"))
    ((one,), (other,)) = alone.pairs, found.pairs
    assert (one.direction, other.direction) == ("better", "same")
    assert one.change.value == other.change.value and one.change.p < other.change.p


# -- baseline -------------------------------------------------------------------------------------


def test_an_accepted_run_shows_no_change_against_itself(stored, persona, requirement, tmp_path):
    run, file = stored(persona(), requirement()), tmp_path / "baseline.json"
    done = accept(run, file)
    assert (done.added, done.updated, done.kept, done.dropped) == (2, 0, 0, ())
    again = read_baseline(file)
    assert again.cases.keys() == run.cases.keys()
    assert not compare_runs(again, run).of("worse")
    worse = stored(persona(-0.5), name="later")
    assert [p.after.subject for p in compare_runs(again, worse).of("worse")] == ["rules"]


def test_accepting_a_part_keeps_the_rest_and_drops_what_the_suite_lost(stored, persona, tmp_path):
    file = tmp_path / "baseline.json"
    accept(stored(persona(), persona(subject="taste"), persona(subject="gone")), file)
    old = read_baseline(file)
    part = stored(persona(0.1), name="part")
    left = [case for case in old.cases if "gone" not in case]
    assert stale_cases(old, left) == [f"suite/persona/gone.yaml::endorsement::{MODEL}"]
    done = accept(part, file, left)
    assert (done.added, done.updated, done.kept) == (0, 1, 1) and len(done.dropped) == 1
    now = read_baseline(file)
    assert set(now.cases) == set(left)
    assert now.cases[left[0]].shifts["item-0"] == 0.1


def test_items_are_written_once_for_the_cases_that_share_them(stored, persona, tmp_path):
    file = tmp_path / "baseline.json"
    other = persona(model="tiny-utility-narrow")
    accept(stored(persona(), other, persona(subject="taste", ids=IDS[:5])), file)
    data = json.loads(file.read_text())
    assert {name: len(ids) for name, ids in data["items"].items()} == {
        "persona/rules": 24,
        "persona/taste": 5,
    }
    assert len(file.read_text().splitlines()) < 70
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_limits_that_are_not_defined_survive(stored, requirement, tmp_path):
    undefined = requirement(measured=Interval(math.nan, math.nan, math.nan, 5), verdict="undecided")
    run, file = stored(undefined), tmp_path / "baseline.json"
    accept(run, file)
    (case,) = read_baseline(file).cases.values()
    assert math.isnan(case.measured.value) and case.measured.n == 5
    assert compare_runs(read_baseline(file), run).pairs[0].change is None


def test_an_empty_run_is_not_accepted(stored, tmp_path):
    with pytest.raises(ReportError, match="nothing to accept"):
        accept(stored(), tmp_path / "baseline.json")
    assert not (tmp_path / "baseline.json").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "does not exist"),
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "no report of Ethogram"),
        ('{"cases": 3}', "no report of Ethogram"),
        ('{"cases": []}', "schema_version None"),
        ('{"cases": [], "schema_version": 99}', "with the version of Ethogram that wrote it"),
        ('{"schema_version": 2, "cases": []}', "not a whole report"),
        ('{"schema_version": 2, "cases": [1], "models": []}', "not a whole report"),
    ],
)
def test_what_is_no_report_is_named(tmp_path, text, said):
    file = tmp_path / "report.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ReportError, match=said) as found:
        read_report(tmp_path if text else file)
    assert str(tmp_path) in str(found.value)
    with pytest.raises(ReportError):
        read_baseline(file)


def test_a_report_of_an_earlier_version_is_read(tmp_path):
    file = tmp_path / "x.json"
    file.write_text(json.dumps({"cases": [], "schema_version": 1}))
    assert read_data(file)["cases"] == []
