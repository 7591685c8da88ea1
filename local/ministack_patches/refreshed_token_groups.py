"""Groups in refreshed tokens of Cognito.

AWS: tokens that a refresh token is exchanged for carry the user's groups as the first ones do.
https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
MiniStack: refreshed tokens carry no groups.
"""

from __future__ import annotations

from typing import Any


def apply_patch() -> None:
    """Patch MiniStack in this process; to be called before the first request."""
    from ministack.services import cognito  # noqa: PLC0415 reads the environment when first imported

    original = cognito._fake_token

    def token(sub: str, pool_id: str, *rest: Any, **options: Any) -> str:
        username = options.get("username")
        if options.get("trigger_source") == "TokenGeneration_RefreshTokens" and username:
            user = cognito._get_pool_unscoped(pool_id)["_users"][username]
            options["groups"] = user.get("_groups", [])
        return str(original(sub, pool_id, *rest, **options))

    cognito._fake_token = token
