"""The access token of an application, by OAuth's client credentials grant."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass

import anyio
import httpx

from labelloop import errors
from labelloop.errors import AuthenticationError

EARLY_SECONDS = 60.0
"""A token is renewed so long before it ends, or a tenth of its time where that is shorter."""


@dataclass(frozen=True)
class _Token:
    text: str
    renew_at: float
    """Of the monotonic clock."""


class ClientCredentials(httpx.Auth):
    """Puts the application's token on each request; one is fetched when there is none, or it is about to end.

    https://docs.aws.amazon.com/cognito/latest/developerguide/token-endpoint.html
    """

    def __init__(self, token_url: str, client_id: str, client_secret: str) -> None:
        self._url = token_url
        self._credentials = httpx.BasicAuth(client_id, client_secret)
        self._token: _Token | None = None
        self._lock = threading.Lock()
        self._async_lock = anyio.Lock()

    def __repr__(self) -> str:
        return f"ClientCredentials({self._url!r})"

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """For httpx.Client: threads wait for the one that fetches a token."""
        refused = None
        for _ in range(2):
            with self._lock:
                token = self._usable(refused)
                if token is None:
                    response = yield self._token_request()
                    response.read()
                    token = self._keep(response)
            response = yield _with_token(request, token)
            if response.status_code != httpx.codes.UNAUTHORIZED:
                return
            refused = token

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """For httpx.AsyncClient: tasks wait for the one that fetches a token."""
        refused = None
        for _ in range(2):
            async with self._async_lock:
                token = self._usable(refused)
                if token is None:
                    response = yield self._token_request()
                    await response.aread()
                    token = self._keep(response)
            response = yield _with_token(request, token)
            if response.status_code != httpx.codes.UNAUTHORIZED:
                return
            refused = token

    def _usable(self, refused: str | None) -> str | None:
        """The token, unless it is about to end or is the one that was refused."""
        token = self._token
        return token.text if token and token.text != refused and time.monotonic() < token.renew_at else None

    def _token_request(self) -> httpx.Request:
        request = httpx.Request("POST", self._url, data={"grant_type": "client_credentials"})
        return next(self._credentials.auth_flow(request))

    def _keep(self, response: httpx.Response) -> str:
        """Keep the token of a response of the token endpoint.

        Raises:
            AuthenticationError: these credentials get none.
            ApiError: the endpoint has no time, or fails.
        """
        if response.status_code in (400, 401, 403):
            refusal = errors.of_response(response)
            raise AuthenticationError(
                f"{self._url} gives no token for this client id and secret ({refusal.code or refusal}):"
                " `labelloop apps list` shows the applications, and `labelloop apps rotate NAME` gives a new"
                " secret",
                status=response.status_code,
                code=refusal.code,
            )
        if not response.is_success:
            raise errors.of_response(response)
        try:
            document = response.json()
            text, seconds = str(document["access_token"]), float(document["expires_in"])
        except (ValueError, KeyError, TypeError) as error:
            raise AuthenticationError(
                f"{self._url} answers no token: give the address that `labelloop apps add` printed as"
                " LABELLOOP_TOKEN_URL",
                status=response.status_code,
            ) from error
        self._token = _Token(text, time.monotonic() + seconds - min(EARLY_SECONDS, seconds / 10))
        return text


def _with_token(request: httpx.Request, token: str) -> httpx.Request:
    request.headers["Authorization"] = f"Bearer {token}"
    return request
