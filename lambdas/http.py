"""What the handlers of the HTTP API have in common: who asks, what was sent, and what is answered.

API Gateway has checked the token before a handler is called (payload format 2.0,
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html ); the
handlers check the group. It hands paths on decoded, so that a slash within a segment cannot be told from one
between segments (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html ):
names that people choose come in the query string.

Powertools has a router too, whose import takes longer than all else that a request needs, and its validation
more (docs/decisions/0008-request-models-in-msgspec.md).
"""

from __future__ import annotations

import base64
import importlib
import inspect
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints
from urllib.parse import parse_qs

import msgspec

from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.frozen import frozen
from lambdas.services import services

if TYPE_CHECKING:
    from lambdas.contract.base import Request
    from lambdas.domain.review.desk.desk import Reviewer

REVIEWERS, ADMINISTRATORS = "reviewers", "administrators"
MAX_BODY_BYTES = 1024 * 1024
MAX_PATH = 250
"""Characters: whatever is named in a path is short enough to be a key of DynamoDB's."""
URL_SECONDS = 900
"""How long a presigned URL is good."""
_PATH_OF_MEMBER = re.compile(r"(?P<problem>.*?)(?: - at `\$\.?(?P<member>.*)`)?", re.DOTALL)
"""How msgspec ends its messages: where in the document the problem is."""

_SEGMENT = re.compile(r"[\w\-._~()'!*:@,;=+&$%<> \[\]{}|^]+")
"""What a varying segment of a path may hold: no control character, no half of a pair of surrogates."""

Event = dict[str, Any]
HttpResponse = dict[str, Any]
"""As API Gateway takes it from a function, in payload format 2.0."""
Function = TypeVar("Function", bound=Callable[..., Any])
Body = TypeVar("Body", bound="Request")


@frozen
class Caller:
    """Who the token is of."""

    sub: str
    name: str
    groups: frozenset[str]

    @property
    def reviewer(self) -> Reviewer:
        # Runs and versions are shown without the desk.
        from lambdas.domain.review.desk.desk import Reviewer

        return Reviewer(self.sub, self.name)


# Routes


@dataclass
class Operation:
    """A route and the function that answers it.

    The function takes the caller, the segments of the path by their names, `body` if it reads one, and every
    other argument from the query string: in `options` if there is a model of it. It returns the document of
    the response, or None: no content.
    """

    method: str
    path: str
    """With segments that vary in braces, as API Gateway writes them."""
    function: Callable[..., Any]
    contract: tuple[str, str] = ("lambdas.contract.requests", "lambdas.contract.responses")
    """The modules of the models of what is sent, and of what is answered."""

    def segments(self, path: str) -> dict[str, str] | None:
        """The segments of a path that vary, by their names; None if the path is not this route's."""
        written, segments = self.path.split("/"), path.split("/")
        if len(written) != len(segments):
            return None
        varying: dict[str, str] = {}
        for name, segment in zip(written, segments, strict=True):
            if name.startswith("{") and _SEGMENT.fullmatch(segment):
                varying[name[1:-1]] = segment
            elif name != segment:
                return None
        return varying

    @cached_property
    def body(self) -> type[Request] | None:
        """The model of the body. The models are imported for the first request that has one."""
        return self._model("body")

    @cached_property
    def options(self) -> type[Request] | None:
        """The model of the query string."""
        return self._model("options")

    def _model(self, argument: str) -> type[Request] | None:
        name = self.function.__annotations__.get(argument)
        if name is None:
            return None
        model: type[Request] = getattr(importlib.import_module(self.contract[0]), name)
        return model

    @property
    def types(self) -> dict[str, Any]:
        """Of the function's arguments, and of what it returns."""
        requests, responses = map(importlib.import_module, self.contract)
        models = {**vars(requests), "responses": responses}
        return get_type_hints(self.function, localns=models, include_extras=True)

    @cached_property
    def query(self) -> dict[str, str]:
        """Names in the query string, and what is taken where they are missing."""
        return {
            name: argument.default
            for name, argument in inspect.signature(self.function).parameters.items()
            if name not in _NOT_IN_QUERY and f"{{{name}}}" not in self.path
        }


_NOT_IN_QUERY = ("caller", "body", "options", "sent", "idempotency_key")
"""Arguments that come from elsewhere."""


