"""Errors that SageMaker and the A2I runtime answer with, by the names of their service models.

The status of an error of the A2I runtime is the model's; errors of SageMaker, of JSON 1.1, are 400.
"""

from __future__ import annotations


class SageMakerError(Exception):
    """An answer that is an error; the class's name is the error code on the wire."""

    status = 400

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def code(self) -> str:
        return type(self).__name__


class AccessDeniedException(SageMakerError): ...


class ConflictException(SageMakerError):
    status = 409


class InternalServerException(SageMakerError):
    status = 500


class RequestEntityTooLargeException(SageMakerError):
    status = 413


class ResourceInUse(SageMakerError): ...


class ResourceNotFound(SageMakerError):
    """Of SageMaker."""


class ResourceNotFoundException(SageMakerError):
    """Of the A2I runtime."""

    status = 404


class UnknownOperationException(SageMakerError): ...


class ValidationException(SageMakerError): ...
