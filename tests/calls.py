"""Calls to moto from several threads."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from botocore.client import BaseClient


@pytest.fixture
def one_call_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moto checks a condition first and writes then, and takes a transaction back by putting its tables back:
    calls have to be whole, as DynamoDB's are."""
    lock, call = threading.Lock(), BaseClient._make_api_call  # pyrefly: ignore[missing-attribute]

    def alone(self: Any, operation: str, request: Any) -> Any:
        with lock:
            return call(self, operation, request)

    monkeypatch.setattr(BaseClient, "_make_api_call", alone)
