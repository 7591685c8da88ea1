from __future__ import annotations

from tests.fixtures.cli import cli, clients, fake, history

__all__ = ["cli", "clients", "fake", "history"]
