"""Errors with a reason for programs: of what comes from outside, and of the HTTP API."""

from __future__ import annotations


class UnusableInputError(ValueError):
    """Something from outside cannot be used: a reason to count by, a detail that says what to do."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class ApiError(Exception):
    """A request that is refused: the status, a code for programs, a message that says what to do."""

    def __init__(
        self, status: int, code: str, message: str, field: str = "", *, retry_after: int = 0
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.field = field
        self.retry_after = retry_after
        """Seconds after which to try again; 0: nobody knows."""
