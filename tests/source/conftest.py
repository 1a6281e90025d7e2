"""What tests of models in memory share."""

from __future__ import annotations

import pytest

from ethogram.specs.models import Source


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch) -> Source:
    """A mixed source on a processor that multiplies bfloat16, whatever this one does."""
    monkeypatch.setattr("ethogram.source.precision.native_bfloat16", lambda: True)
    return Source(folder=".", device="cpu", dtype="mixed")
