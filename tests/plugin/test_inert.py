"""What a run prints and writes holds no secret and no text that does anything."""

import re
import textwrap
import xml.etree.ElementTree as ET

import pytest

SECRET = "skverysecret77"
NASTY = r'"I\n::error::would\r  ##[error]x <script>alert(1)</script> \u202e \x9b2J it"'
TALKS = """
    import logging
    import os

    def test_talks():
        said = "\\x1b[31mred\\x1b[0m \\x1b]0;title\\x07 \\x00\\n::error::no\\n##[error]no\\n"
        print(said, os.environ["MY_API_KEY"])
        logging.getLogger("x").warning("key %s", os.environ["MY_API_KEY"])
        raise RuntimeError(f"https://me:pass@host/?token=abc {os.environ['MY_API_KEY']} {said}")
"""


def everything(house, result):
    """All that a run leaves, by where it stands."""
    files = [*house.root.glob("results/latest/*"), house.root / "junit.xml"]
    found = {file.name: file.read_text(encoding="utf-8") for file in files}
    return {**found, "log": result.stdout.str() + result.stderr.str()}


@pytest.mark.parametrize("workers", ["0", "2"])
def test_no_secret_is_printed_or_written(house, monkeypatch, workers):
    monkeypatch.setenv("MY_API_KEY", SECRET)
    (house.root / "suite" / "test_talks.py").write_text(textwrap.dedent(TALKS))
    house.rewrite("constitutions/duty.yaml", "because: for tests", f"because: a {SECRET} b")
    names = ("suite/persona", "suite/test_talks.py")
    chosen = ("-k", f"not {SECRET}", "-n", workers, "-rA", "--junitxml=junit.xml")
    found = everything(house, house.run(*names, *chosen))
    assert {"report.json", "index.html", "summary.md", "junit.xml", "log"} <= found.keys()
    for place, text in found.items():
        assert SECRET not in text, place
        assert "me:pass@" not in text and "token=abc" not in text, place
    assert "[hidden]" in found["log"] and "[hidden]" in found["junit.xml"]
    assert "not [hidden]" in found["report.json"]


def test_hostile_text_does_nothing_wherever_it_stands(house, monkeypatch):
    monkeypatch.setenv("MY_API_KEY", SECRET)
    (house.root / "suite" / "test_talks.py").write_text(textwrap.dedent(TALKS))
    house.rewrite("suite/persona/rules.yaml", "affirms: I would hand it in.", f"affirms: {NASTY}")
    house.rewrite("constitutions/duty.yaml", "because: for tests", f"because: {NASTY}")
    result = house.run("suite/persona", "suite/test_talks.py", "-rA", "--junitxml=junit.xml")
    found = everything(house, result)
    for line in found["log"].split("\n"):
        assert not line.lstrip().startswith("::"), line
        assert "##[" not in line, line
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", line), repr(line)
    assert ET.fromstring(found["junit.xml"]).tag == "testsuites"
    assert "<script>alert" not in found["index.html"]
    assert "alert(1)" in found["index.html"], "it is shown, and harmless"
    assert "<script" not in found["summary.md"]
    assert found["report.json"].isascii()


def test_a_collection_error_keeps_no_secret(house, monkeypatch):
    monkeypatch.setenv("MY_API_KEY", SECRET)
    house.rewrite("suite/persona/rules.yaml", "id: queue", f"{SECRET}: x, id: queue")
    result = house.run("suite/persona", "--junitxml=junit.xml")
    assert "unknown key" in result.stdout.str()
    assert SECRET not in result.stdout.str() + (house.root / "junit.xml").read_text()


def test_a_page_that_cannot_be_made_costs_no_number(house, monkeypatch):
    from ethogram.report import html

    def broken(data):
        raise RuntimeError("no page today")

    monkeypatch.setattr(html, "template", broken)
    result = house.run("suite/scenarios")
    result.stdout.fnmatch_lines(
        ["report.json is written, its pages are not: RuntimeError: no page today"]
    )
    assert house.report()["cases"]
