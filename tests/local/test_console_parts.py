"""What the embedded stack's console stands on, each by itself: origins, task tokens, client, people."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from moto import mock_aws

from local import console_client, people
from local.console_client import ConsoleClient, ConsoleError
from local.embedded import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, Running
from local.ministack_patches import cdn_origins, task_tokens
from tests.fixtures.waiting import HUNG_SECONDS

# CloudFront's origins


class Origins:
    """MiniStack's CloudFront with its patch; what is asked of either origin is written down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("ministack")
        from ministack.services import apigateway, cloudfront

        self.others: list[Any] = []
        self.api: list[dict[str, Any]] = []
        self.headers: dict[str, Any] = {"Content-Type": "application/json"}
        monkeypatch.setattr(cloudfront, "_fetch_from_origin", self._other)
        monkeypatch.setattr(apigateway, "find_api_scope", lambda _: ("123456789012", REGION))
        monkeypatch.setattr(apigateway, "stages_for_api", lambda _: {"$default": {}})
        monkeypatch.setattr(apigateway, "handle_execute", self._execute)
        cdn_origins.apply_patch()
        self._fetch = cloudfront._fetch_from_origin

    def fetch(self, domain: str, path: str, query: str = "", headers: dict[str, str] | None = None) -> Any:
        origin: dict[str, Any] = {"domain_name": domain, "origin_path": "", "custom_headers": []}
        sent = {"authorization": "Bearer x", **(headers or {})}
        asked = (origin, "PUT", path, query, sent, b"{}", False, "192.0.2.1", "", "arn")
        return asyncio.run(self._fetch(*asked))

    async def _other(self, *asked: Any) -> Any:
        self.others.append(asked)
        return 200, "OK", (), b"other"

    async def _execute(self, *asked: Any, raw_query_string: str) -> Any:
        names = ("api", "stage", "path", "method", "headers", "body", "query")
        self.api.append({**dict(zip(names, asked, strict=True)), "raw_query_string": raw_query_string})
        return 403, dict(self.headers), b'{"error": {}}'


@pytest.fixture
def origins(monkeypatch: pytest.MonkeyPatch) -> Origins:
    return Origins(monkeypatch)


API = "abcd1234.execute-api.us-east-1.amazonaws.com"


def test_an_http_api_is_an_origin(origins: Origins) -> None:
    status, reason, headers, body = origins.fetch(API, "/api/admin/labels", "label=a%2Fb&empty=")
    assert (status, reason, body) == (403, "Forbidden", b'{"error": {}}')
    assert headers["content-type"] == "application/json"
    (asked,) = origins.api
    assert (asked["api"], asked["stage"], asked["method"]) == ("abcd1234", "$default", "PUT")
    assert asked["path"] == "/api/admin/labels"
    assert asked["query"] == {"label": ["a/b"], "empty": [""]}
    assert asked["raw_query_string"] == "label=a%2Fb&empty="
    assert asked["headers"]["authorization"] == "Bearer x"
    assert origins.others == []


def test_a_path_is_decoded_once_as_the_http_api_does(origins: Origins) -> None:
    origins.fetch(API, "/api/tasks/a%20b%2541")
    assert origins.api[0]["path"] == "/api/tasks/a b%2541"


def test_every_value_of_a_header_comes_back(origins: Origins) -> None:
    origins.headers = {"Set-Cookie": ["a=1", "b=2"]}
    _, _, headers, _ = origins.fetch(API, "/api/me")
    assert headers["set-cookie"] == ["a=1", "b=2"]


@pytest.mark.parametrize(
    "domain",
    [
        "site.s3.us-east-1.amazonaws.com",
        "example.com",
        f"{API}.example.com",
        f"x.{API}",
        API.replace("cd", "-"),
    ],
)
def test_other_origins_are_asked_as_before(domain: str, origins: Origins) -> None:
    assert origins.fetch(domain, "/index.html")[3] == b"other"
    assert origins.others[0][0]["domain_name"] == domain
    assert origins.api == []


# Task tokens


class ExecutionError(Exception):
    pass


class StepFunctions(SimpleNamespace):
    """MiniStack's module as far as tokens go."""

    def __init__(self) -> None:
        super().__init__()
        self._ExecutionError = ExecutionError
        self._task_tokens: dict[str, dict[str, Any]] = {}
        self.ran: list[dict[str, Any]] = []
        self.called: list[tuple[str, Any]] = []
        self.fails = False

    def _execute_task(self, state: dict[str, Any], given: Any, execution: Any, context: Any) -> Any:
        self.ran.append(state)
        return given

    def _invoke_with_callback(self, resource: str, data: Any, token: str, state: dict[str, Any]) -> Any:
        """Goes on waiting where the function fails."""
        self._task_tokens[token] = {"event": threading.Event(), "error": None, "heartbeat": None}
        with suppress(ExecutionError):
            # Looked up when it is called, as in a module.
            self._call_lambda("asks", {"token": token})
        return "waited"

    def _call_lambda(self, function: str, event: Any) -> Any:
        self.called.append((function, event))
        if self.fails:
            raise ExecutionError("it broke")
        return "done"

    def _send_task_success(self, data: dict[str, Any]) -> Any:
        self._task_tokens[data["taskToken"]]["event"].set()
        return "taken"

    _send_task_failure = _send_task_success

    def error_response_json(self, code: str, message: str, status: int) -> Any:
        return code

    def _jsonata_state_field(
        self, state: dict[str, Any], name: str, type: str, given: Any, context: Any
    ) -> Any:
        assert type == "number"
        match = re.fullmatch(r"\{% \$states\.input\.(\w+) %\}", state[name])
        assert match
        return given[match[1]]


