"""What the handlers of the HTTP API have in common: who asks, what was sent, and how a refusal reads.

API Gateway has checked the token before a handler is called (payload format 2.0,
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html ); the
handlers check the group. It hands paths on decoded, so that a slash within a segment cannot be told from one
between segments (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html ):
names that people choose come in the query string.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Generic, TypeVar

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.api_gateway import BaseRouter
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware

from lambdas.domain.review.desk.answers import InvalidAnswerError
from lambdas.domain.review.desk.desk import DeskError, Reviewer
from lambdas.domain.review.desk.labels import InvalidLabelError
from lambdas.domain.review.desk.task import TaskBusyError
from lambdas.domain.shared.errors import ApiError
from lambdas.services import services

REVIEWERS, ADMINISTRATORS = "reviewers", "administrators"
MAX_BODY_BYTES = 1024 * 1024
MAX_PATH = 250
"""Characters: whatever is named in a path is short enough to be a key of DynamoDB's."""
URL_SECONDS = 900
"""How long a link to an image is good."""

T = TypeVar("T")


@dataclass(frozen=True)
class Caller:
    """Who the token is of."""

    sub: str
    name: str
    groups: frozenset[str]

    @property
    def reviewer(self) -> Reviewer:
        return Reviewer(self.sub, self.name)


class Fresh(Generic[T]):
    """A value that is made anew once it is some seconds old."""

    def __init__(self, make: Callable[[], T], seconds: float) -> None:
        self._make, self._seconds = make, seconds
        self._value: T | None = None
        self._made_at = 0.0

    def __call__(self) -> T:
        if self._value is None or monotonic() - self._made_at > self._seconds:
            self._value, self._made_at = self._make(), monotonic()
        return self._value

    def forget(self) -> None:
        self._value = None


def api() -> APIGatewayHttpResolver:
    """A resolver that answers every refusal in one shape."""
    app = APIGatewayHttpResolver()

    def refused(error: Exception) -> Response[str]:
        told = {"code": getattr(error, "code", "bad_request"), "message": str(error)}
        if field := getattr(error, "field", ""):
            told["field"] = field
        return _json(getattr(error, "status", 400), {"error": told})

    app.exception_handler([ApiError, DeskError, InvalidAnswerError, InvalidLabelError, TaskBusyError])(
        refused
    )
    app.not_found(lambda _: refused(_no_route()))
    app.use(middlewares=[_of_known_length])
    return app


def _of_known_length(app: APIGatewayHttpResolver, go_on: NextMiddleware) -> Response[str]:
    if len(app.current_event.path) > MAX_PATH:
        raise _no_route()
    return go_on(app)


def _no_route() -> ApiError:
    return ApiError(404, "not_found", "there is no such route")


def caller(app: BaseRouter, *groups: str) -> Caller:
    """Who asks.

    Raises:
        Refusal: they are in none of the groups.
    """
    event = app.current_event.raw_event
    claims = event.get("requestContext", {}).get("authorizer", {}).get("jwt", {}).get("claims", {})
    found = Caller(
        sub=str(claims.get("sub", "")),
        name=str(claims.get("username") or claims.get("cognito:username") or ""),
        groups=_groups(claims.get("cognito:groups", "")),
    )
    if not found.sub:
        raise ApiError(401, "no_token", "sign in")
    if not found.groups & set(groups):
        raise ApiError(403, "forbidden", f"this is for the group {' or '.join(groups)}: ask an administrator")
    return found


def _groups(claim: Any) -> frozenset[str]:
    """API Gateway hands a list on as text: [reviewers administrators]."""
    if isinstance(claim, list):
        return frozenset(map(str, claim))
    return frozenset(str(claim).strip("[]").replace(",", " ").split())


def body(app: BaseRouter, *members: str) -> dict[str, Any]:
    """The JSON object that was sent, with none but these members, or any if none are named.

    Raises:
        Refusal: it is too large, not a JSON object, or has other members.
    """
    event = app.current_event.raw_event
    text = event.get("body") or ""
    if len(text) > MAX_BODY_BYTES * 4 // 3 + 4:
        raise ApiError(413, "too_large", f"a request has up to {MAX_BODY_BYTES} bytes")
    sent = _decoded(text, bool(event.get("isBase64Encoded")))
    if members and (unknown := sorted(set(sent) - set(members))):
        raise ApiError(422, "unknown_member", f"unknown member {unknown[0][:60]!r}", unknown[0][:60])
    return sent


def _decoded(text: str, encoded: bool) -> dict[str, Any]:
    try:
        raw = base64.b64decode(text, validate=True) if encoded else text.encode()
        if len(raw) > MAX_BODY_BYTES:
            raise ApiError(413, "too_large", f"a request has up to {MAX_BODY_BYTES} bytes")
        sent = json.loads(raw.decode(), object_pairs_hook=_once, parse_constant=_finite)
        # Half a pair of surrogates, written as an escape, is no text: nothing could store it.
        json.dumps(sent, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "not_json", f"the body has to be a JSON object: {str(error)[:200]}") from error
    if not isinstance(sent, dict):
        raise ApiError(400, "not_json", "the body has to be a JSON object")
    return sent


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a member is there twice")
    return found


def _finite(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON's")


def link(key: str) -> str:
    """An address at which just this object can be read, for URL_SECONDS."""
    return services().signer.generate_presigned_url(
        "get_object", Params={"Bucket": services().bucket, "Key": key}, ExpiresIn=URL_SECONDS
    )


def _json(status: int, document: Any) -> Response[str]:
    return Response(
        status_code=status,
        content_type="application/json",
        # In ASCII, whatever was sent: the answer can be encoded.
        body=json.dumps(document),
        headers={"Cache-Control": "no-store"},
    )


def answer(document: Any, status: int = 200) -> Response[str]:
    """An answer that nobody keeps."""
    return _json(status, document)


def nothing() -> Response[str]:
    return Response(status_code=204, body="", headers={"Cache-Control": "no-store"})