class Api:
    """The routes of one function, for callers of these groups. Every error has one shape."""

    contract = Operation.contract

    def __init__(self, *groups: str) -> None:
        self.groups = groups
        self.operations: list[Operation] = []

    def resolve(self, event: Event) -> HttpResponse:
        """The response to a request."""
        try:
            document = self._answer(event)
        except ApiError as error:
            return _error_response(error)
        return no_content() if document is None else json_response(document)

    def get(self, path: str) -> Callable[[Function], Function]:
        return self._route("GET", path)

    def post(self, path: str) -> Callable[[Function], Function]:
        return self._route("POST", path)

    def put(self, path: str) -> Callable[[Function], Function]:
        return self._route("PUT", path)

    def delete(self, path: str) -> Callable[[Function], Function]:
        return self._route("DELETE", path)

    def _route(self, method: str, path: str) -> Callable[[Function], Function]:
        def register(function: Function) -> Function:
            self.operations.append(Operation(method, path, function, self.contract))
            return function

        return register

    def _answer(self, event: Event) -> Any:
        operation, segments = self._routed(event["requestContext"]["http"]["method"], self.path(event))
        return operation.function(**{**self.arguments(operation, event), **segments})

    def path(self, event: Event) -> str:
        """The path that the routes know."""
        return read_path(event)

    def caller(self, event: Event) -> Any:
        """Who asks.

        Raises:
            ApiError: it is nobody who may.
        """
        return read_caller(event, self.groups)

    def arguments(self, operation: Operation, event: Event) -> dict[str, Any]:
        """What the operation's function takes, but for the segments of the path.

        Raises:
            ApiError: the request is not as it has to be.
        """
        arguments: dict[str, Any] = {"caller": self.caller(event)}
        query = event.get("queryStringParameters") or {}
        for name, default in operation.query.items():
            arguments[name] = query.get(name) or default
        if operation.options:
            arguments["options"] = read_options(event, operation.options)
        if operation.body:
            arguments["body"] = read_body(event, operation.body)
        return arguments

    def _routed(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        """The operation of a request, and the varying segments of its path.

        A path that is a route's as it stands is that route's, whatever other routes' segments could be.
        """
        if len(path) <= MAX_PATH:
            operations = [operation for operation in self.operations if operation.method == method]
            for operation in sorted(operations, key=lambda operation: operation.path != path):
                segments = operation.segments(path)
                if segments is not None:
                    return operation, segments
        raise ApiError(404, "not_found", "there is no such route")


# Requests


def read_path(event: Event) -> str:
    """The path without the stage: that of a stage with a name stands before the route's."""
    stage, path = event["requestContext"].get("stage", "$default"), str(event["rawPath"])
    return path if stage == "$default" else path.removeprefix(f"/{stage}")


def read_caller(event: Event, groups: tuple[str, ...]) -> Caller:
    """Who asks.

    Raises:
        ApiError: they are in none of the groups.
    """
    claims = event.get("requestContext", {}).get("authorizer", {}).get("jwt", {}).get("claims", {})
    caller = Caller(
        sub=str(claims.get("sub", "")),
        name=str(claims.get("username") or claims.get("cognito:username") or ""),
        groups=_groups(claims.get("cognito:groups", "")),
    )
    if not caller.sub:
        raise ApiError(401, "no_token", "sign in")
    if not caller.groups & set(groups):
        raise ApiError(403, "forbidden", f"this is for the group {' or '.join(groups)}: ask an administrator")
    return caller


def _groups(claim: Any) -> frozenset[str]:
    """API Gateway hands a list on as text: [reviewers administrators]."""
    if isinstance(claim, list):
        return frozenset(map(str, claim))
    return frozenset(str(claim).strip("[]").replace(",", " ").split())


def read_body(event: Event, model: type[Body]) -> Body:
    """The JSON object that was sent.

    Raises:
        ApiError: it is too large, not a JSON object, or not as the model has it.
    """
    text = event.get("body") or ""
    if len(text) > MAX_BODY_BYTES * 4 // 3 + 4:
        raise _too_large()
    return validate(_decoded(text, bool(event.get("isBase64Encoded"))), model)


def read_options(event: Event, model: type[Body]) -> Body:
    """The query string. A member of several values is repeated: API Gateway joins them by commas elsewhere.

    Raises:
        ApiError: it is not as the model has it.
    """
    given = parse_qs(str(event.get("rawQueryString") or ""), keep_blank_values=True)
    several = {field.encode_name for field in msgspec.structs.fields(model) if field.default_factory is list}
    values = {name: texts if name in several else texts[-1] for name, texts in given.items()}
    return validate(values, model, strict=False)


def validate(members: dict[str, Any], model: type[Body], *, strict: bool = True) -> Body:
    """The members as the model has them.

    Args:
        strict: whether numbers are numbers, not text.

    Raises:
        ApiError: a member is unknown, missing or of another form; its field is the member's path.
    """
    known = {field.encode_name: field for field in msgspec.structs.fields(model)}
    for name in sorted(set(members) - set(known)):
        raise ApiError(422, "unknown_member", f"unknown member {name[:60]!r}", name[:60])
    for name, field in known.items():
        if field.required and name not in members:
            raise ApiError(422, model.error_code, f"{name} is missing", name)
    try:
        return msgspec.convert(members, model, strict=strict)
    except msgspec.ValidationError as error:
        raise _invalid(str(error), model) from error


_PLAIN_WORDS = {
    "`str`": "text",
    "`int`": "a whole number",
    "`float`": "a number",
    "`bool`": "true or false",
    "`array`": "a list",
    "`object`": "an object",
    "of length <=": "of at most",
    "<=": "of at most",
    ">=": "of at least",
}
"""What msgspec writes, and how people read it."""


def _invalid(message: str, model: type[Request]) -> ApiError:
    """The error of a body that the model refuses, in words for people."""
    parts = _PATH_OF_MEMBER.fullmatch(message)
    problem, member = (parts["problem"], parts["member"] or "") if parts else (message, "")
    if "`str`" in problem:
        # What is wrong with a text in a list is said of the list.
        member = re.sub(r"\[\d+\]$", "", member)
    if choices := get_args(get_type_hints(model).get(member)) if "enum value" in problem else ():
        problem += f"; it is one of {', '.join(map(str, choices))}"
    for written, plain in _PLAIN_WORDS.items():
        problem = problem.replace(written, plain)
    return ApiError(422, model.error_code, f"{member}: {problem[:1].lower()}{problem[1:200]}", member)


def _decoded(text: str, encoded: bool) -> dict[str, Any]:
    try:
        raw = base64.b64decode(text, validate=True) if encoded else text.encode()
        if len(raw) > MAX_BODY_BYTES:
            raise _too_large()
        document = json.loads(raw.decode(), object_pairs_hook=_without_doubles, parse_constant=_finite)
        # Half a pair of surrogates, written as an escape, is no text: nothing could store it.
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "not_json", f"the body has to be a JSON object: {str(error)[:200]}") from error
    if not isinstance(document, dict):
        raise ApiError(400, "not_json", "the body has to be a JSON object")
    return document


