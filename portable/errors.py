"""What can be wrong with a model's files."""

from __future__ import annotations


class ModelFileError(ValueError):
    """A model that cannot be loaded; the message says why, and what helps."""
