"""Speaks the console's HTTP API as its page does: signs in, then asks with the token.

It fills in the embedded stack's own sign-in page; AWS's is for people.
https://docs.aws.amazon.com/cognito/latest/developerguide/authorization-endpoint.html
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import urllib3

TIMEOUT = urllib3.Timeout(30)


class ConsoleError(RuntimeError):
    """The console refused; holds its status and its answer."""

    def __init__(self, status: int, content: Any) -> None:
        super().__init__(f"{status}: {content}")
        self.status = status
        self.content = content


@dataclass(frozen=True)
class Answer:
    status: int
    content: Any


class ConsoleClient:
    """One person's session at the console.

    Args:
        address: of the console, http://<distribution>.cloudfront.localhost:<port>/
    """

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._host = parts.netloc
        # Browsers take every name under .localhost for this machine; resolvers need not.
        self._pool = urllib3.HTTPConnectionPool("127.0.0.1", parts.port, maxsize=2, timeout=TIMEOUT)
        self.token = ""
        self.config = self.get("/config.json")

    def sign_in(self, name: str, password: str) -> None:
        """Sign in.

        Raises:
            ConsoleError: the name or the password is wrong.
        """
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        redirect = self.config["redirectUri"]
        wanted = {
            "response_type": "code",
            "client_id": self.config["clientId"],
            "redirect_uri": redirect,
            "scope": "openid profile",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        answer = self._form("/login", {**wanted, "username": name, "password": password})
        location = answer.headers.get("Location", "")
        if answer.status != 302 or "code=" not in location:
            raise ConsoleError(401, f"{name} could not sign in")
        code = parse_qs(urlsplit(location).query)["code"][0]
        exchange = {
            "grant_type": "authorization_code",
            "client_id": self.config["clientId"],
            "redirect_uri": redirect,
            "code": code,
            "code_verifier": verifier,
        }
        token = json.loads(self._form("/oauth2/token", exchange).data)
        self.token = token["access_token"]

    def get(self, path: str) -> Any:
        return self.ask("GET", path)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The content of the console's answer.

        Raises:
            ConsoleError: it refused.
        """
        answer = self.try_to(method, path, body)
        if answer.status >= 400:
            raise ConsoleError(answer.status, answer.content)
        return answer.content

    def try_to(self, method: str, path: str, body: Any = None) -> Answer:
        headers = {"Host": self._host}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        answer = self._pool.request(method, quote(path, safe="/?&=%"), body=content, headers=headers)
        return Answer(answer.status, _decoded(answer.data))

    def _form(self, path: str, values: dict[str, str]) -> urllib3.BaseHTTPResponse:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._pool.request("POST", path, body=urlencode(values), headers=headers, redirect=False)


def _decoded(data: bytes) -> Any:
    try:
        return json.loads(data) if data else None
    except ValueError:
        return data.decode(errors="replace")