def _too_large() -> ApiError:
    return ApiError(413, "too_large", f"a request has up to {MAX_BODY_BYTES} bytes")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member is there twice")
    return members


def _finite(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON's")


# Responses


def json_response(document: Any, status: int = 200) -> HttpResponse:
    """A response that nobody keeps."""
    # In ASCII, whatever was sent: the response can be encoded.
    return _response(status, json.dumps(msgspec.to_builtins(document)), {"Content-Type": "application/json"})


def no_content() -> HttpResponse:
    """A response without a document."""
    return _response(204, "", {})


def _response(status: int, body: str, headers: dict[str, str]) -> HttpResponse:
    return {
        "statusCode": status,
        "headers": {**headers, "Cache-Control": "no-store"},
        "body": body,
        "isBase64Encoded": False,
    }


def _error_response(error: ApiError) -> HttpResponse:
    detail = {"code": error.code, "message": str(error)}
    if error.field:
        detail["field"] = error.field
    response = json_response({"error": detail}, error.status)
    if error.status == 401:
        # https://www.rfc-editor.org/rfc/rfc6750#section-3
        response["headers"]["WWW-Authenticate"] = "Bearer"
    if error.retry_after:
        response["headers"]["Retry-After"] = str(error.retry_after)
    return response


def presigned_url(key: str) -> str:
    """An address at which just this object can be read, for URL_SECONDS."""
    return services().signer.generate_presigned_url(
        "get_object", Params={"Bucket": services().bucket, "Key": key}, ExpiresIn=URL_SECONDS
    )
