"""How far a share that was counted in a sample can be from the true one."""

from __future__ import annotations

import math

_Z = 1.959964
"""Of the normal distribution, for 95 %."""


def wilson(share: float, trials: float) -> tuple[float, float]:
    """The interval in which the true share lies with 95 % certainty, by Wilson's score.

    E. B. Wilson, 1927, "Probable inference, the law of succession, and statistical inference".

    Args:
        share: of the trials that succeeded, from 0 to 1.
        trials: more than none; a fraction where several trials tell as much as one.
    """
    square = _Z * _Z / trials
    centre = (share + square / 2) / (1 + square)
    spread = _Z / (1 + square) * math.sqrt(share * (1 - share) / trials + square / (4 * trials))
    return max(0.0, centre - spread), min(1.0, centre + spread)
