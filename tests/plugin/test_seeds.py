"""Several seeds of a model in whole runs."""

from __future__ import annotations

POOLED = "tiny-duty-narrow-all-seeds"


def test_all_seeds_of_a_model_have_cases_and_a_row_of_their_own(house):
    house.rewrite("models.yaml", "constitutions: all,", "constitutions: all, seeds: [0, 1],")
    result = house.run("suite", "-m", "projectability", "-k", "duty-narrow", "--junitxml=x.xml")
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    report = house.report()
    pooled = [case for case in report["cases"] if case["model"] == POOLED]
    assert pooled and not report["errors"]
    rows = {row["model"]: row for row in report["models"]}
    assert rows[POOLED]["kind"] == "seeds" and rows[POOLED]["digest"] is None
    assert rows[POOLED]["training"]["seeds"] == [0, 1]
    assert "tiny-duty-narrow-seed1" in rows
    again = house.run("suite", "-m", "projectability", "-k", "duty-narrow", "-n", "2")
    assert again.parseoutcomes()["failed"] == result.parseoutcomes()["failed"]
    assert house.report()["counts"] == report["counts"]
