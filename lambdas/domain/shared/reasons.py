"""Reasons that people give, for the record and for whoever reads it."""

from __future__ import annotations

import unicodedata

MAX_REASON = 500
"""Characters."""
_NO_TEXT = ("Cc", "Cs")
"""Control characters, and halves of surrogates, which nothing could store."""


def reason_problem(reason: str) -> str:
    """Why a text cannot be kept as a reason, in words that follow its name; empty if it can."""
    if len(reason) > MAX_REASON:
        return f"has to be text of up to {MAX_REASON} characters"
    if any(unicodedata.category(letter) in _NO_TEXT and letter not in "\n\r\t" for letter in reason):
        return "has control characters: type it anew"
    return ""
