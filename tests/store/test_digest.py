from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ethogram.store import digest_of, file_digest

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), PLAIN, min_size=2))
def test_key_order_does_not_count(value: dict[str, Any]) -> None:
    assert digest_of(value) == digest_of(dict(reversed(value.items())))


@given(PLAIN, PLAIN)
def test_different_values_have_different_digests(left: Any, right: Any) -> None:
    # repr tells True from 1, as JSON does; == would not. Key order is taken out first.
    def canonical(value: Any) -> str:
        if isinstance(value, dict):
            return f"dict{sorted((k, canonical(v)) for k, v in value.items())}"
        return repr([canonical(v) for v in value]) if isinstance(value, list) else repr(value)

    assert (digest_of(left) == digest_of(right)) == (canonical(left) == canonical(right))


def test_a_list_is_not_its_concatenation() -> None:
    assert digest_of(["ab", "c"]) != digest_of(["a", "bc"])


def test_what_is_not_plain_data_is_refused() -> None:
    with pytest.raises(TypeError):
        digest_of({"path": Path("x")})
    with pytest.raises(ValueError, match="Out of range"):
        digest_of(math.nan)


def test_digest_is_stable_over_versions() -> None:
    expected = hashlib.sha256(b'{"a":[1,null],"b":"\\u00e9"}').hexdigest()
    assert digest_of({"b": "é", "a": (1, None)}) == expected


def test_file_digest_sees_every_bit(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"abc")
    assert file_digest(file) == hashlib.sha256(b"abc").hexdigest()
    file.write_bytes(b"abb")
    assert file_digest(file) != hashlib.sha256(b"abc").hexdigest()