@pytest.fixture
def tokens() -> tuple[StepFunctions, Any]:
    module = StepFunctions()
    return module, task_tokens._Patch(module)


def test_seconds_may_be_expressions(tokens: tuple[StepFunctions, Any]) -> None:
    module, _ = tokens
    state = {
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "TimeoutSeconds": "{% $states.input.timeout %}",
        "HeartbeatSeconds": 5,
    }
    module._execute_task(state, {"timeout": 60}, None, None)
    assert (module.ran[0]["TimeoutSeconds"], module.ran[0]["HeartbeatSeconds"]) == (60, 5)
    assert state["TimeoutSeconds"] == "{% $states.input.timeout %}", "the definition stays as it is"


def test_tasks_that_wait_for_no_token_are_left_alone(tokens: tuple[StepFunctions, Any]) -> None:
    module, _ = tokens
    state = {"Resource": "arn:aws:states:::lambda:invoke", "TimeoutSeconds": "{% 1 %}"}
    assert module._execute_task(state, {}, None, None) == {}
    assert module.ran == [state]


def test_a_function_that_cannot_take_the_token_fails_the_task(tokens: tuple[StepFunctions, Any]) -> None:
    module, patched = tokens
    module.fails = True
    with pytest.raises(ExecutionError, match="it broke"):
        patched.invoke_with_callback("r", {}, "token", {"HeartbeatSeconds": 60})
    assert (module._task_tokens, patched._listener._waiting) == ({}, {})


def test_functions_that_are_given_no_token_fail_as_before(tokens: tuple[StepFunctions, Any]) -> None:
    module, _ = tokens
    module.fails = True
    with pytest.raises(ExecutionError, match="it broke"):
        module._call_lambda("other", {})
    module.fails = False
    assert module._call_lambda("other", {}) == "done"


def test_a_function_that_takes_the_token_is_waited_for(tokens: tuple[StepFunctions, Any]) -> None:
    module, patched = tokens
    assert patched.invoke_with_callback("r", {}, "token", {"HeartbeatSeconds": 60}) == "waited"
    assert module.called == [("asks", {"token": "token"})]
    assert patched._listener._waiting == {}, "nobody listens for it any more"


@pytest.mark.parametrize(("status", "answers"), [("RUNNING", "taken"), ("ABORTED", "TaskTimedOut")])
def test_a_token_is_good_once_and_for_as_long_as_its_execution_runs(
    status: str, answers: str, tokens: tuple[StepFunctions, Any]
) -> None:
    module, patched = tokens
    execution = {"status": "RUNNING"}
    given: list[Any] = []

    def answered(function: str, event: Any) -> None:
        execution["status"] = status
        given.extend(patched._send("_send_task_success", {"taskToken": "token"}) for _ in range(2))

    patched._originals["_call_lambda"] = answered
    state = {"Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken"}
    module._execute_task(state, {}, execution, None)
    patched.invoke_with_callback("r", {}, "token", {})
    assert given == [answers, "TaskTimedOut"]


class Heard:
    """A task that waits, and the listener that looks after it, in its own time."""

    def __init__(self, module: StepFunctions, patched: Any) -> None:
        module._task_tokens["t"] = {"event": threading.Event(), "error": None, "heartbeat": None}
        self.token: dict[str, Any] = module._task_tokens["t"]
        self._listener = patched._listener
        self._listener._thread = threading.current_thread()  # so that none starts
        self._listener.listen("t", 60.0)
        self.waiting = self._listener._waiting["t"]

    def look_after(self, seconds: float) -> Any:
        """What the task fails with, if it does, so many seconds later."""
        self.waiting.heard_at -= seconds
        self._listener._look("t", self.waiting)
        return self.token["error"]


def test_a_task_that_nobody_hears_of_fails(tokens: tuple[StepFunctions, Any]) -> None:
    task = Heard(*tokens)
    assert task.look_after(30) is None
    assert task.look_after(31)["Error"] == "States.HeartbeatTimeout"
    assert task.token["event"].is_set()


def test_a_heartbeat_begins_the_time_anew(tokens: tuple[StepFunctions, Any]) -> None:
    task = Heard(*tokens)
    task.token["heartbeat"] = 1.0
    assert task.look_after(61) is None, "one came meanwhile"
    assert task.look_after(30) is None
    task.token["heartbeat"] = 2.0
    assert task.look_after(59) is None
    assert task.look_after(61)["Error"] == "States.HeartbeatTimeout"


