import shutil

import pytest


def test_undecided_fails_unless_told_otherwise(house, warm):
    verdicts = [case["verdict"] for case in warm.report["cases"]]
    counted = house.run("suite").parseoutcomes()
    assert counted["failed"] == verdicts.count("undecided") + verdicts.count("contradicts")
    assert counted["skipped"] == verdicts.count("unjudged")


def test_undecided_skips_when_told_so_and_is_still_reported(house, warm):
    verdicts = [case["verdict"] for case in warm.report["cases"]]
    result = house.run("suite", "--ethogram-undecided=skip", "-rs")
    assert result.parseoutcomes() == {
        "failed": verdicts.count("contradicts"),
        "passed": verdicts.count("holds"),
        "skipped": verdicts.count("undecided") + verdicts.count("unjudged"),
    }
    assert house.report()["counts"] == warm.report["counts"]
    result.stdout.fnmatch_lines(["SKIPPED *endorsement on tiny-duty-narrow is undecided"])


def test_undecided_knows_two_words(house):
    result = house.run("--ethogram-undecided=pass")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_results_go_where_told(house, tmp_path):
    house.run("suite/scenarios", f"--ethogram-results={tmp_path / 'elsewhere'}")
    assert (tmp_path / "elsewhere" / "latest" / "report.json").is_file()
    assert not (house.root / "results").exists()


def test_another_models_file_brings_its_own_models(house):
    text = (
        (house.root / "models.yaml")
        .read_text()
        .replace("constitutions: all", "constitutions: [duty]")
    )
    (house.root / "few.yaml").write_text(text)
    ids = house.ids("suite/persona", "--ethogram-models=few.yaml")
    assert {name.rpartition("::")[2] for name in ids} == {"tiny-duty-broad", "tiny-duty-narrow"}


def test_the_report_names_the_models_file_of_the_run(house):
    shutil.copy(house.root / "models.yaml", house.root / "suite" / "few.yaml")
    house.run("suite/scenarios", "--ethogram-models=suite/few.yaml")
    report = house.report()
    assert report["models_file"] == "suite/few.yaml"
    assert report["models_file"] in report["files"] and "models.yaml" not in report["files"]


def test_the_cache_may_be_named_by_the_environment(house, monkeypatch):
    monkeypatch.setenv("ETHOGRAM_CACHE", str(house.cache))
    result = house.pytester.runpytest_inprocess("suite/persona")
    assert "ethogram: " not in result.stderr.str()
    assert sum(result.parseoutcomes().values()) == 8


def test_help_and_markers_are_told(house):
    house.run("--help", "suite").stdout.fnmatch_lines(
        ["*--ethogram-cache=DIR*", "*--ethogram-models=FILE*", "*--ethogram-undecided={fail,skip}*"]
    )
    house.run("--markers", "suite").stdout.fnmatch_lines(
        [f"@pytest.mark.{name}: *" for name in ("persona", "scenario", "safety", "projectability")]
    )
