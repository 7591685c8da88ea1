"""Access tokens of applications: whether a token is good, and whose it is.

What has to hold of a token of Cognito's:
https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html
One that an application got by its client credentials has no `aud`; its `client_id` says whose it is, and its
`scope` what for: https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools import Logger
from joserfc import jwt
from joserfc.jwk import KeySet

from lambdas.domain.applications.directory import SCOPE
from lambdas.domain.shared.frozen import frozen

MAX_BYTES = 8 * 1024
"""Of a token. API Gateway takes 10,240 bytes of headers:
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html"""
LEEWAY_SECONDS = 30
"""By which the clocks may differ of who gave a token and who reads it."""
RETRY_SECONDS = 5
"""After which keys that could not be fetched are fetched again."""
_REFETCH_SECONDS = 60
logger = Logger(child=True)
_HELP = "get one at the token endpoint with the client credentials that `labelloop apps add` printed"


class TokenError(ValueError):
    """A token that is not taken; the message says why, and what helps.

    Args:
        status: of the response; 403 for a good token that is for something else, 503 if nobody can say now.
    """

    def __init__(self, message: str, status: int = 401) -> None:
        super().__init__(message)
        self.status = status


@frozen
class Claims:
    """What a good token says."""

    client_id: str
    expires_at: int
    """Seconds since 1970."""


class Verifier:
    """Says of tokens whether they are good: of this issuer, in time, and for this API.

    Args:
        fetch: gets the issuer's JSON Web Key Set, anew at each call.
    """

    def __init__(self, issuer: str, fetch: Callable[[], Mapping[str, Any]]) -> None:
        self._issuer, self._fetch = issuer, fetch
        self._keys, self._are_newest = KeySet([]), False
        self._next_fetch_at = 0.0
        self._lock = threading.Lock()

    def verify(self, token: str, now: float) -> Claims:
        """What the token says, if it is good.

        Args:
            now: seconds since 1970.

        Raises:
            TokenError: it is not.
        """
        if not token:
            raise TokenError(f"this needs an access token as `Authorization: Bearer TOKEN`: {_HELP}")
        if len(token) > MAX_BYTES:
            raise TokenError(f"the token has over {MAX_BYTES} bytes; {_HELP}")
        claims = self._claims(token, now)
        if claims.get("iss") != self._issuer:
            raise TokenError(f"the token is of another issuer; {_HELP}")
        if claims.get("token_use") != "access":
            raise TokenError(f"this is an ID token; an access token is needed: {_HELP}")
        if not _is_number(claims.get("exp")) or claims["exp"] <= now - LEEWAY_SECONDS:
            raise TokenError(f"the token has expired; {_HELP}")
        if SCOPE not in str(claims.get("scope", "")).split():
            raise TokenError(f"the token has not the scope {SCOPE}: it is of no application; {_HELP}", 403)
        return Claims(str(claims.get("client_id", "")), int(claims["exp"]))

    def _claims(self, token: str, now: float) -> Mapping[str, Any]:
        """The claims of a token that the issuer has signed.

        An issuer may have new keys at any time. They are fetched anew for a token whose key is not known, but
        not for each: anybody can make such tokens.
        """
        tried = self._keys
        try:
            return self._decoded(token, tried)
        except _UnsignedError as error:
            with self._lock:
                # Who has waited here may have got them meanwhile.
                if self._keys is tried:
                    if now < self._next_fetch_at:
                        raise self._refusal() from error
                    self._fetch_keys(now)
        try:
            return self._decoded(token, self._keys)
        except _UnsignedError as error:
            raise self._refusal() from error

    def _fetch_keys(self, now: float) -> None:
        """Replace the keys by the issuer's; those that there are stay if it does not answer."""
        self._next_fetch_at, self._are_newest = now + RETRY_SECONDS, False
        try:
            keys = KeySet.import_key_set({"keys": list(self._fetch()["keys"])})
        except Exception as error:
            logger.exception("the issuer's keys could not be fetched")
            raise self._refusal() from error
        self._keys = keys
        self._next_fetch_at, self._are_newest = now + _REFETCH_SECONDS, True

    def _refusal(self) -> TokenError:
        """Of a token that is signed by none of the keys; by older ones than there are nobody can say so."""
        if self._are_newest:
            return TokenError(f"the token is not signed by this deployment; {_HELP}")
        return TokenError("the keys that tokens are checked with cannot be read; try again in a moment", 503)

    def _decoded(self, token: str, keys: KeySet) -> Mapping[str, Any]:
        try:
            # Nothing but what Cognito signs with: a token could name HMAC, or none.
            claims: Mapping[str, Any] = jwt.decode(token, keys, algorithms=["RS256"]).claims
        except Exception as error:
            # Anybody may send anything, and the decoder raises more than errors of its own about it.
            raise _UnsignedError from error
        return claims


class _UnsignedError(ValueError):
    """A token that none of the keys has signed, or none at all."""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
