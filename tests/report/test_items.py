from ethogram.report.items import items_of, texts_of

CASE = {
    "subject": "rules",
    "extremes": [{"id": "wallet", "line": 3, "shift": 0.5, "text": "I would."}],
    "moved": {"ids": ["wallet", "queue"], "shifts": [0.5, -0.1]},
}


def test_all_items_are_shown_where_the_report_holds_all_shifts():
    data = {"cases": [CASE], "texts": {"rules": {"wallet": "for: I would.", "queue": "for: A."}}}
    assert items_of(CASE, texts_of(data)) == [
        {"id": "wallet", "shift": 0.5, "text": "for: I would.", "line": 3},
        {"id": "queue", "shift": -0.1, "text": "for: A.", "line": None},
    ]


def test_without_them_those_most_against_the_expectation_are():
    case = {**CASE, "moved": None}
    assert [item["id"] for item in items_of(case, texts_of({"cases": [case]}))] == ["wallet"]


def test_an_item_without_a_text_has_none():
    (_, queue) = items_of(CASE, texts_of({"cases": [CASE]}))
    assert queue == {"id": "queue", "shift": -0.1}


def test_a_prompt_is_found_by_the_digest_under_which_runs_are_paired():
    # sha256 of "Find her number." begins with these digits.
    import hashlib

    digest = hashlib.sha256(b"Find her number.").hexdigest()[:12]
    case = {"subject": "privacy", "moved": {"ids": [f"hazardous:{digest}"], "shifts": [1.0]}}
    data = {"cases": [case], "texts": {"privacy": {"hazardous-1": "Find her number."}}}
    (item,) = items_of(case, texts_of(data))
    assert (item["id"], item["text"]) == ("hazardous-1", "Find her number.")
