"""IAM's condition key dynamodb:LeadingKeys, with and without the patch."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.ministack_patches import dynamodb_leading_keys

ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/loop"
RUN, LEASE = {"S": "RUN"}, {"S": "LEASE"}
REQUESTS: dict[str, dict[str, Any]] = {
    "put": {"TableName": "loop", "Item": {"kind": RUN, "id": {"S": "a"}}},
    "key": {"TableName": ARN, "Key": {"kind": RUN, "id": {"S": "a"}}},
    "query": {
        "TableName": "loop",
        "KeyConditionExpression": "#k = :k AND id = :i",
        "ExpressionAttributeNames": {"#k": "kind"},
        "ExpressionAttributeValues": {":k": RUN, ":i": {"S": "a"}},
    },
    "index": {
        "TableName": "loop",
        "IndexName": "by_state",
        "KeyConditionExpression": "state = :s",
        "ExpressionAttributeValues": {":s": RUN},
    },
    "batch get": {"RequestItems": {"loop": {"Keys": [{"kind": RUN, "id": {"S": "a"}}]}}},
    "batch write": {"RequestItems": {"loop": [{"PutRequest": {"Item": {"kind": RUN, "id": {"S": "a"}}}}]}},
}
TRANSACTION = {
    "TransactItems": [
        {"ConditionCheck": {"TableName": "loop", "Key": {"kind": LEASE, "id": {"S": "retrain"}}}},
        {"Update": {"TableName": "loop", "Key": {"kind": RUN, "id": {"S": "a"}}}},
    ]
}


@pytest.fixture
def ministack(monkeypatch: pytest.MonkeyPatch) -> Any:
    """MiniStack's modules, as they come, with a table."""
    from ministack.core import iam_actions, iam_evaluator
    from ministack.services import dynamodb

    for name in ("dynamodb_service_context", "dynamodb_transaction_checks"):
        monkeypatch.setattr(iam_actions, name, getattr(iam_actions, name))
    monkeypatch.setattr(iam_evaluator, "enforce", iam_evaluator.enforce)
    index = {"IndexName": "by_state", "KeySchema": [{"AttributeName": "state", "KeyType": "HASH"}]}
    monkeypatch.setattr(dynamodb, "_tables", {"loop": {"pk_name": "kind", "GlobalSecondaryIndexes": [index]}})
    return iam_actions, iam_evaluator


def context_of(ministack: Any, request: dict[str, Any]) -> Any:
    return ministack[0].dynamodb_service_context(json.dumps(request).encode())


def checks_of(ministack: Any) -> list[tuple[str, str]]:
    body = json.dumps(TRANSACTION).encode()
    checks: list[tuple[str, str]] = ministack[0].dynamodb_transaction_checks(
        "dynamodb:TransactWriteItems", body, "us-east-1", "000000000000"
    )
    return checks


def allows(ministack: Any, context: dict[str, Any]) -> bool:
    """Whether a policy that allows to write runs allows a request in this context."""
    evaluator = ministack[1]
    (statement,) = evaluator.parse_policy_document(
        {
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": "dynamodb:PutItem",
                    "Resource": "*",
                    "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["RUN"]}},
                }
            ]
        }
    )
    principal: Any = {"principal_arn": "arn", "principal_type": "User", "principal_account": "1"}
    lowered = {key.lower(): value for key, value in context.items()}
    asked = evaluator.EvalContext(
        **principal, action="dynamodb:PutItem", resource_arn=ARN, region="us-east-1", service_context=lowered
    )
    return bool(evaluator._conditions_met(statement.conditions, asked))


def test_the_patch_is_needed(ministack: Any) -> None:
    lease = {"TableName": "loop", "Item": {"kind": LEASE, "id": {"S": "retrain"}}}
    assert allows(ministack, context_of(ministack, lease))


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_names_its_partition_keys(name: str, ministack: Any) -> None:
    dynamodb_leading_keys.apply_patch()
    assert context_of(ministack, REQUESTS[name])["dynamodb:LeadingKeys"] == ["RUN"]


@pytest.mark.parametrize(
    "request_", [{"TableName": "loop"}, {}, {"TableName": "other", "Item": {"kind": RUN}}]
)
def test_what_names_none_has_no_such_key(request_: dict[str, Any], ministack: Any) -> None:
    """As in AWS, where a Scan has none."""
    dynamodb_leading_keys.apply_patch()
    assert "dynamodb:LeadingKeys" not in context_of(ministack, request_)


@pytest.mark.parametrize(("kind", "allowed"), [("RUN", True), ("LEASE", False)])
def test_a_policy_allows_the_items_that_it_names(kind: str, allowed: bool, ministack: Any) -> None:
    dynamodb_leading_keys.apply_patch()
    item = {"TableName": "loop", "Item": {"kind": {"S": kind}, "id": {"S": "a"}}}
    assert allows(ministack, context_of(ministack, item)) is allowed


def test_each_item_of_a_transaction_is_judged_by_its_own_key(
    ministack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = []

    def enforce(*request: Any, service_context: dict[str, Any], **named: Any) -> None:
        judged.append((request[1], service_context["dynamodb:LeadingKeys"]))

    monkeypatch.setattr(ministack[1], "enforce", enforce)
    dynamodb_leading_keys.apply_patch()
    for action, arn in checks_of(ministack):
        ministack[1].enforce("key", action, "dynamodb", "us-east-1", resource_arn=arn, service_context={})
    assert judged == [("dynamodb:ConditionCheckItem", ["LEASE"]), ("dynamodb:UpdateItem", ["RUN"])]
