"""Tokens that a refresh token is exchanged for, with and without the patches."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest

from local.ministack_patches import refreshed_token_auth_time, refreshed_token_groups


class Pool:
    """A user pool of MiniStack's Cognito with a user in a group, who has signed in on the hosted pages."""

    def __init__(self, cognito: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self._cognito = cognito
        self._monkeypatch = monkeypatch
        self._id = self._call("create_user_pool", PoolName="people")["UserPool"]["Id"]
        client = self._call("create_user_pool_client", UserPoolId=self._id, ClientName="console")
        self._client = client["UserPoolClient"]["ClientId"]
        user = {"UserPoolId": self._id, "Username": "ada"}
        self._call("admin_create_user", **user)
        self._call("create_group", UserPoolId=self._id, GroupName="reviewers")
        self._call("admin_add_user_to_group", **user, GroupName="reviewers")

    def sign_in(self, now: int) -> tuple[str, dict[str, Any]]:
        """The refresh token, and the claims of the ID token."""
        self._set_clock(now)
        user = self._cognito._get_pool_unscoped(self._id)["_users"]["ada"]
        tokens = self._cognito._build_auth_result(self._id, self._client, user, scope="openid")
        grant = {"pool_id": self._id, "client_id": self._client, "username": "ada"}
        self._cognito._refresh_tokens[tokens["RefreshToken"]] = grant
        return tokens["RefreshToken"], claims_of(tokens["IdToken"])

    def refresh(self, token: str, now: int) -> dict[str, dict[str, Any]]:
        """The claims of the ID token and of the access token."""
        self._set_clock(now)
        form = {"grant_type": "refresh_token", "client_id": self._client, "refresh_token": token}
        status, _, body = self._cognito._oauth2_token({}, {}, urlencode(form).encode())
        assert status == 200, body
        tokens = json.loads(body)
        return {name: claims_of(tokens[name]) for name in ("id_token", "access_token")}

    def _set_clock(self, now: int) -> None:
        self._monkeypatch.setattr(self._cognito, "time", SimpleNamespace(time=lambda: now))

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        status, _, body = getattr(self._cognito, f"_{operation}")(request)
        assert status == 200, body
        document: dict[str, Any] = json.loads(body)
        return document


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    from ministack.services import cognito

    for name in ("_fake_token", "_signed_jwt"):
        monkeypatch.setattr(cognito, name, getattr(cognito, name))
    yield Pool(cognito, monkeypatch)
    cognito.reset()


# Groups


def test_the_patch_of_groups_is_needed(pool: Pool) -> None:
    token, claims = pool.sign_in(1000)
    assert claims["cognito:groups"] == ["reviewers"]
    assert "cognito:groups" not in pool.refresh(token, 2000)["id_token"]


def test_refreshed_tokens_carry_the_users_groups(pool: Pool) -> None:
    refreshed_token_groups.apply_patch()
    token, _ = pool.sign_in(1000)
    for claims in pool.refresh(token, 2000).values():
        assert claims["cognito:groups"] == ["reviewers"]


# The time of sign-in


def test_the_patch_of_the_time_of_sign_in_is_needed(pool: Pool) -> None:
    token, _ = pool.sign_in(1000)
    assert pool.refresh(token, 2000)["id_token"]["auth_time"] == 2000


def test_a_refreshed_token_says_when_somebody_signed_in(pool: Pool) -> None:
    refreshed_token_auth_time.apply_patch()
    first, claims = pool.sign_in(1000)
    assert (claims["auth_time"], claims["iat"]) == (1000, 1000)
    _, claims = pool.sign_in(1500)
    assert (claims["auth_time"], claims["iat"]) == (1500, 1500)
    claims = pool.refresh(first, 2000)["id_token"]
    assert (claims["auth_time"], claims["iat"]) == (1000, 2000)
