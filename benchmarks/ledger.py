"""How far the ledger is off what the engine really billed, on simulated weeks."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.fixtures.ledger_week import Trouble, simulate

WEEKS = 5
CASES = {
    "a look each minute": Trouble(late_seconds=2),
    "3 of 100 looks killed": Trouble(killed=0.03, late_seconds=2),
    "and nobody looks for 10 minutes, 5 times a week": Trouble(killed=0.03, late_seconds=2, outages=5),
}


def measure() -> None:
    """The difference in all, and of the start and stop that is off most."""
    print(
        "the ledger beside the engine's own account; limit 60 s of a unit, where somebody looks each minute"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, trouble in CASES.items():
            weeks = [simulate(Path(folder), seed, trouble) for seed in range(WEEKS)]
            truth = sum(week.true_unit_seconds for week in weeks)
            ledger = sum(week.unit_seconds for week in weeks)
            starts = sum(len(week.periods) for week in weeks)
            print(
                f"  {name}: {truth / 3600:.1f} unit-hours in {starts} starts, ledger {ledger / 3600:.1f}"
                f" ({(ledger - truth) / truth:+.2%}); most of one start {max(w.worst for w in weeks):.0f} s"
            )
            for path in Path(folder).glob("*.sqlite*"):
                path.unlink()
