"""Policies that are read once, with and without the patch."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.ministack_patches import iam_policies

STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


@pytest.fixture
def evaluator(monkeypatch: pytest.MonkeyPatch) -> Any:
    """MiniStack's policy evaluator, as it comes."""
    from ministack.core import iam_evaluator

    monkeypatch.setattr(iam_evaluator, "parse_policy_document", iam_evaluator.parse_policy_document)
    return iam_evaluator


def policy(**changed: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT | changed]})


def test_the_patch_is_needed(evaluator: Any) -> None:
    assert evaluator.parse_policy_document(policy()) is not evaluator.parse_policy_document(policy())


def test_a_policy_is_parsed_once(evaluator: Any) -> None:
    iam_policies.apply_patch()
    assert evaluator.parse_policy_document(policy()) is evaluator.parse_policy_document(policy())


def test_a_policy_that_is_changed_is_another_one(evaluator: Any) -> None:
    iam_policies.apply_patch()
    (before,), (after,) = map(evaluator.parse_policy_document, (policy(), policy(Effect="Deny")))
    assert (before.effect, after.effect) == ("Allow", "Deny")


def test_documents_that_are_no_text_are_parsed_as_ever(evaluator: Any) -> None:
    iam_policies.apply_patch()
    (statement,) = evaluator.parse_policy_document({"Statement": STATEMENT})
    assert statement.actions == ["s3:GetObject"]
