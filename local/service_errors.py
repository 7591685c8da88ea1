"""What an error answer of an emulated service has in common with every other."""

from __future__ import annotations


class ServiceError(Exception):
    """An answer that is an error; the class's name is the error code on the wire."""

    status = 400

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def code(self) -> str:
        return type(self).__name__
