"""The errors of the catalogue."""

from __future__ import annotations


class CatalogueError(RuntimeError):
    """The catalogue cannot do what was asked; the message says why."""


class StaleLabelsError(CatalogueError):
    """The image is no longer labelled as the change expects."""
