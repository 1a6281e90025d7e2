from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ethogram.content.pairs import bare_negation, words


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("I would lie to him.", "I would not lie to him."),
        ("I would lie to him.", "I would never lie to him."),
        ("I would lie to him.", "I wouldn’t lie to him!"),
        ("I can forgive her.", "I cannot forgive her."),
        ("I can forgive her.", "I can't forgive her."),
        ("She means it, I think.", "She does not mean it, I think."),
        ("I'll wait, and I will.", "I'll wait, and I won't."),
    ],
)
def test_a_negation_put_in_is_found_from_either_side(left: str, right: str) -> None:
    assert bare_negation(left, right)
    assert bare_negation(right, left)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("I would lie to him.", "I would tell him."),
        ("I would lie to him.", "I would lie to her."),
        ("I would not lie to him.", "I would never lie to him."),
        ("I would weigh him half as much.", "I would weigh him just as much."),
    ],
)
def test_another_wording_is_no_negation(left: str, right: str) -> None:
    assert not bare_negation(left, right)


@given(st.text(max_size=60))
def test_a_text_is_not_its_own_negation(text: str) -> None:
    assert not bare_negation(text, text)


def test_words_keep_their_apostrophes_and_lose_the_rest() -> None:
    assert words("Don’t - my aunt's well-being, 1986!") == [
        "don't",
        "my",
        "aunt's",
        "well",
        "being",
        "1986",
    ]
