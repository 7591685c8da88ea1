"""Who asks for a detection: an application by its token, or somebody whom AWS has authenticated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lambdas.domain.applications.directory import APPLICATION_SECONDS, Application
from lambdas.domain.applications.tokens import RETRY_SECONDS, Claims, TokenError, Verifier
from lambdas.domain.shared import clock
from lambdas.domain.shared.errors import ApiError

MAX_KEPT = 1000
"""Tokens that a function remembers, and applications."""

_CODES = {401: "invalid_token", 403: "insufficient_scope", 503: "failed"}
"""Of errors, by the status of the response."""


class Callers:
    """Says whose a token is. What it found out it keeps for a while: most requests come with a known token.

    Args:
        find: looks an application up by a client's id.
    """

    def __init__(self, verifier: Verifier, find: Callable[[str], Application | None]) -> None:
        self._verifier, self._find = verifier, find
        self._claims: dict[str, Claims] = {}
        self._applications: dict[str, tuple[float, Application]] = {}

    def of_token(self, authorization: str) -> Application:
        """The application whose token this is.

        Args:
            authorization: the header of this name.

        Raises:
            ApiError: it is no good token, or of no application any more.
        """
        scheme, _, token = authorization.partition(" ")
        now = clock.seconds()
        try:
            claims = self._verified(token.strip() if scheme.lower() == "bearer" else "", now)
        except TokenError as error:
            retry_after = RETRY_SECONDS if error.status == 503 else 0
            raise ApiError(error.status, _CODES[error.status], str(error), retry_after=retry_after) from error
        application = self._application(claims.client_id, now)
        if application is None:
            raise ApiError(
                401,
                "invalid_token",
                "this token's application was removed, or its credentials were rotated; get a token with the"
                " newest ones",
            )
        return application

    def _verified(self, token: str, now: float) -> Claims:
        known = self._claims.get(token)
        if known and known.expires_at > now:
            return known
        claims = self._verifier.verify(token, now)
        _make_room(self._claims)
        self._claims[token] = claims
        return claims

    def _application(self, client_id: str, now: float) -> Application | None:
        known = self._applications.get(client_id)
        if known and 0 <= now - known[0] < APPLICATION_SECONDS:
            return known[1]
        application = self._find(client_id)
        if application:
            _make_room(self._applications)
            self._applications[client_id] = (now, application)
        return application


def of_aws(iam: Mapping[str, Any], rate: int) -> Application:
    """Somebody whom API Gateway has authenticated by a signature: a role, whoever has taken it, or a user.

    Args:
        iam: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
        rate: requests a minute that each may make.

    Raises:
        ApiError: it does not say who.
    """
    arn = str(iam.get("userArn") or "").split(":", 5)
    if len(arn) < 6:
        raise ApiError(401, "invalid_token", "sign the request with AWS credentials")
    account, who = arn[4], arn[5]
    if who.startswith("assumed-role/"):
        # The session's name is whatever its caller wants.
        who = "role/" + who.split("/")[1]
    return Application(f"aws:{account}:{who}", rate)


def _make_room(kept: dict[str, Any]) -> None:
    """Forget the oldest of too many."""
    while len(kept) >= MAX_KEPT:
        kept.pop(next(iter(kept)))
