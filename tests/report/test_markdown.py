import re

from hypothesis import given
from hypothesis import strategies as st

from ethogram.inert import everywhere
from ethogram.report.markdown import LIMIT, cut, literal, summary, table


def rows(text):
    return [line for line in text.splitlines() if line.startswith("|")]


def bare_pipes(line):
    return len(re.findall(r"(?<!\\)\|", line))


def test_a_whole_run_is_short_and_the_failures_come_first(example):
    text = summary(example)
    assert len(text.encode()) < 100_000
    titles = re.findall(r"^#+ (.*)", text, re.MULTILINE)
    assert titles == [
        "Ethogram: expected and measured personas",
        "Gate",
        "Requirements, the failures first",
        "Cases that fail",
        "Models",
        "Widest consistency gaps (signature target minus effect)",
        "Digests and versions",
    ]
    verdicts = re.findall(r"^\| \S (\w+) \|", text.split("### Cases that fail")[0], re.MULTILINE)
    assert verdicts.index("contradicts") < verdicts.index("undecided")


def test_every_row_has_the_cells_of_its_head(example):
    for block in re.split(r"\n\n", summary(example)):
        assert len({bare_pipes(line) for line in rows(block)}) <= 1


def test_what_was_not_measured_is_said(small):
    text = summary(small)
    assert "the loss is nan at step 3 of 6" in text
    assert re.search(r"^\| ∅ not measured \| match \| tiny-duty-broad .* not measured", text, re.M)


def test_foreign_text_is_literal(hostile):
    for said in hostile:
        shown = literal(said)
        assert "\n" not in shown
        assert not re.search(r"[<>`|*_\[\]()!]|::|://", shown)
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202e]", shown)


@given(st.text(st.characters(exclude_categories=()), max_size=80))
def test_any_text_is_one_cell_of_one_row(said):
    (head, _, row, _) = table(("a",), [[literal(said)]])
    assert bare_pipes(row) == bare_pipes(head) == 2
    assert len(row.splitlines()) == 1


def test_hostile_text_changes_no_line_of_the_summary(small, hostile):
    whole, kinds = (
        " ".join(hostile),
        {"persona", "safety", "scenario", "projectability", "finetuned", "placebo"},
    )
    kept = {*kinds, "holds", "contradicts", "undecided"}
    spoilt = everywhere(lambda text: text if text in kept else f"{text} {whole}", small)
    text, plain = summary(spoilt), summary(small)
    assert len(rows(text)) == len(rows(plain))
    for block in text.split("\n\n"):
        assert len({bare_pipes(line) for line in rows(block)}) <= 1
    assert "<" not in text and "`" not in text
    assert not re.search(r"^\s*(::|##\[)", text, re.MULTILINE)


def test_what_is_too_long_is_cut_between_lines_with_a_note(example):
    text = summary(example, 5_000)
    assert len(text.encode()) <= 5_000
    assert re.search(r"\*\*Cut here:\*\* \d+ more lines would pass 5,000 bytes", text)
    assert summary(example).startswith(text.split("\n**Cut")[0])


@given(st.lists(st.text("aé\U0001f642", max_size=40)), st.integers(250, 600))
def test_the_cut_text_is_within_its_limit(lines, limit):
    assert len(cut(lines, limit).encode()) <= limit


def test_the_limit_is_well_below_what_github_drops():
    assert LIMIT < 1024 * 1024


def test_a_report_that_holds_next_to_nothing_has_a_summary():
    assert summary({"cases": []}).startswith("## Ethogram")
