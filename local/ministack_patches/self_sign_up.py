"""Sign-up to user pools whose users only administrators create.

AWS: SignUp fails with NotAuthorizedException where the pool's AllowAdminCreateUserOnly is true.
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminCreateUserConfigType.html
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_SignUp.html
MiniStack: lets everybody sign up.
"""

from __future__ import annotations

from typing import Any


def apply_patch() -> None:
    """Patch MiniStack in this process; to be called before the first request."""
    from ministack.core.responses import error_response_json  # noqa: PLC0415 reads the environment
    from ministack.services import cognito  # noqa: PLC0415

    original = cognito._sign_up

    def sign_up(data: dict[str, Any]) -> Any:
        for pool in cognito._user_pools.values():
            if data.get("ClientId") in pool["_clients"] and _only_administrators_create_users(pool):
                message = "SignUp is not permitted for this user pool"
                return error_response_json("NotAuthorizedException", message, 400)
        return original(data)

    cognito._sign_up = sign_up


def _only_administrators_create_users(pool: dict[str, Any]) -> bool:
    return str(pool.get("AdminCreateUserConfig", {}).get("AllowAdminCreateUserOnly")).lower() == "true"
