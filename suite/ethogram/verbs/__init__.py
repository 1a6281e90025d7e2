"""Verbs of the command `ethogram` that are too long for its own module."""
