"""Which access tokens are taken, how often the issuer's keys are fetched, and what hostile tokens get."""

from __future__ import annotations

import base64
import hmac
import json
import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from urllib.error import URLError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws, jwt

from lambdas import applications as handler
from lambdas.domain.applications.tokens import MAX_BYTES, RETRY_SECONDS, Claims, TokenError, Verifier
from tests.fixtures.applications import ISSUER, LINE, Asked, key, key_set, token

NOW = time.time()
UNSIGNED = "is not signed by this deployment"


class Issuer:
    """The issuer's address of keys, which counts how often it is asked."""

    def __init__(self) -> None:
        self.fetches = 0
        self.keys = key_set(key())
        self.is_down = False

    def fetch(self) -> Mapping[str, Any]:
        self.fetches += 1
        if self.is_down:
            raise URLError("timed out")
        return self.keys


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def verifier(issuer: Issuer) -> Verifier:
    return Verifier(ISSUER, issuer.fetch)


def encoded(part: Any) -> str:
    """A part of a token."""
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@cache
def good_claims() -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token(), key(), algorithms=["RS256"]).claims
    return claims


def without_signature(header: Any, signature: str = "AA") -> str:
    """The good token with another header, and a signature that is none."""
    return f"{encoded(header)}.{encoded(good_claims())}.{signature}"


def with_other_claims() -> str:
    """The good token's signature under claims of another application."""
    header, _, signature = token().split(".")
    return f"{header}.{encoded({**good_claims(), 'client_id': 'shop'})}.{signature}"


def signed_with_the_public_key() -> str:
    """A token of HMAC, whose secret everybody knows if the public key is taken for it."""
    signed = f"{encoded({'alg': 'HS256', 'kid': key().kid})}.{encoded(good_claims())}"
    return f"{signed}.{encoded(hmac.digest(key().as_pem(private=False), signed.encode(), 'sha256'))}"


def without(*names: str) -> str:
    """The good token without some of its claims."""
    kept = {name: value for name, value in good_claims().items() if name not in names}
    return jwt.encode({"alg": "RS256", "kid": key().kid}, kept, key())


def test_a_good_token_says_whose_it_is(verifier: Verifier) -> None:
    good = token(exp=int(NOW) + 100)
    assert verifier.verify(good, NOW) == Claims(LINE, int(NOW) + 100)


@pytest.mark.parametrize(
    ("made", "status", "why"),
    [
        (lambda: "", 401, "needs an access token"),
        (lambda: "a" * (MAX_BYTES + 1), 401, f"over {MAX_BYTES} bytes"),
        (lambda: token(exp=int(NOW) - 60), 401, "expired"),
        (lambda: token(exp=True), 401, "expired"),
        (lambda: token(exp=str(int(NOW) + 60)), 401, "expired"),
        (lambda: without("exp"), 401, "expired"),
        (lambda: token(iss=ISSUER + "2"), 401, "another issuer"),
        (lambda: without("iss"), 401, "another issuer"),
        (lambda: token(token_use="id"), 401, "ID token"),
        (lambda: without("token_use"), 401, "ID token"),
        (lambda: token(scope="openid aws.cognito.signin.user.admin"), 403, "not the scope"),
        (lambda: token(scope="labelloop/detections"), 403, "not the scope"),
        (lambda: without("scope"), 403, "not the scope"),
        (lambda: token(signed_by=key("b")), 401, UNSIGNED),
        (with_other_claims, 401, UNSIGNED),
        (signed_with_the_public_key, 401, UNSIGNED),
        (lambda: without_signature({"alg": "none"}, ""), 401, UNSIGNED),
        (lambda: without_signature({"alg": "None", "kid": "a"}, ""), 401, UNSIGNED),
        (lambda: jws.serialize_compact({"alg": "RS256", "kid": "a"}, b"[1]", key()), 401, UNSIGNED),
    ],
)
def test_a_token_that_is_not_good_is_told_why(
    made: Callable[[], str], status: int, why: str, verifier: Verifier
) -> None:
    with pytest.raises(TokenError, match=why) as caught:
        verifier.verify(made(), NOW)
    assert caught.value.status == status


