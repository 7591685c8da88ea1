"""HTTP APIs that are asked for a route which they do not have.

AWS: answers 404 "Not Found", whoever asks: there is no route that could ask for an authorization.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
MiniStack: checks the caller's permissions to call a route that is not there, as if it asked for IAM's.
"""

from __future__ import annotations


def apply_patch() -> None:
    """Patch MiniStack in this process; to be called before the first request."""
    from ministack import app  # noqa: PLC0415 reads the environment when first imported

    authorization_type = app._execute_api_authorization_type

    def of_route(api_id: str, stage: str, method: str, path: str) -> str:
        return authorization_type(api_id, stage, method, path) or "NONE"

    app._execute_api_authorization_type = of_route
