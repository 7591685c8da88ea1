"""What a training may read, decided by MiniStack's evaluator from policies that are read once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ministack.core import iam_evaluator

from local.engine.access import authorization

ACCOUNT = "123456789012"
USER = f"arn:aws:iam::{ACCOUNT}:user/trainer"
IMAGES = [f"arn:aws:s3:::data/images/{number}.jpg" for number in range(3)]


def statement(effect: str, resource: str, **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": "s3:GetObject", "Resource": resource, **more}


def permission(
    monkeypatch: pytest.MonkeyPatch, *identity: dict[str, Any], bucket: list[dict[str, Any]] | None = None
) -> tuple[authorization._ObjectPermission, list[str]]:
    """That of a user with these statements, and the objects whose bucket's policy was asked for."""
    asked: list[str] = []

    def bucket_policy(arn: str) -> Any:
        asked.append(arn)
        return None if bucket is None else ({"Statement": bucket}, ACCOUNT)

    monkeypatch.setattr(authorization, "_bucket_policy", bucket_policy)
    document = json.dumps({"Version": "2012-10-17", "Statement": list(identity)})
    policies = [iam_evaluator.parse_policy_document(document)]
    principal = iam_evaluator.PrincipalInfo(USER, "User", ACCOUNT, policies)
    evaluated = iam_evaluator.EvalContext(USER, "User", ACCOUNT, "s3:GetObject", "*", "us-east-1")
    return authorization._ObjectPermission(principal, evaluated, lambda question: question()), asked


@pytest.mark.parametrize(
    ("identity", "bucket", "allowed"),
    [
        ([statement("Allow", "*")], None, True),
        ([statement("Allow", "arn:aws:s3:::data/images/*")], [], True),
        ([statement("Allow", "arn:aws:s3:::data/other/*")], [], False),
        ([statement("Allow", "arn:aws:s3:::data/images/?.jpg"), statement("Deny", IMAGES[2])], [], False),
        ([statement("Allow", "*")], [statement("Deny", IMAGES[2], Principal="*")], False),
        ([statement("Allow", "*")], [statement("Deny", IMAGES[2], Principal={"AWS": "999999999999"})], True),
        ([], [statement("Allow", "arn:aws:s3:::data/*", Principal={"AWS": USER})], True),
        ([], [statement("Allow", IMAGES[0], Principal={"AWS": USER})], False),
        ([], [], False),
    ],
)
def test_all_images_must_be_allowed(
    monkeypatch: pytest.MonkeyPatch,
    identity: list[dict[str, Any]],
    bucket: list[dict[str, Any]] | None,
    allowed: bool,
) -> None:
    may_read, _ = permission(monkeypatch, *identity, bucket=bucket)
    assert may_read(IMAGES) is allowed


def test_the_policy_of_a_bucket_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    may_read, asked = permission(monkeypatch, statement("Allow", "*"))
    assert may_read([*IMAGES, "arn:aws:s3:::other/a.jpg", *IMAGES])
    assert asked == [IMAGES[0], "arn:aws:s3:::other/a.jpg"]
