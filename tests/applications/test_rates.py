"""How often applications ask, as several processes count it that write to one table."""

from __future__ import annotations

import pytest

from lambdas.domain.applications.directory import Application
from lambdas.domain.applications.rates import Rates
from lambdas.domain.applications.records import Records
from tests.fixtures.applications import Asked

MINUTE = 1_800_000_000.0
SHOP = Application("shop", rate=10)


@pytest.fixture
def written(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What is written: minute and number."""
    calls: list[tuple[int, int]] = []
    add = Records.add_requests

    def noting(records: Records, application: str, minute: int, number: int) -> int:
        calls.append((int(minute - MINUTE // 60), number))
        return add(records, application, minute, number)

    monkeypatch.setattr(Records, "add_requests", noting)
    return calls


def test_a_process_writes_once_a_second_and_lets_no_more_through_than_the_rate(
    asked: Asked, written: list[tuple[int, int]]
) -> None:
    rates = Rates(asked.records)
    assert all(rates.count(SHOP, MINUTE + tenth / 10) for tenth in range(10))
    assert written == [(0, 1)]
    assert rates.is_full(SHOP, MINUTE + 1.5)
    assert not rates.count(SHOP, MINUTE + 1.5)
    assert rates.count(SHOP, MINUTE + 60), "the next minute"
    assert written == [(0, 1), (0, 9), (1, 1)], "nothing that was counted is left out"
    assert asked.records.use("shop", 10, MINUTE + 60).last_hour == 11


def test_processes_exceed_the_rate_by_a_second_s_requests_at_most(
    asked: Asked, written: list[tuple[int, int]]
) -> None:
    one, other = Rates(asked.records), Rates(asked.records)
    let_through = [
        rates.count(SHOP, MINUTE + second + tenth / 10)
        for second in range(6)
        for tenth in (0, 5)
        for rates in (one, other)
    ]
    # Two a second of each, who knows of the other's as they were a second ago.
    assert 10 <= let_through.count(True) <= 10 + 2
    assert let_through[-4:] == [False] * 4


def test_one_that_counts_as_several_is_written_at_once(asked: Asked, written: list[tuple[int, int]]) -> None:
    rates = Rates(asked.records)
    assert rates.count(SHOP, MINUTE)
    assert rates.count(SHOP, MINUTE)
    assert rates.count(SHOP, MINUTE, 5)
    assert written == [(0, 1), (0, 6)]
    assert rates.count(SHOP, MINUTE, 5), "an image that was begun is asked about whole"
    assert not rates.count(SHOP, MINUTE)
