"""How far a share that was counted in a sample can be from the true one."""

from __future__ import annotations

import math

_Z = 1.959964
"""Of the normal distribution, for 95 %."""
_MAX_EXACT = 1000
"""Trials from which on Wilson's interval and the posterior one are the same to a thousandth."""


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


def posterior(successes: int, failures: int) -> tuple[float, float]:
    """The interval in which the true share lies with 95 % probability, if every share was as probable before.

    That is the middle of the beta distribution of `successes + 1` and `failures + 1`.
    """
    trials = successes + failures
    if trials > _MAX_EXACT:
        return wilson(successes / trials, trials)
    return _quantile(successes, trials, 0.025), _quantile(successes, trials, 0.975)


def _quantile(successes: int, trials: int, level: float) -> float:
    """The share below which the true one lies with this probability, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        # The beta distribution's function in whole numbers: that of one trial more having more successes.
        chances = (
            math.comb(trials + 1, more) * middle**more * (1 - middle) ** (trials + 1 - more)
            for more in range(successes + 1, trials + 2)
        )
        low, high = (middle, high) if math.fsum(chances) < level else (low, middle)
    return (low + high) / 2
