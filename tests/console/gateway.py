"""API Gateway's HTTP API before the console's functions: routes a request, and makes the event of it.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

from infra.routes import ROUTES
from lambdas import admin, console, desk
from tests.retrain.world import context

HANDLERS: dict[str, Any] = {"desk": desk.handle, "admin": admin.handle, "console": console.handle}
RITA, ANN, NOBODY = "rita", "ann", "nobody"
"""A reviewer, an administrator, and somebody of no group."""
GROUPS = {
    RITA: "[reviewers]",
    ANN: "[administrators]",
    NOBODY: "[]",
    "ben": "[reviewers]",
    "cas": "[reviewers]",
}


@dataclass(frozen=True)
class Answer:
    """What came back. `said` is the document, None where there is no content."""

    status: int
    said: Any
    headers: dict[str, Any] = field(default_factory=dict)

    @property
    def code(self) -> str:
        return str(self.said["error"]["code"])

    @property
    def field(self) -> str:
        return str(self.said["error"].get("field", ""))

    @property
    def message(self) -> str:
        return str(self.said["error"]["message"])


class Gateway:
    def ask(self, route: str, body: Any = None, *, who: str = RITA) -> Answer:
        """Ask as somebody: "POST /api/claims", with a document if there is one."""
        sent = None if body is None else json.dumps(body)
        return self.send(route, sent, who=who)

    def send(self, route: str, body: str | None, *, who: str = RITA, encoded: bool = False) -> Answer:
        """The same with the body as it goes over the wire."""
        method, _, address = route.partition(" ")
        path, _, query = address.partition("?")
        raw_path = _decoded(path)
        key, function = _routed(method, raw_path)
        event = {
            "version": "2.0",
            "routeKey": key,
            "rawPath": raw_path,
            "rawQueryString": query,
            "headers": {"content-type": "application/json", "authorization": "Bearer e30.e30.e30"},
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "api",
                "stage": "$default",
                "routeKey": key,
                "requestId": "request",
                "http": {"method": method, "path": raw_path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
                "authorizer": {"jwt": {"claims": claims(who), "scopes": None}},
            },
            "isBase64Encoded": encoded,
        }
        if query:
            found = parse_qs(query, keep_blank_values=True)
            event["queryStringParameters"] = {name: ",".join(values) for name, values in found.items()}
        if body is not None:
            event["body"] = body
        return self.give(function, event)

    def give(self, function: str, event: dict[str, Any]) -> Answer:
        """What a function makes of an event; the runtime has to be able to send it on."""
        answer = HANDLERS[function](event, context())
        json.dumps(answer, ensure_ascii=False).encode()
        text = answer.get("body") or ""
        if answer.get("isBase64Encoded"):
            text = base64.b64decode(text).decode()
        return Answer(answer["statusCode"], json.loads(text) if text else None, answer.get("headers", {}))


def claims(who: str) -> dict[str, str]:
    """Of an access token, as API Gateway hands them on: each is text."""
    found = {"sub": f"sub-{who}", "username": who, "token_use": "access"}
    return found if who == NOBODY else {**found, "cognito:groups": GROUPS[who]}


def routes() -> Iterable[tuple[str, str]]:
    """Every route, and which function answers it."""
    return [(route, name) for name, some in ROUTES.items() for route in some]


def _routed(method: str, path: str) -> tuple[str, str]:
    for route, name in routes():
        wanted, _, pattern = route.partition(" ")
        if wanted == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path):
            return route, name
    raise LookupError(f"API Gateway has no route for {method} {path}")


def _decoded(path: str) -> str:
    """Everything but the sign of an escape itself."""
    return unquote(path.replace("%25", "%2525"))
