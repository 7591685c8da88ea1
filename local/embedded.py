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
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from local.ministack_state.database import DATABASE, was_killed
from local.ministack_state.recovery import FILE as RECOVERY
from local.ministack_state.recovery import Recovery

ROOT = Path(__file__).parent.parent
HOME = ROOT / ".embedded"
STATE_VERSION = "3"
"""Raised whenever a later LabelLoop cannot go on with what an earlier one has kept."""
_CLOSING_SECONDS = 10.0
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
    """A running embedded stack: its process (also its process group), port and folder.

    Attributes:
        started: when the process started, as the system says it: another process may get its number.
        notes: what people should know of the one before it.
    """

    pid: int
    port: int
    home: Path
    started: str
    notes: tuple[str, ...] = field(default=(), compare=False)

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
        port: the port to serve on; if not given that of the state that is gone on with, else the first free
            one from 4566.
        keep: go on with the state that the last run left, instead of with none.
        variables: more environment variables for the stack; local/server.py lists them.

    Raises:
        EmbeddedStackError: it is running already, the port is taken, or it did not come up.
    """
    if alive := running(home):
        raise EmbeddedStackError(
            f"the embedded stack is already up at {alive.endpoint}; `make down` stops it"
        )
    state = home / "state"
    notes: list[str] = []
    before = _noted(home)
    if ended := _end_group(before):
        notes.append(f"Processes that a killed stack had left, and that are ended now: {ended}")
    killed = was_killed(state / DATABASE)
    if keep:
        _check_state(state)
        port = port or _port_of(state)
    else:
        notes += [_set_aside(home)] if killed else []
        shutil.rmtree(state, ignore_errors=True)
    (state / RECOVERY).unlink(missing_ok=True)
    for folder in (state, home / "log"):
        folder.mkdir(parents=True, exist_ok=True)
    (state / "version").write_text(STATE_VERSION)
    with _one_at_a_time():
        port = _usable(port, patience=_CLOSING_SECONDS if before else 0)
        (state / "port").write_text(str(port))
        process = _launch(home, port, variables or {})
        stack = Running(process.pid, port, home, _start_time(process.pid))
        noted = {"pid": stack.pid, "port": port, "home": str(home), "started": stack.started}
        (home / "running.json").write_text(json.dumps(noted))
        _await_health(stack, process)
    if keep and killed:
        notes += _await_recovery(state).sentences()
    return replace(stack, notes=tuple(notes))


def _set_aside(home: Path) -> str:
    """Move the state of a killed stack out of the way; what to tell people of it."""
    aside = home / "set-aside"
    shutil.rmtree(aside, ignore_errors=True)
    objects = sum(1 for _ in (home / "state" / "s3").rglob("*.meta.json"))
    (home / "state").rename(aside)
    return (
        f"The last run was killed, and this one begins anew. The state of that one, {objects} objects of S3"
        f" and all that was known of them, is now in {aside}. To go on with it instead: `make down`, move"
        f" that folder to {home / 'state'}, `make up KEEP=1`."
    )


def _port_of(state: Path) -> int | None:
    """The port that the state was served on; addresses in it name that port."""
    file = state / "port"
    return int(file.read_text()) if file.exists() else None


def _await_recovery(state: Path, timeout_seconds: float = 60) -> Recovery:
    deadline = time.monotonic() + timeout_seconds
    while (recovery := Recovery.read(state)) is None:
        if time.monotonic() > deadline:
            raise EmbeddedStackError("the embedded stack is up but did not say what it has recovered")
        time.sleep(0.1)
    return recovery


def _check_state(state: Path) -> None:
    version = state / "version"
    kept = version.read_text() if version.exists() else "1"
    if state.exists() and any(state.iterdir()) and kept != STATE_VERSION:
        raise EmbeddedStackError(
            f"the state in {state} is of another version of LabelLoop, and this one cannot go on with it;"
            " start without KEEP=1, which begins with none"
        )


def stop(home: Path = HOME, *, timeout_seconds: float = 30) -> bool:
    """Stop the stack and everything it started, or what a killed one has left; False if there was nothing."""
    stack, noted = running(home), _noted(home)
    (home / "running.json").unlink(missing_ok=True)
    (home / "env").unlink(missing_ok=True)
    if stack is None:
        return _end_group(noted) > 0
    os.killpg(stack.pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout_seconds
    while _group(stack.pid):
        if time.monotonic() > deadline:
            os.killpg(stack.pid, signal.SIGKILL)
            break
        time.sleep(0.1)
    return True


def running(home: Path = HOME) -> Running | None:
    """The stack that `home` belongs to, if its server is alive; what a killed server has left is no stack."""
    stack = _noted(home)
    return stack if stack and stack.started and _start_time(stack.pid) == stack.started else None


def leftovers(home: Path = HOME) -> int:
    """How many processes a killed server has left."""
    stack = _noted(home)
    return len(_left_of(stack)) if stack and not running(home) else 0


def answers(stack: Running) -> bool:
    """Whether the stack answers requests."""
    try:
        urllib.request.urlopen(f"{stack.endpoint}/_ministack/health", timeout=2).close()  # noqa: S310
    except (urllib.error.URLError, OSError):
        return False
    return True


def _noted(home: Path) -> Running | None:
    """The stack that was started last and not stopped, alive or not."""
    try:
        noted = json.loads((home / "running.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return Running(noted["pid"], noted["port"], home, noted.get("started", ""))


def _end_group(stack: Running | None) -> int:
    """End what a killed server has left; how many processes that were."""
    left = _left_of(stack) if stack else []
    if stack and left:
        os.killpg(stack.pid, signal.SIGKILL)
        while _group(stack.pid):
            time.sleep(0.05)
    return len(left)


def _left_of(stack: Running) -> list[int]:
    """The processes of a dead server's group. If its number is another process's now, there are none: numbers
    are given again only when no group has them."""
    return [] if _start_time(stack.pid) else _group(stack.pid)


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


def _usable(port: int | None, patience: float) -> int:
    """The port, or the first that is free.

    Args:
        patience: seconds to wait for it, as a killed server's threads may still be on their way out.

    Raises:
        EmbeddedStackError: another program has it.
    """
    if port is None:
        return next(candidate for candidate in range(FIRST_PORT, FIRST_PORT + 200) if _free(candidate))
    deadline = time.monotonic() + patience
    while not _free(port):
        if time.monotonic() > deadline:
            raise EmbeddedStackError(
                f"port {port} is in use by another program; choose another with `make up PORT=...`"
                " or leave PORT out to have a free one chosen"
            )
        time.sleep(0.05)
    return port


def _free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _await_health(stack: Running, process: subprocess.Popen[bytes], timeout_seconds: float = 180) -> None:
    """Wait until it answers: of 250,000 images the state is loaded for half a minute before."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline and process.poll() is None:
        if answers(stack):
            return
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


def _start_time(pid: int) -> str:
    """When the process started, as the system says it; "" if it does not run."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # one of our own that has ended is waited for by nobody else
    if Path("/proc/self/stat").exists():
        try:
            # After the name, which is in brackets and may hold anything: state, parent, ..., start time.
            state, *facts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if state == "Z" else facts[18]
    return _ps("-o", "lstart=", "-p", str(pid)).strip()


def _group(group: int) -> list[int]:
    """Processes of the group that run."""
    with suppress(ChildProcessError):
        os.waitpid(-group, os.WNOHANG)
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return []
    listed = (line.split() for line in _ps("-A", "-o", "pid=,pgid=,state=").splitlines())
    return [int(pid) for pid, of, state in listed if int(of) == group and not state.startswith("Z")]


def _ps(*arguments: str) -> str:
    return subprocess.run(["ps", *arguments], capture_output=True, text=True, check=False).stdout