def test_a_task_that_was_answered_does_not_fail(tokens: tuple[StepFunctions, Any]) -> None:
    task = Heard(*tokens)
    task.token["event"].set()
    assert task.look_after(100) is None
    tokens[0]._task_tokens.clear()
    assert task.look_after(100) is None


def test_nobody_listens_once_no_task_waits(
    tokens: tuple[StepFunctions, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_tokens, "LOOK_SECONDS", 0.001)
    listener = tokens[1]._listener
    for _ in range(2):
        listener.listen("t", 60.0)
        thread = listener._thread
        listener.forget("t")
        thread.join(HUNG_SECONDS)
        assert not thread.is_alive()


# The client


class Console:
    """CloudFront, Cognito's page and the API, as far as signing in goes."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.challenge = ""
        outer = self

        class Taken(BaseHTTPRequestHandler):
            def answer(self) -> None:
                sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.asked.append((self.command, self.path, dict(self.headers), sent))
                form = {name: values[0] for name, values in parse_qs(sent.decode()).items()}
                status, headers, body = outer.answer(urlsplit(self.path).path, form)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = answer

            def log_message(self, format: str, *args: object) -> None:
                """Not among the tests' output."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Taken)
        self.address = f"http://d1.cloudfront.localhost:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        if path == "/config.json":
            return 200, {}, json.dumps({"clientId": "page", "redirectUri": self.address}).encode()
        if path == "/login":
            if form["password"] != "right":
                return 200, {}, b"<p>Incorrect username or password.</p>"
            self.challenge = form["code_challenge"]
            assert form["code_challenge_method"] == "S256"
            return 302, {"Location": f"{form['redirect_uri']}?code=a%2Fcode"}, b""
        if path == "/oauth2/token":
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            proved = base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == self.challenge
            assert (form["code"], form["client_id"], proved) == ("a/code", "page", True)
            return 200, {}, b'{"access_token": "token"}'
        answers: dict[str, tuple[int, bytes]] = {
            "/api/none": (204, b""),
            "/api/refused": (403, b'{"error": {"code": "forbidden"}}'),
        }
        status, body = answers.get(path, (502, b"<h1>Bad gateway</h1>"))
        return status, {}, body


@pytest.fixture
def console() -> Iterator[Console]:
    made = Console()
    yield made
    made.close()


def test_signing_in_as_the_page_does(console: Console) -> None:
    client = ConsoleClient(console.address)
    client.sign_in("rita", "right")
    assert client.token == "token"
    assert client.ask("PUT", "/api/none?label=a b%2Fc", {"key": "\u20ac"}) is None
    method, path, headers, body = console.asked[-1]
    assert (method, path) == ("PUT", "/api/none?label=a%20b%2Fc")
    assert headers["Authorization"] == "Bearer token"
    assert headers["Host"] == urlsplit(console.address).netloc
    assert json.loads(body) == {"key": "\u20ac"}


def test_a_wrong_password(console: Console) -> None:
    client = ConsoleClient(console.address)
    with pytest.raises(ConsoleError, match="rita could not sign in") as refused:
        client.sign_in("rita", "wrong")
    assert (refused.value.status, client.token) == (401, "")


def test_what_the_console_refuses(console: Console) -> None:
    client = ConsoleClient(console.address)
    with pytest.raises(ConsoleError) as refused:
        client.get("/api/refused")
    assert (refused.value.status, refused.value.content["error"]["code"]) == (403, "forbidden")
    assert client.try_to("GET", "/api/broken") == console_client.Answer(502, "<h1>Bad gateway</h1>")
    assert "Authorization" not in console.asked[-1][2], "nobody has signed in"


# People


def test_people_sign_in_with_the_password_they_were_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with mock_aws():
        cognito = boto3.client(
            "cognito-idp",
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
        )
        pool = cognito.create_user_pool(PoolName="people")["UserPool"]["Id"]
        cognito.create_group(UserPoolId=pool, GroupName="reviewers")
        stack = cast(Running, SimpleNamespace(endpoint=f"https://cognito-idp.{REGION}.amazonaws.com"))
        first = people.add_person(stack, pool, "rita", ["reviewers"])
        again = people.add_person(stack, pool, "rita", ["reviewers"])
        assert first.password != again.password
        described = cognito.admin_get_user(UserPoolId=pool, Username="rita")
        assert described["UserStatus"] == "CONFIRMED"
        groups = cognito.admin_list_groups_for_user(UserPoolId=pool, Username="rita")["Groups"]
        assert [group["GroupName"] for group in groups] == ["reviewers"]
        for kind in ("[a-z]", "[A-Z]", "[0-9]", "[^A-Za-z0-9]", ".{12}"):
            assert re.search(kind, again.password), "as the pool's policy asks"
