"""The client against an API that a test plays: both clients do the same."""

from __future__ import annotations

import inspect
import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from labelloop import errors
from labelloop.client import VARIABLES, AsyncClient, Client, Retries
from labelloop.models import Box, DetectedLabel, PixelBox
from tests.fixtures.sleeping import sleeps
from tests.fixtures.waiting import HUNG_SECONDS

API, TOKENS, STORAGE = (
    "https://api.example.com",
    "https://sign-in.example.com/oauth2/token",
    "https://s3.example.com",
)
JPEG = b"\xff\xd8\xff\xe0 a picture"
PNG = b"\x89PNG\r\n\x1a\n a picture"
ANSWER = {
    "id": "d-1",
    "created_at": "2026-01-31T12:00:00.000000Z",
    "model_version": "v3-0123456789abcdef",
    "image": {"width": 640, "height": 480},
    "feedback": "",
    "labels": [
        {
            "label": "bolt",
            "class_id": 4,
            "confidence": 91.5,
            "box": {"left": 0.25, "top": 0.5, "width": 0.125, "height": 0.25},
            "box_pixels": {"left": 160, "top": 240, "width": 80, "height": 120},
        },
        {"label": "tray", "class_id": 7, "confidence": 80.0, "later": "unknown"},
    ],
    "later": "unknown",
}
UPLOAD = {
    "key": "applications/shop/uploads/0123456789abcdef0123456789abcdef",
    "url": f"{STORAGE}/bucket/key?X-Amz-Signature=ab%2Fcd&x-id=PutObject",
    "method": "PUT",
    "headers": {"Content-Type": "image/jpeg", "Content-Length": "5000000"},
    "expires_at": "2026-01-31T12:15:00.000000Z",
}
LARGE = JPEG.ljust(5_000_000, b"x")
Handler = Callable[[httpx.Request], httpx.Response]


@dataclass
class Api:
    """An API, its token endpoint and its storage."""

    answers: list[httpx.Response | Exception] = field(default_factory=list)
    """To further calls of the API; then ANSWER, for ever."""
    tokens: list[httpx.Response | Exception] = field(default_factory=list)
    """To further calls for a token; then a new one each, for an hour."""
    expires_in: float = 3600
    calls: list[httpx.Request] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    token_calls: list[httpx.Request] = field(default_factory=list)
    uploads: list[httpx.Response | Exception] = field(default_factory=list)
    """To further uploads; then success."""
    stored: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if str(request.url) == TOKENS:
            self.token_calls.append(request)
            return _next(self.tokens) or self._token()
        if request.url.host == "s3.example.com":
            self.stored.append(request)
            return _next(self.uploads) or httpx.Response(200)
        self.calls.append(request)
        self.authorizations.append(request.headers["authorization"])
        if answer := _next(self.answers):
            return answer
        return httpx.Response(200, json=UPLOAD if request.url.path == "/v1/uploads" else ANSWER)

    def _token(self) -> httpx.Response:
        token = f"token-{len(self.token_calls)}"
        return httpx.Response(200, json={"access_token": token, "expires_in": self.expires_in})


def _next(answers: list[httpx.Response | Exception]) -> httpx.Response | None:
    answer = answers.pop(0) if answers else None
    if isinstance(answer, Exception):
        raise answer
    # One that was read once belongs to the client that has read it.
    return answer and httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


