"""What of MiniStack is put right, as far as a request alone shows it."""

from __future__ import annotations

import pytest

from local import ministack


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
    ministack._batches_need_what_one_message_needs()
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
