"""Actions without resource types, with and without the patch."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.ministack_patches import iam_resource_types

ROLE = "arn:aws:iam::123456789012:role/maker"
MAPPING = "arn:aws:lambda:us-east-1:123456789012:function:register"


@pytest.fixture
def evaluator(monkeypatch: pytest.MonkeyPatch) -> Any:
    """MiniStack's policy evaluator, as it comes, in front of credentials that are good."""
    from ministack.core import iam_evaluator

    monkeypatch.setattr(iam_evaluator, "enforce", iam_evaluator.enforce)
    monkeypatch.setattr(iam_evaluator, "authenticate", lambda *request: None)
    return iam_evaluator


def allowed(evaluator: Any, monkeypatch: pytest.MonkeyPatch, action: str, *, policy: str) -> bool:
    """Whether a policy that allows the action on `policy` lets it pass, on an ARN that MiniStack makes."""
    statement = {"Effect": "Allow", "Action": action, "Resource": policy}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    policies = [evaluator.parse_policy_document(document)]
    principal = evaluator.PrincipalInfo(ROLE, "AssumedRole", "123456789012", policies)
    monkeypatch.setattr(evaluator, "resolve_principal", lambda *request: principal)
    service = action.partition(":")[0]
    return evaluator.enforce("key", action, service, "us-east-1", resource_arn=MAPPING) is None


def test_the_patch_is_needed(evaluator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert allowed(evaluator, monkeypatch, "lambda:CreateEventSourceMapping", policy=MAPPING)


@pytest.mark.parametrize(
    ("action", "policy", "expected"),
    [
        ("lambda:CreateEventSourceMapping", MAPPING, False),
        ("lambda:CreateEventSourceMapping", "*", True),
        ("states:ListStateMachines", "arn:aws:*", False),
        ("lambda:InvokeFunction", MAPPING, True),
        ("lambda:InvokeFunction", f"{MAPPING}-2", False),
    ],
)
def test_only_a_policy_for_all_resources_allows_them(
    evaluator: Any, monkeypatch: pytest.MonkeyPatch, action: str, policy: str, expected: bool
) -> None:
    iam_resource_types.apply_patch()
    assert allowed(evaluator, monkeypatch, action, policy=policy) is expected
