"""Who MiniStack takes for the root user, and who may sign up, with and without the patches."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.ministack_patches import root_signatures, self_sign_up

KEY = "LABELLOOPROOT"


@pytest.fixture
def iam(monkeypatch: pytest.MonkeyPatch) -> Any:
    """MiniStack's IAM, as it comes."""
    from ministack.core import iam_evaluator
    from ministack.services import sts

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    for name in ("is_root_access_key", "_is_root_key", "resolve_principal", "resolve_caller_identity"):
        monkeypatch.setattr(iam_evaluator, name, getattr(iam_evaluator, name))
    monkeypatch.setattr(sts, "is_root_access_key", sts.is_root_access_key)
    return iam_evaluator


def checked(iam: Any, key: str) -> Any:
    """What comes of a request that is signed with this key and a wrong secret."""
    credential = f"{key}/20260101/us-east-1/dynamodb/aws4_request"
    authorization = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature={'0' * 64}"
    headers = [(b"authorization", authorization.encode()), (b"x-amz-date", b"20260101T000000Z")]
    iam.pin_signed_request("POST", "/", {}, headers)
    return iam.authenticate(key, "000000000000")


def test_the_patch_of_signatures_is_needed(iam: Any) -> None:
    assert checked(iam, KEY) is None
    assert iam.is_root_access_key("test") and iam.is_root_access_key("123456789012")
    assert iam.resolve_principal("", "000000000000").type == "Root"


@pytest.mark.parametrize("key", [KEY, "000000000000"])
def test_the_root_users_signature_is_checked(iam: Any, key: str) -> None:
    root_signatures.apply_patch()
    assert isinstance(checked(iam, key), iam.AuthError)


@pytest.mark.parametrize("key", ["test", "123456789012", ""])
def test_nobody_else_is_root(iam: Any, key: str) -> None:
    root_signatures.apply_patch()
    assert isinstance(iam.resolve_principal(key, "000000000000"), iam.AuthError)
    assert iam.resolve_principal(KEY, "000000000000").type == "Root"
    assert iam.resolve_caller_identity(KEY)["userArn"] == "arn:aws:iam::000000000000:root"


@pytest.fixture
def cognito(monkeypatch: pytest.MonkeyPatch) -> Any:
    from ministack.services import cognito as module

    monkeypatch.setattr(module, "_sign_up", module._sign_up)
    return module


def sign_up(cognito: Any, *, only_administrators: bool) -> tuple[int, dict[str, Any]]:
    config = {"AllowAdminCreateUserOnly": only_administrators}
    _, _, body = cognito._create_user_pool({"PoolName": "people", "AdminCreateUserConfig": config})
    pool = json.loads(body)["UserPool"]["Id"]
    _, _, body = cognito._create_user_pool_client({"UserPoolId": pool, "ClientName": "console"})
    client = json.loads(body)["UserPoolClient"]["ClientId"]
    user = {"ClientId": client, "Username": "eve", "Password": "Aa1-aaaaaaaa"}
    status, _, body = cognito._sign_up(user)
    return status, json.loads(body)


def test_the_patch_of_sign_up_is_needed(cognito: Any) -> None:
    assert sign_up(cognito, only_administrators=True)[0] == 200


def test_nobody_signs_up_where_only_administrators_create_users(cognito: Any) -> None:
    self_sign_up.apply_patch()
    status, error = sign_up(cognito, only_administrators=True)
    assert (status, error["__type"]) == (400, "NotAuthorizedException")
    assert sign_up(cognito, only_administrators=False)[0] == 200
