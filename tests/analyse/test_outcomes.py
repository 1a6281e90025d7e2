from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ethogram.analyse.effects import effect_of
from ethogram.analyse.intervals import Interval
from ethogram.analyse.outcomes import Against, ItemShift, Outcome, plain

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=12,
)


@pytest.fixture
def undefined(outcome: Callable[..., Outcome]) -> Outcome:
    """An outcome in which much is not defined."""
    return outcome(
        measured=Interval(1.0, math.nan, math.nan, 1),
        gap=None,
        against=(Against("tiny", effect_of([0.5])),),
        extremes=(ItemShift("wallet", 4, -math.inf, "I would hand it in."),),
        facts={"answer_mass": math.nan, "endorsed": ("keep",)},
    )


def test_an_outcome_is_strict_json_and_comes_back_the_same(undefined: Outcome) -> None:
    found = undefined.as_json()
    again = json.loads(json.dumps(found, allow_nan=False))
    assert again == found


def test_limits_that_are_not_defined_are_null_and_not_zero(undefined: Outcome) -> None:
    found = undefined.as_json()
    assert found["measured"] == {"value": 1.0, "low": None, "high": None, "n": 1}
    assert found["against"][0]["effect"]["d_z"] is None
    assert found["extremes"][0]["shift"] is None
    assert found["facts"] == {"answer_mass": None, "endorsed": ["keep"]}
    assert found["gap"] is None


@given(values)
def test_plain_data_has_no_nan_at_any_depth(value: object) -> None:
    found = plain(value)
    text = json.dumps(found, allow_nan=False)
    assert plain(found) == found == json.loads(text)
