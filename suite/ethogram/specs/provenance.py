"""Where imported text comes from."""

from __future__ import annotations

from ethogram.specs.base import Spec, Text


class Provenance(Spec):
    """Where imported text comes from and on what terms."""

    source: Text
    licence: Text
    sha256: str | None = None
