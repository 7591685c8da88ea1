"""What a request may have changed, by its method, address and signature."""

from __future__ import annotations

from typing import Any

import pytest

from local.ministack_state.changed import Changed

API = "/_aws/execute-api/01234567/$default"


@pytest.fixture(scope="module")
def changed() -> Changed:
    from ministack import app

    return Changed(app)


def request(path: str, method: str = "POST", *, signed_for: str = "", **headers: str) -> dict[str, Any]:
    """A request as the server has it."""
    if signed_for:
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential=KEY/20260101/us-east-1/{signed_for}/aws4_request"
        )
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": method, "path": path, "query_string": b"", "headers": named}


@pytest.mark.parametrize(
    ("asked", "services"),
    [
        (request(f"{API}/v1/detections", authorization="Bearer token"), set()),
        (request(f"{API}/iam/v1/detections", signed_for="execute-api"), set()),
        (request("/v1/detections", host="01234567.execute-api.localhost:4566"), set()),
        (request("/oauth2/token"), {"cognito"}),
        (request("/bucket/key", "PUT", signed_for="s3"), set()),
        (request("/bucket", "PUT", signed_for="s3"), {"s3"}),
        (request("/", signed_for="dynamodb", x_amz_target="DynamoDB_20120810.PutItem"), set()),
        (request("/", signed_for="dynamodb", x_amz_target="DynamoDB_20120810.UpdateTable"), {"dynamodb"}),
        (request("/", signed_for="ssm", x_amz_target="AmazonSSM.GetParameter"), set()),
        (request("/", signed_for="ssm", x_amz_target="AmazonSSM.PutParameter"), {"ssm"}),
    ],
)
def test_what_a_request_may_have_changed(changed: Changed, asked: dict[str, Any], services: set[str]) -> None:
    assert changed.by(asked) == services


def test_a_deployment_may_have_changed_everything(changed: Changed, monkeypatch: pytest.MonkeyPatch) -> None:
    from ministack import app

    states = dict.fromkeys(("cloudformation", "iam", "lambda", "cloudwatch", "cloudwatch_logs"))
    monkeypatch.setattr(app, "_build_persistence_save_dict", lambda: states)
    assert changed.by(request("/", signed_for="cloudformation")) == {"cloudformation", "iam", "lambda"}