class Caller:
    """A client of one of the two kinds, called in the same way."""

    def __init__(self, kind: str, api: Handler, **options: Any) -> None:
        self._is_async = kind == "async"
        self._api, self._options = api, options

    def __call__(self, *calls: tuple[Any, ...], **options: Any) -> Any:
        """What the last of these calls returns, each the name of a method and its arguments."""
        made: Any = {
            "url": API,
            "token_url": TOKENS,
            "client_id": "app",
            "client_secret": "s3cret",
            "transport": httpx.MockTransport(self._api),
            **self._options,
        }
        if not self._is_async:
            with Client(**made) as client:
                return [getattr(client, name)(*given, **options) for name, *given in calls][-1]

        async def run() -> Any:
            async with AsyncClient(**made) as client:
                return [await getattr(client, name)(*given, **options) for name, *given in calls][-1]

        return anyio.run(run)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the clients have waited, without doing so."""
    waited = sleeps(monkeypatch)

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(anyio, "sleep", wait)
    return waited


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture(params=["sync", "async"])
def caller(request: pytest.FixtureRequest, api: Api) -> Caller:
    return Caller(request.param, api)


def refusal(status: int, code: str = "", message: str = "no", **headers: str) -> httpx.Response:
    document = {"error": {"code": code, "message": message}} if code else {"message": message}
    return httpx.Response(status, json=document, headers={k.replace("_", "-"): v for k, v in headers.items()})


# What is asked and answered


def test_an_image_is_asked_about(caller: Caller, api: Api) -> None:
    detection = caller(("detect", JPEG), min_confidence=70, labels=["bolt", "nut"], max_results=5, tile=True)
    (call,) = api.calls
    assert (call.method, call.url.path, call.content) == ("POST", "/v1/detections", JPEG)
    assert call.headers["content-type"] == "image/jpeg"
    assert call.url.params.multi_items() == [
        ("min_confidence", "70"),
        ("labels", "bolt"),
        ("labels", "nut"),
        ("max_results", "5"),
        ("tile", "on"),
    ]
    assert detection.id == "d-1" and detection.model_version == "v3-0123456789abcdef"
    assert (detection.width, detection.height) == (640, 480)
    assert detection.labels == (
        DetectedLabel("bolt", 4, 91.5, Box(0.25, 0.5, 0.125, 0.25), PixelBox(160, 240, 80, 120)),
        DetectedLabel("tray", 7, 80.0),
    )
    assert detection.raw == ANSWER


@pytest.mark.parametrize("kind", ["path", "text", "file", "bytes", "view"])
def test_an_image_may_be_a_path_a_file_or_bytes(caller: Caller, api: Api, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    images = {"path": path, "text": str(path), "file": io.BytesIO(PNG), "bytes": PNG, "view": memoryview(PNG)}
    caller(("detect", images[kind]))
    assert (api.calls[0].content, api.calls[0].headers["content-type"]) == (PNG, "image/png")
    assert api.calls[0].url.query == b""


def test_one_label_may_be_asked_for_by_itself_and_none_may_not(caller: Caller, api: Api) -> None:
    caller(("detect", JPEG), labels="bolt")
    assert api.calls[0].url.query == b"labels=bolt"
    with pytest.raises(ValueError, match="leave it out"):
        caller(("detect", JPEG), labels=[])


@pytest.mark.parametrize(("image", "message"), [(b"", "is empty"), (b"GIF89a", "neither JPEG's nor PNG's")])
def test_what_is_no_image_is_not_sent(caller: Caller, api: Api, image: bytes, message: str) -> None:
    with pytest.raises(errors.UnusableImageError, match=message):
        caller(("detect", image))
    assert api.calls == []


def test_a_detection_of_before_is_read(caller: Caller, api: Api) -> None:
    assert caller(("get", "d/1")).id == "d-1"
    assert api.calls[0].url.raw_path == b"/v1/detections/d%2F1"


def test_a_large_image_is_uploaded_and_asked_about_by_its_key(caller: Caller, api: Api) -> None:
    assert caller(("detect", LARGE), min_confidence=30).id == "d-1"
    asked, detected = api.calls
    assert json.loads(asked.content) == {"content_type": "image/jpeg", "size": 5_000_000}
    (upload,) = api.stored
    assert (upload.method, str(upload.url), upload.content) == ("PUT", UPLOAD["url"], LARGE)
    assert upload.headers["content-type"] == "image/jpeg"
    assert upload.headers.get_list("content-length") == ["5000000"]
    assert "authorization" not in upload.headers
    assert json.loads(detected.content) == {"key": UPLOAD["key"]}
    assert detected.url.params["min_confidence"] == "30"
    assert detected.headers["idempotency-key"]


def test_what_the_api_finds_too_large_is_uploaded(caller: Caller, api: Api) -> None:
    api.answers = [refusal(413, message="Request Entity Too Large")]
    assert caller(("detect", JPEG)).id == "d-1"
    assert [call.url.path for call in api.calls] == ["/v1/detections", "/v1/uploads", "/v1/detections"]
    assert api.calls[0].headers["idempotency-key"] == api.calls[2].headers["idempotency-key"]


def test_an_upload_that_fails_is_tried_again_and_one_that_is_refused_is_not(caller: Caller, api: Api) -> None:
    api.uploads = [httpx.Response(503, text="<Error><Code>SlowDown</Code></Error>"), httpx.WriteError("cut")]
    assert caller(("detect", LARGE)).id == "d-1"
    assert len(api.stored) == 3
    api.uploads = [httpx.Response(403, text="<Error><Code>SignatureDoesNotMatch</Code></Error>")]
    with pytest.raises(errors.UploadError, match=r"does not take the image: 403.*SignatureDoesNotMatch"):
        caller(("detect", LARGE))


def test_a_detection_that_is_wrong_is_reported(caller: Caller, api: Api) -> None:
    api.answers = [httpx.Response(200, json={**ANSWER, "feedback": "wrong"})]
    assert caller(("feedback", "d-1"), note="a nut").feedback == "wrong"
    (call,) = api.calls
    assert (call.method, call.url.path) == ("POST", "/v1/detections/d-1/feedback")
    assert json.loads(call.content) == {"verdict": "wrong", "note": "a nut"}


# Tokens


def test_one_token_serves_many_calls(caller: Caller, api: Api) -> None:
    caller(("detect", JPEG), ("detect", JPEG), ("get", "d-1"))
    (call,) = api.token_calls
    assert call.content == b"grant_type=client_credentials"
    assert call.headers["authorization"] == httpx.BasicAuth("app", "s3cret")._auth_header
    assert api.authorizations == ["Bearer token-1"] * 3


def test_a_token_is_renewed_before_it_ends(caller: Caller, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, 3539.0, 3541.0, 3541.0])
    monkeypatch.setattr("labelloop._auth.time", type("Clock", (), {"monotonic": lambda: next(moments)}))
    caller(("get", "1"), ("get", "2"), ("get", "3"))
    assert api.authorizations == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


def test_a_token_of_seconds_is_used_nearly_to_its_end(caller: Caller, api: Api) -> None:
    api.expires_in = 5
    caller(("get", "1"), ("get", "2"))
    assert len(api.token_calls) == 1


def test_a_token_that_is_refused_is_renewed_once(caller: Caller, api: Api) -> None:
    api.answers = [refusal(401, message="Unauthorized")]
    assert caller(("detect", JPEG)).id == "d-1"
    assert api.authorizations == ["Bearer token-1", "Bearer token-2"]
    assert {call.content for call in api.calls} == {JPEG}

    api.answers = [refusal(401, message="Unauthorized")] * 5
    with pytest.raises(errors.AuthenticationError, match="401: Unauthorized"):
        caller(("detect", JPEG))
    assert len(api.answers) == 3


def test_credentials_that_get_no_token_are_not_tried_again(caller: Caller, api: Api) -> None:
    api.tokens = [httpx.Response(400, json={"error": "invalid_client"})]
    with pytest.raises(
        errors.AuthenticationError, match=r"invalid_client.*labelloop apps rotate NAME"
    ) as raised:
        caller(("detect", JPEG))
    assert (raised.value.status, len(api.token_calls), api.calls) == (400, 1, [])
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("body", [b"<html>sign in</html>", b"[]", b'{"access_token": "a"}'])
def test_an_address_that_gives_no_tokens_is_named(caller: Caller, api: Api, body: bytes) -> None:
    api.tokens = [httpx.Response(200, content=body)]
    with pytest.raises(errors.AuthenticationError, match="LABELLOOP_TOKEN_URL"):
        caller(("detect", JPEG))


def test_a_token_endpoint_without_time_is_tried_again(caller: Caller, api: Api, pauses: list[float]) -> None:
    api.tokens = [httpx.Response(429, json={"error": "slow_down"}), httpx.ConnectError("refused")]
    assert caller(("detect", JPEG)).id == "d-1"
    assert (len(api.token_calls), len(api.calls), len(pauses)) == (3, 1, 2)


def test_threads_share_one_token() -> None:
    api = Api()
    begun = threading.Barrier(4)

    def answer(request: httpx.Request) -> httpx.Response:
        if str(request.url) == TOKENS:
            time.sleep(0.01)  # the others come meanwhile
        return api(request)

    with Client(
        API, client_id="a", client_secret="b", token_url=TOKENS, transport=httpx.MockTransport(answer)
    ) as client:

        def call(number: int) -> str:
            begun.wait(HUNG_SECONDS)
            return client.get(str(number)).id

        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(call, range(4))) == {"d-1"}
    assert len(api.token_calls) == 1


def test_tasks_share_one_token() -> None:
    api = Api()

    async def answer(request: httpx.Request) -> httpx.Response:
        await anyio.lowlevel.checkpoint()
        return api(request)

    async def run() -> None:
        made = {"client_id": "a", "client_secret": "b", "token_url": TOKENS}
        async with (
            AsyncClient(API, **made, transport=httpx.MockTransport(answer)) as client,
            anyio.create_task_group() as tasks,
        ):
            for number in range(4):
                tasks.start_soon(client.get, str(number))

    anyio.run(run)
    assert len(api.token_calls) == 1
    assert Counter(api.authorizations) == {"Bearer token-1": 4}


# Retries


def test_what_may_succeed_later_is_tried_again_with_the_same_key(
    caller: Caller, api: Api, pauses: list[float]
) -> None:
    api.answers = [
        refusal(429),
        refusal(503, "busy"),
        httpx.ReadTimeout("slow"),
        refusal(409, "under_way", retry_after="1"),
    ]
    assert caller(("detect", JPEG)).id == "d-1"
    keys = {call.headers["idempotency-key"] for call in api.calls}
    assert (len(api.calls), len(keys)) == (5, 1)
    least = [0.125, 0.25, 0.5, 2]
    assert all(low <= pause <= 2 * low for low, pause in zip(least, pauses, strict=True))


def test_each_call_has_a_key_of_its_own_or_the_callers(caller: Caller, api: Api) -> None:
    caller(("detect", JPEG), ("detect", JPEG))
    assert len({call.headers["idempotency-key"] for call in api.calls}) == 2
    caller(("detect", JPEG), idempotency_key="frame-17")
    assert api.calls[-1].headers["idempotency-key"] == "frame-17"


def test_it_is_not_asked_again_before_the_time_that_the_api_says(
    caller: Caller, api: Api, pauses: list[float]
) -> None:
    api.answers = [refusal(429, retry_after="7")]
    caller(("detect", JPEG))
    assert 7 < pauses[0] <= 7.25


def test_a_longer_wait_is_left_to_the_caller(caller: Caller, api: Api, pauses: list[float]) -> None:
    message = "the champion v3 sleeps; it is being started; try again in 12 minutes"
    api.answers = [refusal(503, "asleep", message, retry_after="720")]
    with pytest.raises(errors.NotServingError, match="in 12 minutes") as raised:
        caller(("detect", JPEG))
    assert (raised.value.retry_after, raised.value.status, pauses) == (720, 503, [])


def test_pauses_together_are_no_longer_than_was_allowed(api: Api, pauses: list[float]) -> None:
    api.answers = [refusal(429, retry_after="4")] * 9
    with pytest.raises(errors.RateLimitError):
        Caller("sync", api, retries=Retries(9, max_wait_seconds=10))(("detect", JPEG))
    assert len(pauses) == 2


def test_it_ends_after_the_last_retry(caller: Caller, api: Api) -> None:
    api.answers = [refusal(502)] * 9
    with pytest.raises(errors.UnavailableError, match="502: no"):
        caller(("detect", JPEG))
    assert len(api.calls) == 5


def test_an_api_that_does_not_answer_is_named(caller: Caller, api: Api) -> None:
    api.answers = [httpx.ConnectError("connection refused")] * 9
    with pytest.raises(errors.UnreachableError, match="/v1/detections does not answer: connection refused"):
        caller(("detect", JPEG))


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (refusal(422, "bad_image", "this image cannot be used"), errors.InvalidRequestError, "^this image"),
        (refusal(400, "bad_request", "no such option"), errors.InvalidRequestError, "^no such option"),
        (refusal(403, message="Forbidden"), errors.AuthenticationError, "403: Forbidden"),
        (refusal(404, "not_found", "there is no detection"), errors.NotFoundError, "^there is no"),
        (refusal(503, "no_champion", "none yet", retry_after="900"), errors.NotServingError, "^none yet"),
        (
            refusal(503, "champion_sleeps", "put to sleep", retry_after="900"),
            errors.NotServingError,
            "^put to",
        ),
        (refusal(409, "no_reviews", "not reviewed"), errors.InvalidRequestError, "^not reviewed"),
        (httpx.Response(302, text="elsewhere"), errors.InvalidRequestError, "302: elsewhere"),
        (httpx.Response(418), errors.InvalidRequestError, "418: I'm a teapot"),
        (httpx.Response(200, text="<html>"), errors.UnavailableError, "is LABELLOOP_URL right"),
        (httpx.Response(200, json=[]), errors.UnavailableError, "is LABELLOOP_URL right"),
    ],
)
def test_what_no_retry_helps_is_raised_at_once(
    caller: Caller, api: Api, answer: httpx.Response, kind: type[Exception], message: str
) -> None:
    api.answers = [answer]
    with pytest.raises(kind, match=message):
        caller(("detect", JPEG))
    assert len(api.calls) == 1


def test_the_error_says_which_member_is_wrong(api: Api) -> None:
    detail = {"code": "bad_request", "message": "between 0 and 100", "field": "min_confidence"}
    api.answers = [httpx.Response(400, json={"error": detail})]
    with pytest.raises(errors.InvalidRequestError) as raised:
        Caller("sync", api)(("detect", JPEG))
    assert (raised.value.code, raised.value.field) == ("bad_request", "min_confidence")


# Settings


def test_it_is_made_from_the_environment(monkeypatch: pytest.MonkeyPatch, api: Api) -> None:
    given = {"url": f"{API}/", "client_id": "app", "client_secret": "s3cret", "token_url": TOKENS}
    for argument, variable in VARIABLES.items():
        monkeypatch.setenv(variable, given[argument])
    with Client.from_env(transport=httpx.MockTransport(api)) as client:
        assert client.get("d-1").id == "d-1"
    assert str(api.calls[0].url) == f"{API}/v1/detections/d-1"
    monkeypatch.delenv("LABELLOOP_URL")
    monkeypatch.setenv("LABELLOOP_CLIENT_SECRET", "")
    for kind in (Client, AsyncClient):
        with pytest.raises(errors.ConfigurationError, match="LABELLOOP_URL, LABELLOOP_CLIENT_SECRET not set"):
            kind.from_env()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("api.example.com", "begins with https://"),
        ("ftp://api.example.com", "begins with https://"),
        ("http://api.example.com", "unencrypted"),
        ("https://api.example.com:port", "is no address"),
    ],
)
def test_addresses_that_are_none_or_not_safe_are_refused(url: str, message: str) -> None:
    for api, tokens in ((url, TOKENS), (API, url)):
        with pytest.raises(errors.ConfigurationError, match=message):
            Client(api, token_url=tokens, client_id="a", client_secret="b")


@pytest.mark.parametrize("url", ["http://127.0.0.1:4566", "http://api.localhost:4566", "http://[::1]:80"])
def test_the_embedded_stack_needs_no_encryption(url: str) -> None:
    Client(url, token_url=url, client_id="a", client_secret="b").close()


def test_no_secret_is_shown(api: Api) -> None:
    with Client(API, token_url=TOKENS, client_id="a", client_secret="s3cret") as client:
        assert "s3cret" not in repr(vars(client)) + repr(client._auth)


def test_both_clients_can_do_the_same() -> None:
    def methods(kind: type) -> dict[str, inspect.Signature]:
        public = {name: getattr(kind, name) for name in dir(kind) if not name.startswith("_")}
        return {name: inspect.signature(method) for name, method in public.items()}

    assert methods(Client) == methods(AsyncClient)
    assert {"detect", "get", "feedback", "from_env", "close"} <= methods(Client).keys()
