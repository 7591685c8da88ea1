"""What is refused over the HTTP API, and how."""

from __future__ import annotations


class ApiError(Exception):
    """A request that is refused: the status, a code for programs, a message that says what to do."""

    def __init__(self, status: int, code: str, message: str, field: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.field = field
