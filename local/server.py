"""The engine and MiniStack on one port: `python -m local.server --port 4566 --state DIRECTORY`.

Requests to Rekognition (X-Amz-Target: RekognitionService.*) are answered here, those to SageMaker and the A2I
runtime by local/sagemaker, /_labelloop/workers/ by local/sagemaker/workers, and all others by MiniStack.

Environment, read when the server starts:
    AUTH                        true: signatures and policies are checked (MiniStack's)
    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY
                                MiniStack's root credential; the engine reads and writes S3 with it
    LABELLOOP_TRAINING_SECONDS, LABELLOOP_TRAINING_STEPS, LABELLOOP_LABEL_CHECK_SECONDS
                                what learning may spend (see `Budget.from_environment`)
    LABELLOOP_PRETRAINED        what it begins with (see `learning.trunk.chosen_weights`)
    LABELLOOP_ENGINE_FAULTS     1: tests may POST faults of Rekognition to /_labelloop/faults and of functions
                                to /_labelloop/functions, GET them, and DELETE them all (see `faults` and
                                `function_faults`)
    LABELLOOP_ENGINE_THROTTLE   1: requests above the documented rates are refused (see `quotas`)
    LABELLOOP_ENGINE_LAG_READS  so many descriptions after each write are as before it (see `lag`)
    LABELLOOP_ENGINE_QUOTAS     quotas of the account in the place of AWS's, as JSON: {"running_versions": 1}
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import json
import logging
import os
import signal
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from local import function_faults
from local.engine import faults, shapes
from local.engine.access import authorization
from local.engine.access.kms import KmsKeys
from local.engine.access.s3 import S3Objects
from local.engine.api import CustomLabelsApi
from local.engine.errors import InternalServerError, RekognitionError, RequestEntityTooLargeException
from local.engine.lag import Lag, reads_from_environment
from local.engine.quotas import MAX_BODY_BYTES, Quotas
from local.engine.serving import exported
from local.engine.serving.endpoint import LocalEndpoints
from local.engine.storage.store import Store
from local.engine.throttle import Throttle
from local.engine.training.trainer import LocalTrainer
from local.function_faults import FunctionFaults
from local.ministack_patches.apply import apply_patches
from local.ministack_state.database import DATABASE
from local.ministack_state.keeper import Keeper
from local.sagemaker import http as sagemaker_http
from local.sagemaker.host import MiniStack
from local.sagemaker.service import SageMaker
from local.sagemaker.workers import endpoint as workers

logger = logging.getLogger("labelloop.engine")

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

STATE_VARIABLE = "LABELLOOP_ENGINE_STATE"
TARGET = "RekognitionService."
FAULTS_PATH = "/_labelloop/faults"
FUNCTION_FAULTS_PATH = "/_labelloop/functions"
THREADS = 32
_JSON = "application/x-amz-json-1.1"


class Engine:
    """The engine's parts, put together over one state directory.

    Args:
        endpoint_url: where S3 is; the server's own address.
        faults_allowed: whether tests may ask for faults.
        throttled: whether requests above the documented rates are refused.
    """

    def __init__(self, state: Path, endpoint_url: str, *, faults_allowed: bool, throttled: bool) -> None:
        self.faults = faults.Faults()
        self.faults_allowed = faults_allowed
        self.function_faults = FunctionFaults()
        self._store = Store(state / "engine.sqlite")
        quotas = Quotas.from_environment()
        self.api = CustomLabelsApi(
            self._store,
            state,
            trainer=LocalTrainer(self._store, state),
            endpoints=LocalEndpoints(self._store, state),
            objects_of=functools.partial(S3Objects, endpoint_url),
            keys_of=functools.partial(KmsKeys, endpoint_url),
            faults=self.faults,
            quotas=quotas,
            throttle=Throttle(quotas) if throttled else None,
            lag=Lag(reads_from_environment()),
        )
        # A pool of its own: Lambda functions hold threads of MiniStack's while they wait for our answers.
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="rekognition")
        self.state = state
        self._endpoint_url = endpoint_url

    @functools.cached_property
    def keeper(self) -> Keeper:
        """What keeps MiniStack's state; to be used first before MiniStack is imported."""
        return Keeper(self.state.parent / DATABASE, Path(os.environ["S3_DATA_DIR"]))

    @functools.cached_property
    def sagemaker(self) -> SageMaker:
        """SageMaker over the same state; to be used first in the event loop that MiniStack runs in."""
        return SageMaker(self.state, MiniStack(self._endpoint_url, asyncio.get_running_loop()))

    def close(self) -> None:
        self.sagemaker.close()
        self.api.close()
        self.threads.shutdown(wait=False, cancel_futures=True)
        self._store.close()


