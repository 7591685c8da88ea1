"""Who uses the command line, for the record."""

from __future__ import annotations

import getpass


def user() -> str:
    """Who uses the command line, for the record."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (OSError, KeyError):
        return "command line"
