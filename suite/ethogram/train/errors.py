"""What can go wrong in training, apart from the disk."""

from __future__ import annotations


class FinetuneError(Exception):
    """Training cannot start or had to stop; says nothing about any persona."""
