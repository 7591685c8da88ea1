"""Which function answers a request of API Gateway's, and what comes of one that none answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas import http
from lambdas.domain.shared.errors import ApiError
from lambdas.http import REVIEWERS, Caller

api = http.Api(REVIEWERS)
CLAIMS = {"sub": "s", "username": "rita", "cognito:groups": "[reviewers]"}


@api.get("/api/things/{thing}")
def read_thing(caller: Caller, thing: str) -> Any:
    return {"thing": thing}


@api.get("/api/things/special")
def read_special(caller: Caller) -> Any:
    return {"special": True}


@api.post("/api/things/{thing}/parts/{part}")
def make_part(caller: Caller, thing: str, part: str) -> Any:
    return {"thing": thing, "part": part}


@api.get("/api/things")
def list_things(caller: Caller, state: str = "open", cursor: str = "") -> Any:
    return {"state": state, "cursor": cursor}


@api.delete("/api/things/{thing}")
def delete_thing(caller: Caller, thing: str) -> None:
    if thing == "held":
        raise ApiError(409, "held", "let it go first", "thing")
    if thing == "broken":
        raise RuntimeError("a fault of ours")


def event(method: str, path: str, *, stage: str = "$default", **members: Any) -> dict[str, Any]:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html"""
    authorizer = {"jwt": {"claims": CLAIMS, "scopes": None}}
    context = {"stage": stage, "http": {"method": method, "path": path}, "authorizer": authorizer}
    return {"version": "2.0", "rawPath": path, "requestContext": context, "isBase64Encoded": False, **members}


def answer(method: str, path: str, **members: Any) -> tuple[int, Any]:
    response = api.resolve(event(method, path, **members))
    return response["statusCode"], json.loads(response["body"]) if response["body"] else None


def test_segments_are_handed_on_by_their_names() -> None:
    assert answer("POST", "/api/things/a b+c%41/parts/ä") == (200, {"thing": "a b+c%41", "part": "ä"})


def test_a_fixed_path_is_its_own_route_s_whatever_was_registered_first() -> None:
    assert answer("GET", "/api/things/special") == (200, {"special": True})


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PATCH", "PUT", "get", ""])
def test_a_method_that_the_path_does_not_have_is_no_route(method: str) -> None:
    assert answer(method, "/api/things/special")[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/api",
        "/api/things/",
        "/api//things",
        "//api/things",
        "/api/things/a/",
        "/api/things//parts",
        "/API/things",
        "/api/things/a\n",
        "/api/things\n",
        "/api/things/a\0",
        "/api/things/\ud800",
        "/api/things/a?b",
        '/api/things/"',
        "/api/things/a\\b",
        "/api/things/" + "x" * 250,
        "/api/things?state=done",
    ],
)
def test_other_paths_are_no_route(path: str) -> None:
    status, document = answer("GET", path)
    assert (status, document["error"]["code"]) == (404, "not_found")


def test_a_stage_with_a_name_stands_before_the_path() -> None:
    assert answer("GET", "/v1/api/things/a", stage="v1") == (200, {"thing": "a"})
    assert answer("GET", "/v1/api/things/a")[0] == 404
    # Only the whole segment is the stage.
    assert answer("GET", "/v1api/things/a", stage="v1")[0] == 404
    assert answer("GET", "/api/things/a", stage="api")[0] == 404


@pytest.mark.parametrize(
    ("query", "state", "cursor"),
    [
        ({}, "open", ""),
        ({"queryStringParameters": None}, "open", ""),
        ({"queryStringParameters": {"state": "done"}}, "done", ""),
        # What is given more than once comes as one text.
        ({"queryStringParameters": {"state": "done,open", "cursor": ""}}, "done,open", ""),
        ({"queryStringParameters": {"other": "1", "caller": "x", "cursor": "c"}}, "open", "c"),
    ],
)
def test_the_query_fills_the_other_arguments(query: dict[str, Any], state: str, cursor: str) -> None:
    assert answer("GET", "/api/things", **query) == (200, {"state": state, "cursor": cursor})


def test_cookies_and_a_body_that_nobody_reads_change_nothing() -> None:
    sent = {"cookies": ["a=1", "b=2"], "body": "\xff*", "isBase64Encoded": True}
    assert answer("GET", "/api/things/a", **sent) == (200, {"thing": "a"})


def test_a_refusal_of_the_function_is_the_response() -> None:
    refused = {"code": "held", "message": "let it go first", "field": "thing"}
    assert answer("DELETE", "/api/things/held") == (409, {"error": refused})


def test_a_fault_is_not_hidden() -> None:
    with pytest.raises(RuntimeError):
        answer("DELETE", "/api/things/broken")


def test_a_response_says_what_it_is_and_that_nobody_may_keep_it() -> None:
    response = api.resolve(event("GET", "/api/things/a"))
    assert response["headers"] == {"Content-Type": "application/json", "Cache-Control": "no-store"}
    assert not response["isBase64Encoded"]
    nothing = api.resolve(event("DELETE", "/api/things/a"))
    assert (nothing["statusCode"], nothing["body"]) == (204, "")
    assert nothing["headers"] == {"Cache-Control": "no-store"}


def test_somebody_of_no_group_is_refused() -> None:
    stranger = event("GET", "/api/things/a")
    stranger["requestContext"]["authorizer"]["jwt"]["claims"] = {**CLAIMS, "cognito:groups": "[others]"}
    assert api.resolve(stranger)["statusCode"] == 403
