"""What goes wrong between a query and its score."""

from __future__ import annotations


class EngineError(Exception):
    """A query cannot be put to this model."""
