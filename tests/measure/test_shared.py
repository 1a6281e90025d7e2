"""What a batch shares, against a plain count over the prompts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ethogram.measure.shared import ALIKE, Shared
from ethogram.source.chat import common_length

STORY = list(range(100, 160))


def test_what_prompts_share_counts_once_and_the_rest_to_the_longest() -> None:
    assert Shared.by([]).computed == 0
    assert Shared.by([[1, 2, 3, 4]]).computed == 4
    assert Shared.by([[1, 2, 3, 4], [1, 2, 5]]).computed == 2 + 2 * 2
    assert Shared.by([[1, 2, 3], [4, 5]]).computed == 2 * 3


def test_what_a_group_shares_counts_once_too() -> None:
    one, other = [1, *STORY], [1, *(token + 100 for token in STORY)]
    prompts = [[*story, n, n] for story in (one, other) for n in range(6)]
    shared = Shared.by(prompts)
    assert shared.start == 0, "one token alone is no pass"
    assert shared.groups == ((6, 61), (6, 61))
    assert shared.computed == 2 * 61 + 12 * 2
    assert shared.slots == 61 + 2


def test_a_prompt_beside_groups_is_cut_where_its_rest_is_as_long_as_theirs() -> None:
    prompts = [[1, *STORY, n, n] for n in range(6)]
    shared = Shared.by([*prompts, [1, *range(200, 250)]])
    assert shared.groups == ((6, 61), (1, 49))
    assert shared.computed == 2 * 61 + 7 * 2


def test_groups_that_save_less_than_a_pass_are_none() -> None:
    prompts = [[story, *STORY[: ALIKE + 1], n] for story in (1, 2) for n in range(2)]
    assert Shared.by(prompts).groups == ()


PROMPTS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 60), st.lists(st.integers(0, 1), max_size=9)).map(
        lambda made: [7, *([made[0]] * made[1]), *made[2], 9]
    ),
    min_size=1,
    max_size=12,
)


@given(PROMPTS)
def test_every_prompt_is_its_start_its_groups_and_its_rest(prompts: list[list[int]]) -> None:
    prompts = sorted(prompts)
    shared = Shared.by(prompts)
    assert all(tokens[: shared.start] == prompts[0][: shared.start] for tokens in prompts)
    assert all(len(tokens) > shared.start for tokens in prompts)
    assert shared.computed <= len(prompts) * max(map(len, prompts))
    assert shared.slots >= max(map(len, prompts))
    at = 0
    for size, begin in shared.groups:
        members = prompts[at : at + size]
        assert all(tokens[:begin] == members[0][:begin] for tokens in members)
        assert all(len(tokens) > begin >= shared.start for tokens in members)
        at += size
    assert at in (0, len(prompts))


@given(st.lists(st.integers(0, 1), min_size=1), st.lists(st.integers(0, 1), min_size=1))
def test_what_two_share_leaves_each_a_token(one: list[int], other: list[int]) -> None:
    found = common_length([one, other])
    assert one[:found] == other[:found] and found < min(len(one), len(other))
    assert found == min(len(one), len(other)) - 1 or one[found] != other[found]
