"""The ledger against the engine's own account of what it billed."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from tests.fixtures.ledger_week import Trouble, simulate

DAY = 86400


@pytest.mark.parametrize("seed", range(3))
def test_with_a_look_each_minute_no_start_and_stop_is_off_by_more_than_a_minute(
    seed: int, tmp_path: Path
) -> None:
    week = simulate(tmp_path, seed, Trouble(late_seconds=2), DAY)
    assert week.periods
    assert week.worst <= 62


@pytest.mark.parametrize("seed", range(6))
def test_a_function_that_is_killed_does_not_change_that(seed: int, tmp_path: Path) -> None:
    """One look of a minute is lost, now and then; what starts or stops is looked at twice a minute."""
    week = simulate(tmp_path, seed, Trouble(killed=0.03, late_seconds=2), DAY)
    assert max(later - earlier for earlier, later in pairwise(week.looks)) > 90
    assert week.worst <= 62


def test_errors_do_not_add_up(tmp_path: Path) -> None:
    """What begins between two looks is counted from the middle: too late as often as too early."""
    weeks = [simulate(tmp_path, seed, Trouble(killed=0.01), DAY) for seed in range(3)]
    truth = sum(week.true_unit_seconds for week in weeks)
    assert sum(week.unit_seconds for week in weeks) == pytest.approx(truth, rel=0.005)
