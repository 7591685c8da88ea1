"""Which permission a batch of messages needs, with and without the patch."""

from __future__ import annotations

from typing import Any

import pytest

from local.ministack_patches import sqs_batch_actions


@pytest.fixture
def actions(monkeypatch: pytest.MonkeyPatch) -> Any:
    """MiniStack's module that names a request's action, as it comes."""
    from ministack.core import iam_actions

    monkeypatch.setattr(iam_actions, "extract_iam_action", iam_actions.extract_iam_action)
    return iam_actions


def action_of(actions: Any, service: str, target: str) -> str | None:
    headers = {"x-amz-target": target, "content-type": "application/x-amz-json-1.0"}
    action: str | None = actions.extract_iam_action(service, "POST", "/", headers, b"{}", {})
    return action


def test_the_patch_is_needed(actions: Any) -> None:
    assert action_of(actions, "sqs", "AmazonSQS.SendMessageBatch") != "sqs:SendMessage"


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
def test_a_batch_of_messages_needs_what_one_message_needs(operation: str, action: str, actions: Any) -> None:
    sqs_batch_actions.apply_patch()
    assert action_of(actions, "sqs", f"AmazonSQS.{operation}") == action


def test_other_services_actions_stay_as_they_are(actions: Any) -> None:
    sqs_batch_actions.apply_patch()
    assert action_of(actions, "dynamodb", "DynamoDB_20120810.BatchWriteItem") == "dynamodb:BatchWriteItem"
