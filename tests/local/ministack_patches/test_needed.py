"""MiniStack without the patches of task tokens and origins.

A test here fails once MiniStack does as AWS does; then that part of the patch can go.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:asks"
TASK: dict[str, Any] = {
    "Type": "Task",
    "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
    "QueryLanguage": "JSONata",
    "Arguments": {"FunctionName": FUNCTION, "Payload": {}},
    "End": True,
}


@pytest.fixture
def stepfunctions(monkeypatch: pytest.MonkeyPatch) -> Any:
    """MiniStack's Step Functions, as it comes, before functions that take the token and say nothing more."""
    from ministack.services import stepfunctions as module

    monkeypatch.setattr(module, "_call_lambda", lambda function, event: {})
    return module


def error_of(stepfunctions: Any, **state: Any) -> str:
    """The name of the error that a task with a token ends with."""
    with pytest.raises(stepfunctions._ExecutionError) as failed:
        stepfunctions._invoke_with_callback(FUNCTION, {}, "token", state)
    return str(failed.value.error)


def test_task_tokens_seconds_may_not_be_expressions(stepfunctions: Any) -> None:
    state = TASK | {"TimeoutSeconds": "{% 1 %}"}
    with pytest.raises(TypeError):
        stepfunctions._execute_task(state, {}, {"events": []}, {"State": {}, "Execution": {}})


def test_task_tokens_heartbeats_are_not_watched(stepfunctions: Any) -> None:
    assert error_of(stepfunctions, TimeoutSeconds=0.3, HeartbeatSeconds=0.05) == "States.Timeout"


def test_task_tokens_a_function_that_fails_is_waited_for(
    stepfunctions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(function: str, event: Any) -> None:
        raise stepfunctions._ExecutionError("Broke", "it broke")

    monkeypatch.setattr(stepfunctions, "_call_lambda", fail)
    assert error_of(stepfunctions, TimeoutSeconds=0.05) == "States.Timeout"


def test_task_tokens_a_task_is_answered_twice(stepfunctions: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    statuses: list[int] = []

    def answer_twice(function: str, event: Any) -> None:
        statuses.extend(stepfunctions._send_task_success({"taskToken": "token"})[0] for _ in range(2))

    monkeypatch.setattr(stepfunctions, "_call_lambda", answer_twice)
    stepfunctions._invoke_with_callback(FUNCTION, {}, "token", {"TimeoutSeconds": 5})
    assert statuses == [200, 200]


def test_cdn_origins_an_http_api_is_not_asked() -> None:
    from ministack.services import cloudfront

    origin: dict[str, Any] = {
        "domain_name": "abcdef.execute-api.us-east-1.amazonaws.com",
        "origin_path": "",
        "custom_headers": [],
        "protocol_policy": "https-only",
        "http_port": 80,
        "https_port": 443,
    }
    request: tuple[Any, ...] = ("GET", "/", "", {}, b"", True, "192.0.2.1", "")
    with pytest.raises(cloudfront.OriginUnreachable, match="AWS-owned"):
        cloudfront._forward_to_origin(origin, *request)
    with pytest.raises(cloudfront.OriginUnreachable, match="AWS-owned"):
        asyncio.run(cloudfront._fetch_from_origin(origin, *request, "arn"))


def test_missing_routes_are_authorized() -> None:
    from ministack import app

    assert app._execute_api_authorization_type("0123abcd", "$default", "GET", "/nothing") is None
