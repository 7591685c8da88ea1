"""Errors that SageMaker and the A2I runtime answer with, by the names of their service models.

The status of an error of the A2I runtime is the model's; errors of SageMaker, of JSON 1.1, are 400.
"""

from __future__ import annotations

from local.service_errors import ServiceError


class SageMakerError(ServiceError):
    """An error answer of SageMaker or the A2I runtime."""


class AccessDeniedException(SageMakerError): ...


class ConflictException(SageMakerError):
    status = 409


class InternalServerException(SageMakerError):
    status = 500


class RequestEntityTooLargeException(SageMakerError):
    status = 413


class ResourceInUse(SageMakerError): ...


class ResourceLimitExceeded(SageMakerError): ...


class ResourceNotFound(SageMakerError):
    """A resource of SageMaker is not there."""


class ResourceNotFoundException(SageMakerError):
    """A resource of the A2I runtime is not there."""

    status = 404


class UnknownOperationException(SageMakerError): ...


class ValidationException(SageMakerError): ...
