"""Where the state machines are played: MiniStack with IAM enforced, and functions that play their parts.

MiniStack forwards every invocation of a function to an HTTP server of the test process, so that a test can
script each function of an execution and hear what it was called with, at the cost of no process.
"""

from __future__ import annotations

import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from tests.statemachines import asl

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_stepfunctions import SFNClient

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"
PATIENCE = 60.0
CREDENTIALS = {
    "aws_access_key_id": "STATEMACHINETESTS",
    "aws_secret_access_key": "statemachinetests",
    "region_name": "us-east-1",
}
NESTED = "PromoteMachine"
"""The substitution that stands for a state machine, not for a function."""

SLEEPER = "sleeper"
"""A function that never answers within its timeout of one second."""


@dataclass(frozen=True)
class Fails:
    """An answer that is none: the function ends with an error."""

    message: str = "it broke"


Answer = Mapping[str, Any] | Fails | Callable[[dict[str, Any]], Any]
Script = Mapping[str, Sequence[Answer]]
"""Answers of functions (`<machine>-<part>`) in turn; the last one is given ever again."""


@dataclass(frozen=True)
class Played:
    """What became of an execution."""

    arn: str
    status: str
    output: dict[str, Any]
    error: str
    cause: str
    visited: tuple[str, ...]
    calls: list[tuple[str, dict[str, Any]]]
    """Function and payload of every call, in order; those of nested executions too."""
    attempts: Mapping[str, int]
    """How often each Task was tried."""

    def calls_of(self, function: str) -> list[dict[str, Any]]:
        return [payload for name, payload in self.calls if name == function]


@dataclass
class Director:
    """Tells the functions of every execution, known by its name, what to answer."""

    usual: dict[str, Answer]
    scripts: dict[str, dict[str, list[Answer]]] = field(default_factory=dict)
    calls: dict[str, list[tuple[str, dict[str, Any]]]] = field(default_factory=lambda: defaultdict(list))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def prepare(self, name: str, script: Script) -> None:
        self.scripts[name] = {function: list(answers) for function, answers in script.items()}

    def answer(self, function: str, event: dict[str, Any]) -> Any:
        name = self.execution(event)
        with self.lock:
            self.calls[name].append((function, event))
            answers = self.scripts[name].get(function) or [self.usual[function]]
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return answer(event) if callable(answer) else answer

    @staticmethod
    def execution(event: Mapping[str, Any]) -> str:
        """Some parts of promote know nothing but the version, which the tests name like the execution."""
        known = ("version", "run", "task", "batch", "holder")
        return str(next(event[name] for name in known if event.get(name))).rsplit(":", 1)[-1]


