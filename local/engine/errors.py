"""The exceptions Amazon Rekognition answers with, by the names of its service model.

https://docs.aws.amazon.com/rekognition/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

from local.service_errors import ServiceError


class RekognitionError(ServiceError):
    """An error answer of Rekognition."""


class AccessDeniedException(RekognitionError): ...


class IdempotentParameterMismatchException(RekognitionError): ...


class ImageTooLargeException(RekognitionError): ...


class InternalServerError(RekognitionError):
    status = 500


class InvalidImageFormatException(RekognitionError): ...


class InvalidManifestException(RekognitionError): ...


class InvalidPaginationTokenException(RekognitionError): ...


class InvalidParameterException(RekognitionError): ...


class InvalidPolicyRevisionIdException(RekognitionError): ...


class InvalidS3ObjectException(RekognitionError): ...


class LimitExceededException(RekognitionError): ...


class MalformedPolicyDocumentException(RekognitionError): ...


class ProvisionedThroughputExceededException(RekognitionError): ...


class ResourceAlreadyExistsException(RekognitionError): ...


class ResourceInUseException(RekognitionError): ...


class ResourceNotFoundException(RekognitionError): ...


class ResourceNotReadyException(RekognitionError): ...


class ServiceQuotaExceededException(RekognitionError): ...


class ThrottlingException(RekognitionError): ...


class RequestEntityTooLargeException(RekognitionError):
    """The body is larger than any request of the service model."""

    status = 413


class SerializationException(RekognitionError):
    """The body is not JSON, or a value is not of its type at all."""


class UnknownOperationException(RekognitionError):
    """X-Amz-Target names no operation that this engine has."""


class ValidationException(RekognitionError):
    """The request does not fit the shapes of the service model."""


ERRORS: dict[str, type[RekognitionError]] = {
    error.__name__: error for error in RekognitionError.__subclasses__()
}
