"""The calls of the API as generators, which know neither threads nor asyncio.

Each yields what has to be done next, a request or a pause, gets the response sent in (or the error thrown
in), and returns its result. `Client` and `AsyncClient` do what they yield.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar
from urllib.parse import quote

import httpx

from labelloop import errors
from labelloop.errors import (
    ApiError,
    InvalidRequestError,
    LabelLoopError,
    UnavailableError,
    UnreachableError,
    UnusableImageError,
    UploadError,
)
from labelloop.models import Detection

MAX_BODY_BYTES = 4 * 1024 * 1024
"""Of an image in a request's body; a larger one is uploaded, and so is one that the API finds too large."""
DETECTIONS = "/v1/detections"
RETRIED = frozenset({429, 500, 502, 503, 504})
"""Statuses of what may succeed later."""
UNDER_WAY = "under_way"
"""The code of 409 where a request with the same idempotency key is being answered."""
FIRST_PAUSE, MAX_PAUSE = 0.25, 8.0

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """A request that is to be sent."""

    method: str
    url: str
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    json: Any = None
    signed: bool = False
    """Whether its address or form carries a signature, so that no token belongs to it."""


@dataclass(frozen=True)
class Pause:
    """Seconds to wait."""

    seconds: float


Call: TypeAlias = Generator[Request | Pause, Any, T]
FAILURES = (httpx.TransportError, ApiError)
"""What a request may raise that a call has to hear of."""


class UnderWay(Generic[T]):
    """A call that is being made: what is to be done next, and in the end its result."""

    result: T

    def __init__(self, call: Call[T]) -> None:
        self._call = call
        self.step: Request | Pause | None = next(call)
        """None once there is a result."""

    def go_on(self, outcome: httpx.Response | None) -> None:
        """Tell the call what came of its step."""
        self._take(self._call.send, outcome)

    def fail(self, error: Exception) -> None:
        """Tell the call that its step has failed.

        Raises:
            LabelLoopError: that cannot be helped.
        """
        self._take(self._call.throw, error)

    def _take(self, tell: Callable[[Any], Request | Pause], what: object) -> None:
        try:
            self.step = tell(what)
        except StopIteration as end:
            self.step, self.result = None, end.value


@dataclass(frozen=True)
class Retries:
    """How often, and for how long, a call is tried again."""

    number: int = 4
    max_wait_seconds: float = 60.0
    """Of all pauses of one call together. What asks for a longer one fails at once."""


def send(request: Request, retries: Retries) -> Call[httpx.Response]:
    """Send a request until it succeeds or a retry cannot help.

    Raises:
        ApiError: it is refused, or fails after all retries.
        UnreachableError: nothing answers.
    """
    waited, tried = 0.0, 0
    while True:
        try:
            response: httpx.Response = yield request
        except httpx.TransportError as error:
            failure: LabelLoopError = UnreachableError(
                f"{request.url} does not answer: {error or type(error).__name__}"
            )
        except ApiError as error:
            failure = error
        else:
            if response.is_success:
                return response
            failure = errors.of_response(response)
        pause = _pause(failure, tried)
        if pause is None or tried == retries.number or waited + pause > retries.max_wait_seconds:
            raise failure
        yield Pause(pause)
        waited, tried = waited + pause, tried + 1


def detect(
    image: bytes, options: Mapping[str, Any], idempotency_key: str | None, retries: Retries
) -> Call[Detection]:
    """Ask about an image. One that is too large for a body is uploaded first."""
    kind = content_type(image)
    headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
    query = {name: value for name, value in options.items() if value is not None}
    if len(image) <= MAX_BODY_BYTES:
        body = Request("POST", DETECTIONS, query, headers | {"Content-Type": kind}, content=image)
        try:
            return Detection.from_json(_document((yield from send(body, retries))))
        except InvalidRequestError as error:
            if error.status != httpx.codes.REQUEST_ENTITY_TOO_LARGE:
                raise
    key = yield from _upload(image, kind, retries)
    by_key = Request("POST", DETECTIONS, query, headers, json={"key": key})
    return Detection.from_json(_document((yield from send(by_key, retries))))


def get(id: str, retries: Retries) -> Call[Detection]:
    """A detection of before."""
    response = yield from send(Request("GET", f"{DETECTIONS}/{quote(id, safe='')}"), retries)
    return Detection.from_json(_document(response))


def feedback(id: str, note: str, retries: Retries) -> Call[Detection]:
    """Say that a detection is wrong."""
    body = {"verdict": "wrong", "note": note}
    request = Request("POST", f"{DETECTIONS}/{quote(id, safe='')}/feedback", json=body)
    return Detection.from_json(_document((yield from send(request, retries))))


def _upload(image: bytes, kind: str, retries: Retries) -> Call[str]:
    """Upload an image: its key."""
    asked = Request("POST", "/v1/uploads", json={"content_type": kind, "size": len(image)})
    upload = _document((yield from send(asked, retries)))
    sent = Request(upload["method"], upload["url"], headers=upload["headers"], content=image, signed=True)
    try:
        yield from send(sent, retries)
    except ApiError as error:
        raise UploadError(f"the storage does not take the image: {error}", status=error.status) from error
    return str(upload["key"])


def content_type(image: bytes) -> str:
    """What image the bytes are, by how they begin.

    Raises:
        UnusableImageError: neither JPEG nor PNG, which are all that Rekognition takes.
    """
    if image.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    what = "begins with neither JPEG's nor PNG's bytes: convert it to one of them" if image else "is empty"
    raise UnusableImageError(f"the image {what}")


def _document(response: httpx.Response) -> dict[str, Any]:
    try:
        document = response.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise UnavailableError(
            f"{response.request.url} answers something that is not the API: is LABELLOOP_URL right?",
            status=response.status_code,
        )
    return document


def _pause(failure: LabelLoopError, tried: int) -> float | None:
    """Seconds until it may be tried again; None: that would not help.

    The jitter keeps those apart who were refused together.
    """
    jittered = min(MAX_PAUSE, FIRST_PAUSE * 2**tried) * random.uniform(0.5, 1)  # noqa: S311 not for secrets
    if not isinstance(failure, ApiError):
        return jittered
    if failure.status not in RETRIED and failure.code != UNDER_WAY:
        return None
    return (failure.retry_after or 0) + jittered
