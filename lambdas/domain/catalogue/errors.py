"""The error of the catalogue."""

from __future__ import annotations


class CatalogueError(RuntimeError):
    """The catalogue cannot do what was asked; the message says why."""
