import pytest

from ethogram.report.document import write
from ethogram.report.pages import PAGES
from ethogram.report.stored import read_data


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
    assert read_data(tmp_path / "latest" / "report.json")["cases"] == []
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["report.json"]