@pytest.mark.parametrize(
    "header",
    [
        [],
        None,
        1,
        {"alg": []},
        {"alg": {}, "kid": {}},
        {"alg": "RS256", "kid": []},
        {"alg": "RS256", "kid": "a", "crit": 5},
        {"alg": "RS256", "kid": "a", "crit": ["b64"], "b64": False},
        {"alg": "RS256", "kid": "a", "jwk": 5, "x5c": 6},
        b"[" * 5000,
        b"\xff\xfe",
        b'{"kid":' + b"9" * 5000 + b"}",
    ],
)
def test_no_header_of_a_token_breaks_the_api(header: Any, verifier: Verifier) -> None:
    for signature in ("AA", "AA.AA.AA"):
        with pytest.raises(TokenError, match=UNSIGNED):
            verifier.verify(without_signature(header, signature), NOW)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_NAMES = st.sampled_from(
    ["alg", "kid", "crit", "b64", "typ", "cty", "jwk", "jku", "x5c", "x5t", "enc", "zip"]
)


@settings(max_examples=50)
@given(st.dictionaries(_NAMES, _JSON), st.booleans(), st.text(max_size=20))
def test_whatever_is_sent_as_a_token_is_refused(header: dict[str, Any], signs: bool, text: str) -> None:
    verifier = Verifier(ISSUER, Issuer().fetch)
    named = {**header, "alg": "RS256", "kid": "a"} if signs else header
    for sent in (without_signature(named), text, f"{text}.{text}.{text}"):
        with pytest.raises(TokenError):
            verifier.verify(sent, NOW)


# The issuer's keys


def test_tokens_of_an_unknown_key_do_not_have_the_keys_fetched_each_time(
    verifier: Verifier, issuer: Issuer
) -> None:
    for second in range(50):
        with pytest.raises(TokenError, match=UNSIGNED):
            verifier.verify(token(signed_by=key("b")), NOW + second)
    assert issuer.fetches == 1
    assert verifier.verify(token(), NOW + 50).client_id == LINE


def test_a_new_key_of_the_issuer_s_is_known_within_a_minute(verifier: Verifier, issuer: Issuer) -> None:
    verifier.verify(token(), NOW)
    issuer.keys = key_set(key(), key("b"))
    assert verifier.verify(token(signed_by=key("b")), NOW + 61).client_id == LINE
    assert issuer.fetches == 2


def test_a_token_that_comes_while_the_keys_are_fetched_is_checked_with_them() -> None:
    verified: list[Claims] = []

    def fetch() -> Mapping[str, Any]:
        # It gets as far as to have no keys, and waits.
        other.start()
        other.join(0.2)
        return key_set(key())

    verifier = Verifier(ISSUER, fetch)
    other = threading.Thread(target=lambda: verified.append(verifier.verify(token(), time.time())))
    verified.append(verifier.verify(token(), time.time()))
    other.join()
    assert [claims.client_id for claims in verified] == [LINE, LINE]


def test_while_the_keys_cannot_be_fetched_no_token_is_called_bad(verifier: Verifier, issuer: Issuer) -> None:
    issuer.is_down = True
    for _ in range(10):
        with pytest.raises(TokenError, match="cannot be read") as caught:
            verifier.verify(token(), NOW)
        assert caught.value.status == 503
    # Each would wait for an address that does not answer.
    assert issuer.fetches == 1
    issuer.is_down = False
    assert verifier.verify(token(), NOW + RETRY_SECONDS).client_id == LINE


def test_known_keys_stay_good_while_new_ones_cannot_be_fetched(verifier: Verifier, issuer: Issuer) -> None:
    verifier.verify(token(), NOW)
    issuer.is_down = True
    with pytest.raises(TokenError, match="cannot be read") as caught:
        verifier.verify(token(signed_by=key("b")), NOW + 61)
    assert caught.value.status == 503, "it may be signed by a new key"
    assert verifier.verify(token("shop"), NOW + 62).client_id == "shop"


def test_an_application_is_told_when_to_come_again_while_there_are_no_keys(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = Issuer()
    issuer.is_down = True
    monkeypatch.setattr(handler, "_fetch_keys", issuer.fetch)
    answer = asked.ask("GET /v1/openapi.json")
    assert (answer.status, answer.headers["Retry-After"]) == (503, str(RETRY_SECONDS))
