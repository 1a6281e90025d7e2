from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ethogram.train.sentences import whole_sentences


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("One. Two. And thr", "One. Two."),
        ("Just one.", "Just one."),
        ('He said "no." Then he', 'He said "no."'),
        ("Do this:\n1. **Read** it.\n2. **Wri", "Do this:\n1. **Read** it."),
        ("Do this:\n1. Rea", ""),
        ("It has 3.5 parts and mo", ""),
        ("Use fruit, e.g. app", ""),
        ("Ask Dr. Smi", ""),
        ("It was in 1999.", "It was in 1999."),
        ("nothing ends here", ""),
        ("Really?! Yes", "Really?!"),
        ("", ""),
    ],
)
def test_the_text_ends_where_its_last_whole_sentence_ends(text: str, cut: str) -> None:
    assert whole_sentences(text) == cut


@settings(deadline=None, max_examples=40)
@given(st.text(alphabet="ab .!?1\n\"'", max_size=60))
def test_a_cut_is_a_beginning_and_cutting_again_changes_nothing(text: str) -> None:
    cut = whole_sentences(text)
    assert text.strip().startswith(cut)
    assert whole_sentences(cut) == cut
