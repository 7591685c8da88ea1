"""Starts and stops the embedded stack: MiniStack and the Custom Labels engine in one process, on one port.

Everything it leaves behind lies in `.embedded/`: `env` to be sourced by a shell, `state/`, `log/`.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parent.parent
HOME = ROOT / ".embedded"
STATE_VERSION = "2"
"""Raised whenever a later LabelLoop cannot go on with what an earlier one has kept."""
HOST = "127.0.0.1"
FIRST_PORT = 4566
REGION = "us-east-1"
ACCOUNT = "000000000000"
ACCESS_KEY_ID = "LABELLOOPEMBEDDED"
SECRET_ACCESS_KEY = "embedded"  # noqa: S105 the root user of a stack that only this machine reaches


class EmbeddedStackError(RuntimeError):
    """The embedded stack cannot do what was asked; the message says what to do."""


@dataclass(frozen=True)
class Running:
    """A running embedded stack: its process (also its process group), port and folder."""

    pid: int
    port: int
    home: Path

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Variables that point any AWS tool at this stack."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def start(
    home: Path = HOME,
    *,
    port: int | None = None,
    keep: bool = False,
    variables: Mapping[str, str] | None = None,
) -> Running:
    """Start the stack and wait until it answers.

    Args:
        port: the port to serve on; the first free one from 4566 if not given.
        keep: go on with the state that the last run left, instead of with none.
        variables: more environment variables for the stack; local/server.py lists them.

    Raises:
        EmbeddedStackError: it is running already, the port is taken, or it did not come up.
    """
    if alive := running(home):
        raise EmbeddedStackError(
            f"the embedded stack is already up at {alive.endpoint}; `make down` stops it"
        )
    if keep:
        _check_state(home / "state")
    else:
        shutil.rmtree(home / "state", ignore_errors=True)
    for folder in ("state", "log"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    (home / "state" / "version").write_text(STATE_VERSION)
    with _one_at_a_time():
        port = _usable(port)
        process = _launch(home, port, variables or {})
        stack = Running(process.pid, port, home)
        (home / "running.json").write_text(json.dumps({**asdict(stack), "home": str(home)}))
        _await_health(stack, process)
    return stack


def _check_state(state: Path) -> None:
    version = state / "version"
    kept = version.read_text() if version.exists() else "1"
    if state.exists() and any(state.iterdir()) and kept != STATE_VERSION:
        raise EmbeddedStackError(
            f"the state in {state} is of another version of LabelLoop, and this one cannot go on with it;"
            " start without KEEP=1, which begins with none"
        )


def stop(home: Path = HOME, *, timeout_seconds: float = 30) -> bool:
    """Stop the stack and everything it started; False if it was not up."""
    stack = running(home)
    (home / "running.json").unlink(missing_ok=True)
    (home / "env").unlink(missing_ok=True)
    if stack is None:
        return False
    os.killpg(stack.pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout_seconds
    while _group_alive(stack.pid):
        if time.monotonic() > deadline:
            os.killpg(stack.pid, signal.SIGKILL)
            break
        time.sleep(0.1)
    return True


def running(home: Path = HOME) -> Running | None:
    """The stack that `home` belongs to, if its process is alive."""
    try:
        noted = json.loads((home / "running.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    stack = Running(noted["pid"], noted["port"], home)
    return stack if _group_alive(stack.pid) else None


def deploy(stack: Running, *, name: str, context: Mapping[str, str] | None = None) -> float:
    """Bootstrap and deploy the app with the real CDK CLI: the seconds it took.

    Raises:
        EmbeddedStackError: the deployment failed; the message holds the end of its log.
    """
    began = time.monotonic()
    options = ["-c", "environment=embedded", "-c", f"name={name}"]
    for key, value in (context or {}).items():
        options += ["-c", f"{key}={value}"]
    log = stack.home / "log" / f"deploy-{name}.log"
    with log.open("w") as output:
        assembly = str(stack.home / "cdk.out" / name)
        app = ["--app", f"{sys.executable} {ROOT / 'app.py'}", "--output", assembly]
        if not (stack.home / "state" / "bootstrapped").exists():
            # Outside the project the CLI synthesizes no app for it.
            _cdk(stack, ["bootstrap", f"aws://{ACCOUNT}/{REGION}"], output, folder=stack.home)
            (stack.home / "state" / "bootstrapped").touch()
        _cdk(stack, ["deploy", "--require-approval", "never", *app, *options], output, folder=ROOT)
    return time.monotonic() - began


def destroy(stack: Running, *, name: str) -> None:
    """Destroy a deployment with the real CDK CLI.

    Raises:
        EmbeddedStackError: it failed; the message holds the end of its log.
    """
    with (stack.home / "log" / f"destroy-{name}.log").open("w") as output:
        assembly = str(stack.home / "cdk.out" / name)
        _cdk(stack, ["destroy", "--force", "--app", assembly, name], output, folder=stack.home)


def write_environment(stack: Running, name: str) -> Path:
    """A file for shells to source, so that every AWS tool, and `labelloop`, finds this stack."""
    lines = [f"export {key}={value}" for key, value in stack.environment.items()]
    lines += ["unset AWS_PROFILE AWS_SESSION_TOKEN", f"export LABELLOOP_NAME={name}"]
    lines += [f'export PATH="{Path(sys.executable).parent}:$PATH"']  # where labelloop is
    target = stack.home / "env"
    target.write_text("\n".join(lines) + "\n")
    return target


@contextmanager
def stack_in(home: Path, *, variables: Mapping[str, str] | None = None) -> Iterator[Running]:
    """A stack of its own in `home`, for as long as the block runs."""
    stack = start(home, variables=variables)
    try:
        yield stack
    finally:
        stop(home)


def _launch(home: Path, port: int, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    state = home / "state"
    clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    environment = {
        **clean,
        "AUTH": "true",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "localhost",  # browsers take every name under it for this machine
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state / "ministack"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(state / "s3"),
        "TMPDIR": str(_temporary(home)),
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING"),
        "LAMBDA_WARM_TTL_SECONDS": "3600",
        "PYTHONPATH": str(ROOT),
        **variables,
    }
    command = [sys.executable, "-m", "local.server", "--host", HOST, "--port", str(port)]
    command += ["--state", str(state / "engine")]
    with (home / "log" / "stack.log").open("ab") as log:
        return subprocess.Popen(
            command,
            env=environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _temporary(home: Path) -> Path:
    """An empty folder for the functions' code; what a crash left there is removed."""
    folder = home / "tmp"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """A block that only one start at a time runs: stacks that start at once would choose the same port."""
    path = Path(tempfile.gettempdir()) / f"labelloop-start-{os.getuid()}.lock"
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _usable(port: int | None) -> int:
    if port is None:
        return next(candidate for candidate in range(FIRST_PORT, FIRST_PORT + 200) if _free(candidate))
    if not _free(port):
        raise EmbeddedStackError(
            f"port {port} is in use by another program; choose another with `make up PORT=...`"
            " or leave PORT out to have a free one chosen"
        )
    return port


def _free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _await_health(stack: Running, process: subprocess.Popen[bytes], timeout_seconds: float = 60) -> None:
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(f"{stack.endpoint}/_ministack/health", timeout=2).close()  # noqa: S310
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    stop(stack.home)
    raise EmbeddedStackError(
        f"the embedded stack did not come up:\n{_tail(stack.home / 'log' / 'stack.log')}"
    )


def _cdk(stack: Running, arguments: list[str], output: IO[str], *, folder: Path) -> None:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    environment = {
        **clean,
        **stack.environment,
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        # Five seconds of checks that are for AWS, where `cdk synth` and `cdk deploy` make them.
        "CDK_VALIDATION": "false",
    }
    command = [str(ROOT / "node_modules" / ".bin" / "cdk"), *arguments, "--progress", "events"]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        log = Path(output.name)
        raise EmbeddedStackError(f"`cdk {arguments[0]}` failed, see {log}:\n{_tail(log)}")


def _tail(log: Path, lines: int = 25) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _group_alive(group: int) -> bool:
    """Whether any process of the group still runs; one that has ended but was not waited for does not."""
    with suppress(ChildProcessError):
        os.waitpid(-group, os.WNOHANG)
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True