@functools.cache
def engine() -> Engine:
    """The engine of this process, made from its environment."""
    return Engine(
        Path(os.environ[STATE_VARIABLE]),
        f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}",
        faults_allowed=os.environ.get("LABELLOOP_ENGINE_FAULTS") == "1",
        throttled=os.environ.get("LABELLOOP_ENGINE_THROTTLE") == "1",
    )


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application: Rekognition, and MiniStack for all the rest."""
    keeper = engine().keeper
    from ministack.app import app as ministack_app  # noqa: PLC0415 - reads the environment when first imported

    scope = _as_if_by_tls(scope)
    if scope["type"] == "http":
        send = _when_settled(keeper, scope, send)
        await engine().function_faults.before(scope)
    if scope["type"] == "lifespan":
        # What a large state is loaded into is looked through again and again otherwise, for nothing.
        gc.disable()
        await ministack_app(scope, await _with_engine(receive), _collecting_once_begun(send))
    elif scope["type"] == "http" and scope["path"] == FAULTS_PATH:
        await _answer(send, *_fault(scope["method"], await _body(receive), engine().faults, faults.parse))
    elif scope["type"] == "http" and scope["path"] == FUNCTION_FAULTS_PATH:
        asked = scope["method"], await _body(receive), engine().function_faults, function_faults.parse
        await _answer(send, *_fault(*asked))
    elif scope["type"] == "http" and _is_icon_of_sign_in(scope):
        await _answer(send, 204, {}, b"")
    elif scope["type"] == "http" and scope["path"].startswith(exported.PATH):
        await _answer(send, *await _exported_model(scope["path"].removeprefix(exported.PATH)))
    elif scope["type"] == "http" and scope["path"].startswith(workers.PATH):
        await _answer(send, *await _workers(scope, await _body(receive)))
    elif scope["type"] == "http" and (asked := sagemaker_http.operation_of(scope)):
        body, server = await _body(receive), engine()
        reply = await sagemaker_http.answer(scope, body, asked, server.sagemaker, server.threads)
        await _answer(send, *reply)
    elif scope["type"] == "http" and (operation := _operation(scope)):
        await _answer(send, *await _rekognition(scope, operation, await _body(receive)))
    else:
        await ministack_app(scope, receive, send)


def _as_if_by_tls(scope: Scope) -> Scope:
    """The request as if it came by TLS. Requests over the loopback interface count so: policies that refuse
    all else are enforced here too, and nothing on this interface can be listened to from outside."""
    return {**scope, "scheme": "https"} if scope["type"] == "http" else scope


def _is_icon_of_sign_in(scope: Scope) -> bool:
    """Whether a browser asks for the icon of the sign-in page, which has none: to S3 it is a bucket that
    nobody may list."""
    headers = {name.lower(): value for name, value in scope["headers"]}
    return (
        scope["path"] == "/favicon.ico"
        and b"authorization" not in headers
        and b"cloudfront" not in headers.get(b"host", b"")
    )


def _when_settled(keeper: Keeper, scope: Scope, send: Send) -> Send:
    """`send`, which first writes down what the request has changed."""

    async def sent(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            keeper.settle(scope)
            await engine().function_faults.after(scope)
        await send(message)

    return sent


def _collecting_once_begun(send: Send) -> Send:
    """`send` of the lifespan, which lets garbage be collected again; nothing that was loaded is any."""

    async def sent(message: dict[str, Any]) -> None:
        gc.freeze()
        gc.enable()
        await send(message)

    return sent


async def _with_engine(receive: Receive) -> Receive:
    """`receive` of the lifespan, with the engine begun, and ended before MiniStack is."""
    apply_patches()
    engine().api.recover()
    engine().sagemaker.start()
    if engine().faults_allowed:
        engine().function_faults.install()

    async def received() -> dict[str, Any]:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await asyncio.to_thread(engine().close)
        return message

    return received


async def _rekognition(scope: Scope, operation: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    request_id = str(uuid.uuid4())
    identified = {"content-type": _JSON, "x-amzn-requestid": request_id}
    loop = asyncio.get_running_loop()
    try:
        parsed = await loop.run_in_executor(engine().threads, _parse, operation, body)
        signed = authorization.pin(scope, operation, body, request_id)
        if isinstance(parsed, RequestEntityTooLargeException):
            # It was not read to its end, which its signature is of.
            raise parsed
        if isinstance(parsed, RekognitionError):
            # Who is not known learns nothing of the request, not even that it is wrong.
            authorization.authenticate(signed, request_id)
            raise parsed
        authorization.authorise(signed, request_id, parsed, engine().api, int(time.time() * 1000))
        caller = authorization.MiniStackCaller(signed, loop)
        work = functools.partial(_call, operation, parsed, caller)
        return 200, identified, await loop.run_in_executor(engine().threads, work)
    except authorization.CredentialsError as refused:
        status, headers, answer = refused.answer
        return status, {**headers, **identified}, answer
    except RekognitionError as error:
        failure = error
    except Exception as error:
        logger.exception("%s", operation)
        failure = InternalServerError(f"The engine failed: {error!r}")
    logger.info("%s: %s: %s", operation, failure.code, failure.message)
    answer = json.dumps(
        {"__type": failure.code, "Code": failure.code, "message": failure.message, "Message": failure.message}
    ).encode()
    return failure.status, {**identified, "x-amzn-errortype": failure.code}, answer


def _parse(operation: str, body: bytes) -> dict[str, Any] | RekognitionError:
    try:
        if len(body) > MAX_BODY_BYTES:
            raise RequestEntityTooLargeException(f"The body of a request has up to {MAX_BODY_BYTES} bytes")
        return shapes.parse_request(operation, body)
    except RekognitionError as error:
        return error


def _call(operation: str, request: dict[str, Any], caller: authorization.MiniStackCaller) -> bytes:
    return shapes.dump_answer(operation, engine().api.call(operation, request, caller))


async def _exported_model(version_arn: str) -> tuple[int, dict[str, str], bytes]:
    archive = functools.partial(exported.archive, engine().state, version_arn)
    body = await asyncio.get_running_loop().run_in_executor(engine().threads, archive)
    if body is None:
        return 404, {"content-type": "text/plain"}, b"There is no exported model of this version"
    return 200, {"content-type": "application/zip"}, body


async def _workers(scope: Scope, body: bytes) -> tuple[int, dict[str, str], bytes]:
    query, headers = scope.get("query_string", b"").decode(), sagemaker_http.headers_of(scope)
    asked = scope["method"], scope["path"], query, headers, body
    answer = functools.partial(workers.answer, engine().sagemaker.queue, *asked)
    return await asyncio.get_running_loop().run_in_executor(engine().threads, answer)


def _fault(
    method: str, body: bytes, asked: Any, parse: Callable[[bytes], Any]
) -> tuple[int, dict[str, str], bytes]:
    """Add a fault to those that are asked for, list or clear them."""
    answer: dict[str, Any] = {}
    status = 200
    if not engine().faults_allowed:
        status, answer = 404, {"message": "Start the server with LABELLOOP_ENGINE_FAULTS=1 to ask for faults"}
    elif method == "DELETE":
        asked.clear()
    elif method == "GET":
        answer = {"faults": [vars(fault) for fault in asked.waiting()]}
    elif method != "POST":
        status, answer = 405, {"message": "POST a fault, GET those that wait, or DELETE them all"}
    else:
        try:
            asked.add(parse(body))
        except ValueError as error:
            status, answer = 400, {"message": str(error)}
    return status, {"content-type": "application/json"}, json.dumps(answer).encode()


def _operation(scope: Scope) -> str:
    """The operation that X-Amz-Target names, "" if it is not one of Rekognition's."""
    for name, value in scope.get("headers", []):
        if name.lower() == b"x-amz-target" and value.startswith(TARGET.encode()):
            return str(value.decode("latin-1").removeprefix(TARGET))
    return ""