class Stage:
    """State machines made of the project's files, and the functions behind them."""

    def __init__(self, endpoint: str, director: Director, director_url: str) -> None:
        self.director = director
        self._url = director_url
        self._sfn: SFNClient = boto3.client("stepfunctions", endpoint_url=endpoint, **CREDENTIALS)
        self._lambda: LambdaClient = boto3.client("lambda", endpoint_url=endpoint, **CREDENTIALS)
        iam: IAMClient = boto3.client("iam", endpoint_url=endpoint, **CREDENTIALS)
        self._roles = {service: _role(iam, service) for service in ("lambda", "states")}
        self._functions: dict[str, str] = {}
        self._machines: dict[str, str] = {}
        self._sleeper = self._function(SLEEPER, timeout=1)
        for machine in asl.NAMES:
            for part in asl.substitutions(machine):
                self._function(f"{machine}-{part}")
        for machine in asl.NAMES:
            self._machine(machine, machine, {})
        # A retrain with the real promote inside.
        self._machine("whole", "retrain", {NESTED: self._machines["promote"]})

    def begin(
        self, machine: str, name: str, script: Script | None = None, request: Mapping[str, Any] | None = None
    ) -> str:
        self.director.prepare(name, script or {})
        begun = self._sfn.start_execution(
            stateMachineArn=self._machines[machine], name=name, input=json.dumps(request or {})
        )
        return begun["executionArn"]

    def end(self, arn: str) -> Played:
        """What became of the execution, once it has ended."""
        deadline = time.monotonic() + PATIENCE
        while (found := self._sfn.describe_execution(executionArn=arn))["status"] == "RUNNING":
            assert time.monotonic() < deadline, f"{arn} does not end"
            time.sleep(0.03)
        name = arn.rsplit(":", 1)[-1]
        visited, attempts = self._history(arn)
        status = found["status"]
        return Played(
            arn=arn,
            status=status,
            output=json.loads(found["output"]) if status == "SUCCEEDED" else {},
            error=found.get("error", ""),
            cause=found.get("cause", ""),
            visited=visited,
            calls=list(self.director.calls[name]),
            attempts=attempts,
        )

    @property
    def stepfunctions(self) -> SFNClient:
        return self._sfn

    def with_sleeper(self, machine: str, part: str) -> str:
        """A variant of the state machine whose function for `part` never answers: the variant's name."""
        sleeper = self._sleeper
        if part == NESTED:
            sleeper = self._player("sleeping-machine", self._sleeper)
        return self._machine(f"{machine}-without-{part}", machine, {part: sleeper})

    def _history(self, arn: str) -> tuple[tuple[str, ...], dict[str, int]]:
        visited: list[str] = []
        attempts: dict[str, int] = defaultdict(int)
        pages = self._sfn.get_paginator("get_execution_history").paginate(executionArn=arn)
        for page in pages:
            for event in page["events"]:
                if "stateEnteredEventDetails" in event:
                    visited.append(event["stateEnteredEventDetails"]["name"])
                if event["type"] == "TaskScheduled":
                    attempts[visited[-1]] += 1
        return tuple(visited), attempts

    def _machine(self, name: str, file: str, other: Mapping[str, str]) -> str:
        values = {part: self._functions[f"{file}-{part}"] for part in asl.substitutions(file)}
        if NESTED in values and NESTED not in other:
            values[NESTED] = self._player(f"{name}-nested", values[NESTED])
        self._create(name, asl.substituted(file, {**values, **other}))
        return name

    def _player(self, name: str, function: str) -> str:
        """A state machine of one Task, in the place of a real one: its ARN."""
        task = {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": {"FunctionName": function, "Payload": "{% $states.input %}"},
            "Output": "{% $states.result.Payload %}",
            "End": True,
        }
        return self._create(
            name, json.dumps({"QueryLanguage": "JSONata", "StartAt": "Play", "States": {"Play": task}})
        )

    def _create(self, name: str, definition: str) -> str:
        made = self._sfn.create_state_machine(name=name, definition=definition, roleArn=self._roles["states"])
        self._machines[name] = made["stateMachineArn"]
        return made["stateMachineArn"]

    def _function(self, name: str, *, timeout: int = 60) -> str:
        self._functions[name] = self._lambda.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=self._roles["lambda"],
            Handler="played.elsewhere",
            Timeout=timeout,
            Code={"ZipFile": _EMPTY_ZIP},
            Environment={"Variables": {"MINISTACK_LAMBDA_PROXY_URL": self._url}},
        )["FunctionArn"]
        return self._functions[name]


@contextmanager
def raised(home: Path, usual: Mapping[str, Answer]) -> Iterator[Stage]:
    """A stage in `home` for as long as the block runs."""
    director = Director(dict(usual))
    with _directing(director) as director_url, _ministack(home) as endpoint:
        yield Stage(endpoint, director, director_url)


@contextmanager
def _directing(director: Director) -> Iterator[str]:
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            function = self.headers["X-Amzn-Lambda-Function-Name"]
            if function == SLEEPER:
                over.wait(5)
                return
            answer = director.answer(function, event)
            failed = isinstance(answer, Fails)
            body = answer.message.encode() if isinstance(answer, Fails) else json.dumps(answer).encode()
            self.send_response(500 if failed else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        # All executions may call at once; of the five that wait by default, Linux resets those after them.
        request_queue_size = 256

    with Server((HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_port}/"
        finally:
            over.set()
            server.shutdown()


@contextmanager
def _ministack(home: Path) -> Iterator[str]:
    port = _free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment = {
        **clean,
        "AUTH": "true",
        "GATEWAY_PORT": str(port),
        "BIND_HOST": HOST,
        "MINISTACK_HOST": HOST,
        "AWS_ACCESS_KEY_ID": CREDENTIALS["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": CREDENTIALS["aws_secret_access_key"],
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "SFN_WAIT_SCALE": "0",
        "LOG_LEVEL": "WARNING",
        "TMPDIR": str(home),
        "NO_PROXY": HOST,
    }
    log = home / "ministack.log"
    command = [sys.executable, "-m", "local.engine.server", "--host", HOST, "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--state", str(home / "engine")],
            env=environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        endpoint = f"http://{HOST}:{port}"
        _await_health(endpoint, process, log)
        yield endpoint
    finally:
        process.kill()
        process.wait()


def _await_health(endpoint: str, process: subprocess.Popen[bytes], log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            opener.open(f"{endpoint}/_ministack/health", timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"MiniStack did not come up:\n{log.read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _role(iam: IAMClient, service: str) -> str:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": f"{service}.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    return iam.create_role(RoleName=service, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]


def _zip_of_nothing() -> bytes:
    buffer = io.BytesIO()
    zipfile.ZipFile(buffer, "w").close()
    return buffer.getvalue()


_EMPTY_ZIP = _zip_of_nothing()


def execution_name(test: str) -> str:
    """A name that an execution may have.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    """
    return re.sub(r"[^A-Za-z0-9_-]", "-", test)[:80]
