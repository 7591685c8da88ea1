"""Clients of the detection API: `Client`, and `AsyncClient` for asyncio and trio.

with Client.from_env() as client:
    for label in client.detect("tray.jpg").labels:
        print(label.label, label.confidence, label.box_pixels)
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Generic, Self, TypeVar

import anyio
import anyio.to_thread
import httpx

from labelloop import _calls
from labelloop._auth import ClientCredentials
from labelloop._calls import FAILURES, Call, Pause, Request, Retries, UnderWay
from labelloop.errors import ConfigurationError
from labelloop.models import Detection

__all__ = ["AsyncClient", "Client", "Retries"]

T = TypeVar("T")
Http = TypeVar("Http", httpx.Client, httpx.AsyncClient)
Transport = TypeVar("Transport", httpx.BaseTransport, httpx.AsyncBaseTransport)
Image = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO
"""A path, the bytes of a JPEG or PNG, or a file that is open for reading them."""

VARIABLES = {
    "url": "LABELLOOP_URL",
    "client_id": "LABELLOOP_CLIENT_ID",
    "client_secret": "LABELLOOP_CLIENT_SECRET",
    "token_url": "LABELLOOP_TOKEN_URL",
}
"""Environment variables that `from_env` reads, by the argument that each is for."""
TIMEOUT_SECONDS = 35.0
"""Of a request: more than the 30 seconds after which API Gateway gives it up.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html"""


class _Client(Generic[Http, Transport]):
    """What both clients are made of: credentials, retries and connections."""

    _connections: Callable[..., Http]
    """Makes the client of httpx."""

    def __init__(
        self,
        url: str,
        *,
        client_id: str,
        client_secret: str,
        token_url: str,
        retries: Retries | None = None,
        timeout: float = TIMEOUT_SECONDS,
        transport: Transport | None = None,
    ) -> None:
        """A client of the API at this address, for the application with these credentials.

        `labelloop apps add` prints all four.

        Args:
            retries: how often, and for how long, a call is tried again.
            timeout: of each request, in seconds.
            transport: of httpx, for proxies and for tests.

        Raises:
            ConfigurationError: an address is none, or would send the secret unencrypted.
        """
        self._auth = ClientCredentials(_address(token_url), client_id, client_secret)
        self._retries = retries or Retries()
        self._http = self._connections(base_url=_address(url), timeout=timeout, transport=transport)

    @classmethod
    def from_env(cls, **options: Any) -> Self:
        """A client by the environment variables that `labelloop apps add` prints.

        Raises:
            ConfigurationError: one of them is not set.
        """
        return cls(**{**_from_environment(), **options})

    def _sent(self, request: Request) -> dict[str, Any]:
        """A request as httpx takes it. Without a query the address, and its signature, stay as they are."""
        return {
            "method": request.method,
            "url": request.url,
            "params": request.query or None,
            "headers": request.headers,
            "content": request.content,
            "json": request.json,
            "auth": None if request.signed else self._auth,
        }


class Client(_Client[httpx.Client, httpx.BaseTransport]):
    """Asks the champion of a deployment about images. Several threads may share one client."""

    _connections = httpx.Client

    def detect(
        self,
        image: Image,
        *,
        min_confidence: float | None = None,
        labels: Iterable[str] | None = None,
        max_results: int | None = None,
        tile: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Detection:
        """What the champion sees on an image. One that is too large for a request is uploaded by itself.

        Args:
            min_confidence: percent; without it, the thresholds of the deployment count, or the model's own.
            labels: only these.
            max_results: so many at most, the surest.
            tile: whether to look at the image in tiles, for small objects; without it, large images are.
            idempotency_key: of your own, so that a call of another process with the same key is answered
                the same. Without one, each call gets a key for its retries.

        Raises:
            UnusableImageError: it is empty, or neither JPEG nor PNG.
            ApiError: the API refuses it; the subclasses say why.
            UnreachableError: nothing answers.
        """
        options = _options(min_confidence, labels, max_results, tile)
        return self._run(_calls.detect(_read(image), options, idempotency_key, self._retries))

    def get(self, id: str) -> Detection:
        """A detection of before.

        Raises:
            NotFoundError: this application has none of that id.
        """
        return self._run(_calls.get(id, self._retries))

    def feedback(self, id: str, *, note: str = "") -> Detection:
        """Say that a detection is wrong: its image becomes a review task, and people correct it.

        Args:
            note: what is wrong with it, for the people who review it.

        Raises:
            NotFoundError: this application has no detection of that id.
        """
        return self._run(_calls.feedback(id, note, self._retries))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, call: Call[T]) -> T:
        """Do what a call yields, until it returns."""
        under_way = UnderWay(call)
        while step := under_way.step:
            try:
                outcome = self._do(step)
            except FAILURES as error:
                under_way.fail(error)
            else:
                under_way.go_on(outcome)
        return under_way.result

    def _do(self, step: Request | Pause) -> httpx.Response | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        return self._http.request(**self._sent(step))


class AsyncClient(_Client[httpx.AsyncClient, httpx.AsyncBaseTransport]):
    """Asks the champion of a deployment about images, without blocking. Several tasks may share one."""

    _connections = httpx.AsyncClient

    async def detect(
        self,
        image: Image,
        *,
        min_confidence: float | None = None,
        labels: Iterable[str] | None = None,
        max_results: int | None = None,
        tile: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Detection:
        """What the champion sees on an image; as `Client.detect`."""
        options = _options(min_confidence, labels, max_results, tile)
        data = await anyio.to_thread.run_sync(_read, image)
        return await self._run(_calls.detect(data, options, idempotency_key, self._retries))

    async def get(self, id: str) -> Detection:
        """A detection of before; as `Client.get`."""
        return await self._run(_calls.get(id, self._retries))

    async def feedback(self, id: str, *, note: str = "") -> Detection:
        """Say that a detection is wrong; as `Client.feedback`."""
        return await self._run(_calls.feedback(id, note, self._retries))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, call: Call[T]) -> T:
        """Do what a call yields, until it returns."""
        under_way = UnderWay(call)
        while step := under_way.step:
            try:
                outcome = await self._do(step)
            except FAILURES as error:
                under_way.fail(error)
            else:
                under_way.go_on(outcome)
        return under_way.result

    async def _do(self, step: Request | Pause) -> httpx.Response | None:
        if isinstance(step, Pause):
            await anyio.sleep(step.seconds)
            return None
        return await self._http.request(**self._sent(step))


def _options(
    min_confidence: float | None, labels: Iterable[str] | None, max_results: int | None, tile: bool | None
) -> Mapping[str, Any]:
    """What the query string says; None of what was not given.

    Raises:
        ValueError: no label is asked for.
    """
    chosen = None if labels is None else [labels] if isinstance(labels, str) else list(labels)
    if chosen == []:
        raise ValueError("labels is empty: leave it out to ask for all of them")
    return {
        "min_confidence": min_confidence,
        "labels": chosen,
        "max_results": max_results,
        "tile": None if tile is None else "on" if tile else "off",
    }


def _read(image: Image) -> bytes:
    match image:
        case bytes() | bytearray() | memoryview():
            return bytes(image)
        case str() | os.PathLike():
            return Path(image).read_bytes()
    return image.read()


def _from_environment() -> dict[str, Any]:
    values = {argument: os.environ.get(variable, "") for argument, variable in VARIABLES.items()}
    if missing := [VARIABLES[argument] for argument, value in values.items() if not value]:
        raise ConfigurationError(
            f"{', '.join(missing)} not set: `labelloop apps add NAME` prints what belongs there"
        )
    return values


def _address(text: str) -> str:
    """An address of the API or the token endpoint, without a slash at its end."""
    try:
        url = httpx.URL(text.strip().rstrip("/"))
    except httpx.InvalidURL as error:
        raise ConfigurationError(f"{text!r} is no address: {error}") from error
    is_here = url.host in ("localhost", "127.0.0.1", "::1") or url.host.endswith(".localhost")
    if not url.host or url.scheme not in ("https", "http"):
        raise ConfigurationError(f"{text!r} is no address: it begins with https://")
    if url.scheme == "http" and not is_here:
        raise ConfigurationError(f"{text} would send the secret unencrypted: use https://")
    return str(url)
