"""Batches of items that DynamoDB answers in parts, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.domain.shared import dynamodb
from lambdas.domain.shared.dynamodb import UnansweredError, batch_get

KEYS = [{"id": "a"}, {"id": "b"}, {"id": "c"}]


class Throttled:
    """A table, and its client, that answers for `at_once` keys of each request."""

    name = "catalogue"

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self.requests = 0

    @property
    def meta(self) -> Throttled:
        return self

    @property
    def client(self) -> Throttled:
        return self

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:
        self.requests += 1
        keys = RequestItems[self.name]["Keys"]
        left = keys[self.at_once :]
        unprocessed = {self.name: {"Keys": left, "ConsistentRead": True}} if left else {}
        return {"Responses": {self.name: keys[: self.at_once]}, "UnprocessedKeys": unprocessed}


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were waited, without waiting."""
    seconds: list[float] = []

    class Clock:
        sleep = staticmethod(seconds.append)

    monkeypatch.setattr(dynamodb, "time", Clock)
    return seconds


def test_what_is_left_out_is_requested_again_ever_later(waits: list[float]) -> None:
    table: Any = Throttled(at_once=1)
    assert list(batch_get(table, KEYS)) == KEYS
    assert table.requests == 3
    assert waits == [0.05, 0.1]


def test_a_table_that_answers_nothing_is_given_up(waits: list[float]) -> None:
    table: Any = Throttled(at_once=0)
    with pytest.raises(UnansweredError, match="keys of catalogue"):
        list(batch_get(table, KEYS))
    assert table.requests == dynamodb.BATCH_ATTEMPTS
    assert waits == sorted(waits)
