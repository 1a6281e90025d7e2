from __future__ import annotations

import json

from ethogram.cli import main


def test_regressions_against_the_baseline_come_first_and_it_is_never_updated(house, monkeypatch):
    house.run("suite")
    assert main(["baseline", "accept"]) == 0
    file = house.root / "results" / "baseline.json"
    accepted = file.read_text()
    result = house.run("suite")
    result.stdout.fnmatch_lines(["*0 worse, 0 better, 0 moved beyond noise*"])

    data = json.loads(accepted)
    case = "suite/persona/rules.yaml::endorsement::tiny-duty-narrow"
    data["cases"]["suite/persona/gone.yaml::endorsement::tiny-duty-narrow"] = data["cases"][case]
    for row in data["cases"].values():
        if row["kind"] == "safety" and row["probe"] == "refusal-margin":
            row["shifts"] = [
                shift + (9.0 + n / 9 if "hazardous" in name else 0.0)
                for n, (name, shift) in enumerate(
                    zip(data["items"][row["of"]], row["shifts"], strict=True)
                )
            ]
    file.write_text(json.dumps(data))
    before = file.read_text()
    result = house.run("suite")
    text = result.stdout.str()
    assert text.index("Regressions beyond noise") < text.index("Persona: effect")
    assert "1 baseline entries are stale" in text and "gone.yaml" in text
    assert file.read_text() == before

    assert "beyond noise" not in house.run("suite", "--ethogram-baseline=none").stdout.str()
    part = house.run("suite", "-m", "persona").stdout.str()
    assert "only in" not in part, "a selection is no loss of the rest"


def test_a_baseline_that_cannot_be_read_is_said_and_changes_no_verdict(house):
    (house.root / "wrong.json").write_text("{")
    result = house.run("suite/persona", f"--ethogram-baseline={house.root / 'wrong.json'}")
    result.stdout.fnmatch_lines(
        ["*the baseline could not be compared with: *wrong.json: not JSON*"]
    )


def test_cases_that_the_baseline_has_and_this_run_could_not_measure_are_named(house, monkeypatch):
    house.run("suite/persona")
    assert main(["baseline", "accept"]) == 0
    house.rewrite("models.yaml", "samples: 8", "samples: 800")
    result = house.run("suite/persona", "-k", "endorsement")
    result.stdout.fnmatch_lines(["*0 cases compared, 4 lost", "cases of * that are lost in *: 4"])


def test_models_that_another_models_file_leaves_out_are_not_stale(house):
    house.run("suite/persona")
    assert main(["baseline", "accept"]) == 0
    other = house.root / "other.yaml"
    text = (house.root / "models.yaml").read_text()
    other.write_text(text.replace("constitutions: all", "constitutions: [duty], scopes: [narrow]"))
    result = house.run("suite/persona", f"--ethogram-models={other}")
    result.stdout.fnmatch_lines(["*0 worse, 0 better, 0 moved beyond noise*"])
    assert "entries are stale" not in result.stdout.str()
