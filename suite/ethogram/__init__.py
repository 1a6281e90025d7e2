"""Ethogram: does a finetuned model's ethical persona project? A test suite that answers."""

__version__ = "0.1.0"
