"""Formats numbers, times and verdicts for people."""

from __future__ import annotations

from typing import Any

from lambdas.domain.shared import clock
from lambdas.domain.shared.scores import Verdict

OUTCOME_STYLES = {
    "promoted": "green",
    "rejected": "yellow",
    "trained": "green",
    "skipped": "dim",
    "failed": "red",
}
STATE_STYLES = {"champion": "bold green", "rejected": "yellow", "failed": "red"}


def f1(value: Any) -> str:
    """An F1 score with three decimals."""
    return "" if value is None else f"{float(value):.3f}"


def usd(value: Any) -> str:
    """An amount of US dollars, with more decimals where it is below one."""
    if value is None:
        return ""
    amount = float(value)
    return f"{amount:.2f}" if amount >= 1 or amount == 0 else f"{amount:.4f}"


def seconds(value: Any) -> str:
    """A duration in a fitting unit; empty if it is not known."""
    return "" if value is None else clock.duration(float(value))


def progress(fraction: float | None, seconds_left: float | None, *, before: str = "") -> str:
    """How far something is: 42 %, about 3 min 05 s left; empty if nothing is known, else after `before`."""
    known = [
        "" if fraction is None else f"{fraction:.0%}".replace("%", " %"),
        "" if seconds_left is None else f"about {seconds(seconds_left)} left",
    ]
    text = ", ".join(part for part in known if part)
    return f"{before}{text}" if text else ""


def moment(text: Any) -> str:
    """A time of the tables, in UTC and to the second."""
    return f"{clock.parse(str(text)):%Y-%m-%d %H:%M:%S}Z" if text else ""


def count(number: int, singular: str, plural: str = "") -> str:
    """A number with its noun in singular or plural."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


GATES = {"evaluation": "evaluation gate", "shadow": "shadow gate", "rollback": "rollback"}


def verdict(verdict: Verdict) -> str:
    """The verdict of a gate in one sentence."""
    outcome = "passed" if verdict.passed else "rejected"
    return f"{GATES[verdict.gate]}: {outcome}: {verdict.reason}"
