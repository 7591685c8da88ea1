"""What the attacks wait for, without anything that is attacked."""

from __future__ import annotations

import time

import pytest

from tests.chaos.target import grows
from tests.fixtures.sleeping import sleeps


@pytest.mark.parametrize(
    ("counts", "looks"),
    [
        pytest.param([3], 1, id="reached"),
        pytest.param([0, 0, 1, 1, 2, 2, 3], 7, id="slow, and longer than the time for one"),
        pytest.param([1, 1, 1, 1, 1, 3], 4, id="it stands still"),
    ],
)
def test_a_number_that_grows_is_waited_for(
    counts: list[int], looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept = sleeps(monkeypatch)
    monkeypatch.setattr(time, "monotonic", lambda: float(sum(slept)))
    left = iter(counts)
    grows(lambda: next(left), 3, 15)
    assert len(slept) == looks - 1
