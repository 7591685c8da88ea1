"""A value that is kept for some seconds."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")


class TtlCache(Generic[T]):
    """A value that is loaded again once it is some seconds old."""

    def __init__(self, load: Callable[[], T], seconds: float) -> None:
        self._load, self._seconds = load, seconds
        self._value: T | None = None
        self._loaded_at = 0.0

    def __call__(self) -> T:
        if self._value is None or monotonic() - self._loaded_at > self._seconds:
            self._value, self._loaded_at = self._load(), monotonic()
        return self._value

    def clear(self) -> None:
        self._value = None
