"""A diff of two prompts is read by people."""

from ethogram.cases.diff import prompt_diff


def test_a_diff_shows_spaces_that_nobody_would_see():
    found = prompt_diff("One. Two.\nA. Go.", "One.  Two.\nA. Go.\n\n")
    assert found == [
        "--- unperturbed",
        "+++ perturbed",
        "@@ -1 +1 @@",
        "-One.",
        "+One.\u2423\u2423",
        "@@ -3,0 +4,2 @@",
        "+",
        "+",
    ]


def test_a_diff_names_only_the_sentence_that_differs():
    found = prompt_diff("She waits. He goes.\nA. Go.", "She waits. He went.\nA. Go.")
    assert found[3:] == ["-He goes.", "+He went."]


def test_equal_prompts_have_no_diff():
    assert prompt_diff("One. Two.", "One. Two.") == []
