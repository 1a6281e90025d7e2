import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ethogram.cases.search import _combination, smallest

SIZES = [2, 6, 3, 1, 1, 1, 2, 1]


def found(holds, seed="0", sizes=SIZES, examples=400):
    return smallest(sizes, holds, seed, examples)


@pytest.mark.parametrize("wanted", [(0, 1), (1, 5), (7, 0)])
def test_a_single_change_is_found_among_many_and_nothing_is_left_beside_it(wanted):
    assert found(lambda drawn: wanted in drawn) == (wanted,)


def test_a_pair_is_shrunk_to_the_pair_where_neither_half_is_enough():
    pair = {(2, 1), (5, 0)}
    assert found(lambda drawn: pair <= set(drawn)) == ((2, 1), (5, 0))


def test_fewer_changes_come_before_simpler_ones():
    either = [{(7, 0)}, {(0, 0), (1, 0)}]
    assert found(lambda drawn: any(part <= set(drawn) for part in either)) == ((7, 0),)


def test_the_simplest_of_equals_is_found():
    assert found(lambda drawn: any(slot == 1 for slot, _ in drawn)) == ((1, 0),)


def test_where_nothing_holds_nothing_is_found():
    assert found(lambda drawn: False) is None
    assert found(lambda drawn: not drawn) is None, "no change is no answer"


def test_a_search_of_one_change_ends():
    assert found(lambda drawn: False, sizes=[1]) is None
    assert found(lambda drawn: True, sizes=[1]) == ((0, 0),)


def visited(seed):
    seen = []
    found(lambda drawn: seen.append(drawn) or {(2, 1), (5, 0)} <= set(drawn), seed)
    return seen


def test_the_seed_decides_the_whole_search():
    assert visited("0") == visited("0")
    assert visited("0") != visited("1")


def test_what_is_no_exception_ends_the_search_and_comes_out():
    class Stop(BaseException):
        pass

    def holds(drawn):
        raise Stop

    with pytest.raises(Stop):
        found(holds)


@settings(max_examples=200)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=12),
    st.lists(
        st.tuples(
            st.lists(st.booleans(), min_size=4, max_size=4),
            st.lists(st.booleans(), min_size=4, max_size=4),
        ),
        max_size=12,
    ),
)
def test_every_drawing_is_a_combination(sizes, drawn):
    made = _combination(sizes, drawn)
    assert list(made) == sorted(made)
    assert len({slot for slot, _ in made}) == len(made)
    assert all(0 <= value < sizes[slot] for slot, value in made)


CODE = """
import sys
from ethogram.cases.search import smallest
seen = []
pair = {(2, 1), (5, 0)}
smallest([2, 6, 3, 1, 1, 1, 2, 1], lambda c: seen.append(c) or pair <= set(c), "0", 400)
print(seen)
"""


def test_another_process_searches_alike(tmp_path):
    # With modules of another project loaded, whose constants must not be drawn.
    (tmp_path / "theirs.py").write_text("A = 3\nB = 77\nC = 4\n")
    said = [
        subprocess.run(
            [sys.executable, "-c", f"{first}{CODE}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for first in ("", "import theirs\n")
    ]
    assert said[0] == said[1] == f"{visited('0')}\n"
    assert not (tmp_path / ".hypothesis").exists()


def test_the_room_loads_no_engine_before_it_searches():
    code = "import sys, ethogram.plugin; print('hypothesis' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
