"""Faults of functions: what strikes whom, and how often."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from local import function_faults
from local.function_faults import FunctionFaults

KEY = "ASIASESSION"


def request(operation: str) -> dict[str, Any]:
    """A request that a function has signed with its role's session."""
    authorization = f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/us-east-1/dynamodb/aws4_request"
    headers = [
        (b"authorization", authorization.encode()),
        (b"x-amz-target", f"DynamoDB.{operation}".encode()),
    ]
    return {"method": "POST", "headers": headers}


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> FunctionFaults:
    from ministack.services import lambda_svc, sts

    def ran(function: dict[str, Any], event: Any) -> dict[str, Any]:
        return {"body": {"ran": event}}

    monkeypatch.setattr(lambda_svc, "_execute_function", ran)
    session = {"Arn": "arn:aws:sts::000000000000:assumed-role/role/loop-PromoteSwitch-1"}
    monkeypatch.setattr(sts, "_sessions", {KEY: session})
    faults = FunctionFaults()
    faults.install()
    return faults


def add(faults: FunctionFaults, kind: str, **more: Any) -> None:
    faults.add(
        function_faults.parse(json.dumps({"function": "loop-PromoteSwitch", "kind": kind, **more}).encode())
    )


def invoke(name: str) -> dict[str, Any]:
    from ministack.services import lambda_svc

    answer: dict[str, Any] = lambda_svc._execute_function({"config": {"FunctionName": name}}, 1)
    return answer


@pytest.mark.parametrize(
    ("kind", "error"), [("fails", "Runtime.HandlerError"), ("times out", "Sandbox.Timedout")]
)
def test_a_function_fails_as_often_as_is_asked_for(faults: FunctionFaults, kind: str, error: str) -> None:
    add(faults, kind, times=2)
    assert invoke("loop-PromoteStart-1") == {"body": {"ran": 1}}, "another one"
    answers = [invoke("loop-PromoteSwitch-1") for _ in range(3)]
    assert [answer["body"].get("errorType") for answer in answers] == [error, error, None]
    assert [fault.struck for fault in faults.waiting()] == [2]


@pytest.mark.parametrize("kind", ["frozen before it writes", "frozen after it writes"])
def test_a_frozen_function_goes_on_when_it_is_let_go(faults: FunctionFaults, kind: str) -> None:
    add(faults, kind)
    hold = faults.before if "before" in kind else faults.after

    async def held() -> None:
        await asyncio.wait_for(hold(request("GetItem")), 1)
        waiting = asyncio.create_task(hold(request("PutItem")))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await asyncio.wait_for(hold(request("PutItem")), 1)  # only the first write is held back
        faults.clear()
        await asyncio.wait_for(waiting, 1)

    asyncio.run(held())


@pytest.mark.parametrize(
    "fault", [{"kind": "fails"}, {"function": "f", "kind": "burns"}, {"function": "f", "times": 0}]
)
def test_what_is_no_fault_is_refused(fault: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"function|kind|times"):
        function_faults.parse(json.dumps(fault).encode())
