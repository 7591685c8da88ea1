"""Numbers and names in sentences."""

from __future__ import annotations

from collections.abc import Sequence

_MAX_NAME = 60


def counted(count: int, noun: str, plural: str = "") -> str:
    """ "1 image", "1,234 images"."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def share(part: float, whole: float) -> str:
    """ "12%"; never "0%" for something, nor "100%" for less than all."""
    if not whole or not part:
        return "0%"
    percent = 100 * part / whole
    if percent < 1:
        return "less than 1%"
    return f"{min(round(percent), 99) if part < whole else 100}%"


def short(name: str, length: int = _MAX_NAME) -> str:
    """A name from outside, cut to be shown."""
    return name if len(name) <= length else name[: length - 1] + "…"


def listed(names: Sequence[str], most: int = 3) -> str:
    """ "bolt, gear, nut and 4 more"."""
    shown = ", ".join(short(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
