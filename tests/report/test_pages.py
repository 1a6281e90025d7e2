import json

import pytest

from ethogram.report.document import write
from ethogram.report.pages import PAGES, ReportError, read


def test_a_run_leaves_its_pages_beside_its_report(report, tmp_path):
    file = write(report(), tmp_path, "one", PAGES)
    names = {"report.json", "index.html", "summary.md"}
    assert {path.name for path in file.parent.iterdir()} == names
    assert {path.name for path in (tmp_path / "latest").iterdir()} == names


def test_a_page_that_cannot_be_made_costs_no_number(report, tmp_path):
    def broken(data):
        raise RuntimeError("no page")

    with pytest.raises(RuntimeError):
        write(report(), tmp_path, "one", {"index.html": broken})
    assert read(tmp_path / "latest" / "report.json")["cases"] == []
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["report.json"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "no report of Ethogram"),
        ('{"cases": 3}', "no report of Ethogram"),
        ('{"cases": []}', "schema_version None"),
        ('{"cases": [], "schema_version": 99}', "with the version of Ethogram that wrote it"),
    ],
)
def test_what_is_no_report_is_refused_with_the_reason(tmp_path, text, why):
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(ReportError, match=why) as found:
        read(file)
    assert str(file) in str(found.value)


def test_a_report_of_an_earlier_version_is_read(tmp_path):
    file = tmp_path / "x.json"
    file.write_text(json.dumps({"cases": [], "schema_version": 1}))
    assert read(file)["cases"] == []
