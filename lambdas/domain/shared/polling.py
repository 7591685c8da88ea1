"""How long to wait before looking again at something that takes its time."""

from __future__ import annotations

import math

_SHARE = 40
"""The part of the time that was waited already which may pass until the next look: the end of what takes an
hour is noticed 90 seconds late at most, that of three days less than two hours."""


def next_look(waited_seconds: float, poll_seconds: int) -> int:
    """Seconds until the next look: the longer something has taken, the more.

    Each look takes nine events of an execution's history, which holds 25,000; looking every minute, an
    execution would end after 46 hours. A month takes fewer than 500 looks, whatever `poll_seconds` is.
    https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
    """
    return max(poll_seconds, math.ceil(waited_seconds / _SHARE))