async def _body(receive: Receive) -> bytes:
    """The request's body; of one that is too large, only so much that this shows."""
    chunks: list[bytes] = []
    left = MAX_BODY_BYTES + 1
    while True:
        message = await receive()
        chunk = message.get("body", b"")[:left]
        left -= len(chunk)
        chunks.append(chunk)
        if message["type"] != "http.request" or not message.get("more_body"):
            return b"".join(chunks)


async def _answer(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    listed = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    listed.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": listed})
    await send({"type": "http.response.body", "body": body})


def prepare_environment(host: str, port: int, state: Path) -> None:
    """Set the variables that MiniStack reads when it is imported. Anything of its own that is set already
    stays as it is."""
    os.environ["GATEWAY_PORT"] = str(port)
    os.environ["BIND_HOST"] = host
    os.environ[STATE_VARIABLE] = str(state)
    os.environ.setdefault("STATE_DIR", str(state / "ministack"))
    os.environ.setdefault("S3_DATA_DIR", str(state / "s3"))
    # Listeners on ports of their own, which nothing here needs.
    os.environ.setdefault("IOT_MTLS_ENABLED", "0")
    os.environ.setdefault("SFTP_ENABLED", "0")


class _Server(uvicorn.Server):
    """Uvicorn, but a signal to end it is not raised once more: the process ends with 0."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.handle_exit, number, None)
        yield


async def serve(host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT, then end every child process."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http="httptools",
        ws="wsproto",  # which MiniStack needs for its own server
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,  # MiniStack answers with the headers that AWS does
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,
    )
    server = _Server(config)
    recovering = asyncio.create_task(_recover(server))
    await server.serve()
    recovering.cancel()


async def _recover(server: uvicorn.Server) -> None:
    """Once requests are answered, keep the state, go on with what the last server was killed at, and say what
    that was."""
    while not server.started:
        await asyncio.sleep(0.05)
    keeper = engine().keeper
    keeper.start()
    if recovery := await asyncio.to_thread(keeper.recover):
        recovery.write(engine().state.parent)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=4566)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--state", type=Path, required=True, help="directory that keeps projects and models")
    arguments = parser.parse_args()
    state = arguments.state.resolve()
    state.mkdir(parents=True, exist_ok=True)
    prepare_environment(arguments.host, arguments.port, state)
    logging.basicConfig(level=os.environ.get("LOG_LEVEL", "INFO").upper())
    asyncio.run(serve(arguments.host, arguments.port))


if __name__ == "__main__":
    main()
