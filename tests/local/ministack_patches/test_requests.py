"""What of MiniStack is put right, as far as a request alone shows it."""

from __future__ import annotations

from typing import Any

import pytest

from local.ministack_patches import (
    cloudfront_function_timeout,
    refreshed_token_auth_time,
    sqs_batch_actions,
)


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("SendMessageBatch", "sqs:SendMessage"),
        ("DeleteMessageBatch", "sqs:DeleteMessage"),
        ("ChangeMessageVisibilityBatch", "sqs:ChangeMessageVisibility"),
        ("SendMessage", "sqs:SendMessage"),
        ("ListQueues", "sqs:ListQueues"),
    ],
)
def test_a_batch_of_messages_needs_what_one_message_needs(
    operation: str, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ministack.core import iam_actions

    monkeypatch.setattr(iam_actions, "extract_iam_action", iam_actions.extract_iam_action)
    sqs_batch_actions.apply_patch()
    headers = {"x-amz-target": f"AmazonSQS.{operation}", "content-type": "application/x-amz-json-1.0"}
    assert iam_actions.extract_iam_action("sqs", "POST", "/", headers, b"{}", {}) == action
    assert (
        iam_actions.extract_iam_action(
            "dynamodb",
            "POST",
            "/",
            {**headers, "x-amz-target": "DynamoDB_20120810.BatchWriteItem"},
            b"{}",
            {},
        )
        == "dynamodb:BatchWriteItem"
    )


def test_a_renewed_token_says_when_somebody_signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    from ministack.services import cognito

    signed: list[dict[str, Any]] = []
    monkeypatch.setattr(cognito, "_signed_jwt", lambda claims, *_: signed.append(claims))
    refreshed_token_auth_time.apply_patch()
    for sign_in, now in (("first", 100), ("second", 150), ("first", 200)):
        cognito._signed_jwt({"origin_jti": sign_in, "auth_time": now, "iat": now}, "pool", "id")
    assert [(claims["auth_time"], claims["iat"]) for claims in signed] == [(100, 100), (150, 150), (100, 200)]


def test_a_function_of_cloudfront_has_more_time_than_node_takes_to_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ministack.core import cloudfront_js

    monkeypatch.setattr(cloudfront_js, "_EVAL_TIMEOUT", cloudfront_js._EVAL_TIMEOUT)
    given: list[float] = []

    def call(_asked: dict[str, Any], timeout: float) -> dict[str, Any]:
        given.append(timeout)
        return {"status": "ok", "value": {}}

    monkeypatch.setattr(cloudfront_js._pool, "call", call)
    cloudfront_function_timeout.apply_patch()
    cloudfront_js.evaluate(b"function handler(event) { return event.request }", {})
    assert given == [60.0]
