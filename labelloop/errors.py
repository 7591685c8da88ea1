"""The errors of the client: what was asked cannot be had, and the message says what helps."""

from __future__ import annotations

import json
from typing import Any

import httpx


class LabelLoopError(Exception):
    """Every error of this package."""


class ConfigurationError(LabelLoopError):
    """The client cannot be made so: an address or a credential is missing, or is not one."""


class UnusableImageError(LabelLoopError):
    """The image cannot be sent: it is empty, or neither JPEG nor PNG."""


class UnreachableError(LabelLoopError):
    """Nothing answers, or not in time."""


class ApiError(LabelLoopError):
    """The API refuses the request; the message is its own sentence."""

    def __init__(
        self, message: str, *, status: int, code: str = "", field: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        """Of HTTP."""
        self.code = code
        """For programs; empty where API Gateway has refused it, before LabelLoop."""
        self.field = field
        """The member that is wrong; empty if none is."""
        self.retry_after = retry_after
        """Seconds after which to try again; None: nobody knows."""


class InvalidRequestError(ApiError):
    """The request, or its image, cannot be used: nothing that is sent again so will be."""


class AuthenticationError(ApiError):
    """The application is not known, or may not do this."""


class NotFoundError(ApiError):
    """There is no such detection or upload of this application."""


class RateLimitError(ApiError):
    """The application asks more often than it may."""


class NotServingError(ApiError):
    """No model version serves just now; `retry_after` says when one will, if one is being started."""


class UploadError(ApiError):
    """The storage does not take an image that is too large for a request."""


class UnavailableError(ApiError):
    """Something failed on the other side, and still does after the retries."""


_BY_STATUS: dict[int, type[ApiError]] = {
    401: AuthenticationError,
    403: AuthenticationError,
    404: NotFoundError,
    429: RateLimitError,
}
_NOT_SERVING = {"no_champion", "champion_sleeps", "asleep"}


def of_response(response: httpx.Response) -> ApiError:
    """The error that a response says, be it LabelLoop's, API Gateway's, Cognito's or S3's."""
    code, message, field = _words(response)
    status = response.status_code
    if code in _NOT_SERVING:
        kind: type[ApiError] = NotServingError
    else:
        kind = _BY_STATUS.get(status) or (UnavailableError if status >= 500 else InvalidRequestError)
    return kind(message, status=status, code=code, field=field, retry_after=retry_after(response))


def retry_after(response: httpx.Response) -> float | None:
    """The header Retry-After in seconds; None if there is none, or it is a date, which none of ours is."""
    text = response.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdecimal() else None


def _words(response: httpx.Response) -> tuple[str, str, str]:
    """Code, message and field."""
    try:
        document: Any = json.loads(response.content)
    except ValueError:
        document = None
    match document:
        case {"error": {"code": str(code), "message": str(message), **more}}:
            return code, message, str(more.get("field", ""))
        case {"message": str(message)}:
            return "", f"{response.status_code}: {message}", ""
        case {"error": str(code)}:
            return code, f"{response.status_code}: {document.get('error_description', code)}", ""
    shown = response.text[:200].strip() or response.reason_phrase
    return "", f"{response.status_code}: {shown}", ""
