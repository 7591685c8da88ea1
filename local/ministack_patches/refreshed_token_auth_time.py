"""The time of sign-in in refreshed tokens of Cognito.

AWS: `auth_time` is when somebody signed in, and stays so: OpenID Connect's clients refuse another one.
https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-id-token.html
https://openid.net/specs/openid-connect-core-1_0.html#RefreshTokenResponse
MiniStack: `auth_time` of a refreshed token is the time of the refresh.
"""

from __future__ import annotations

from typing import Any


def apply_patch() -> None:
    """Patch MiniStack in this process; to be called before the first request."""
    from ministack.services import cognito  # noqa: PLC0415 reads the environment when first imported

    original = cognito._signed_jwt
    signed_in: dict[str, int] = {}

    def signed(claims: dict[str, Any], *rest: Any) -> str:
        if "auth_time" in claims and "origin_jti" in claims:
            claims["auth_time"] = signed_in.setdefault(claims["origin_jti"], claims["auth_time"])
        return str(original(claims, *rest))

    cognito._signed_jwt = signed
