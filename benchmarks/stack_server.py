"""What a request costs the embedded stack's server, beside the same under hypercorn, MiniStack's own choice.

Both serve the same application at the same time, and are asked in turn, so that what else the machine does
strikes both; the middle round counts. With `--port` and `--state` it is itself the one under hypercorn.
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import boto3

from local import server
from local.embedded import ACCESS_KEY_ID, HOST, REGION, SECRET_ACCESS_KEY

MODULES = {"hypercorn": "benchmarks.stack_server", "uvicorn": "local.server"}
PORTS = {"hypercorn": 4790, "uvicorn": 4791}
ROUNDS, REQUESTS = 7, 150
BUCKET, TABLE = "benchmark", "benchmark"
BODY = b"x" * 100_000
START_SECONDS = 60
_KEY = {"aws_access_key_id": ACCESS_KEY_ID, "aws_secret_access_key": SECRET_ACCESS_KEY}


def measure() -> None:
    print(f"processor time of a request in the server, ms; median of {ROUNDS} rounds of {REQUESTS}")
    with tempfile.TemporaryDirectory() as home, ExitStack() as servers:
        pids = {name: servers.enter_context(_running(name, Path(home) / name)) for name in MODULES}
        requests = {name: _requests(name) for name in MODULES}
        for kind in requests["uvicorn"]:
            rounds = [
                {name: _milliseconds(pids[name], requests[name][kind]) for name in MODULES}
                for _ in range(ROUNDS)
            ]
            peer, own = (statistics.median(each[name] for each in rounds) for name in MODULES)
            print(f"  {kind}: hypercorn {peer:.2f}, uvicorn {own:.2f}: {1 - own / peer:.0%} less")


@contextmanager
def _running(name: str, home: Path) -> Iterator[int]:
    """The process of a server that answers."""
    home.mkdir()
    environment = {"AUTH": "true", "PERSIST_STATE": "1", "S3_PERSIST": "1", "LOG_LEVEL": "WARNING"}
    environment |= {"AWS_ACCESS_KEY_ID": ACCESS_KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY}
    command = [
        sys.executable,
        "-m",
        MODULES[name],
        "--port",
        str(PORTS[name]),
        "--state",
        str(home / "engine"),
    ]
    process = subprocess.Popen(command, env={**os.environ, **environment})
    try:
        _await_answer(name)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _await_answer(name: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            _client("sts", name).get_caller_identity()
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def _requests(name: str) -> dict[str, Callable[[], object]]:
    dynamodb, s3, rekognition = (_client(service, name) for service in ("dynamodb", "s3", "rekognition"))
    dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    s3.create_bucket(Bucket=BUCKET)
    item = {"id": {"S": "a"}, "text": {"S": "x" * 300}}

    def get_object() -> object:
        return s3.get_object(Bucket=BUCKET, Key="key")["Body"].read()

    return {
        "DynamoDB PutItem": lambda: dynamodb.put_item(TableName=TABLE, Item=item),
        "DynamoDB GetItem": lambda: dynamodb.get_item(TableName=TABLE, Key={"id": {"S": "a"}}),
        "S3 PutObject of 100 kB": lambda: s3.put_object(Bucket=BUCKET, Key="key", Body=BODY),
        "S3 GetObject of 100 kB": get_object,
        "Rekognition DescribeProjects": rekognition.describe_projects,
    }


def _client(service: str, name: str) -> Any:
    address = f"http://{HOST}:{PORTS[name]}"
    return boto3.client(service, endpoint_url=address, region_name=REGION, **_KEY)  # pyrefly: ignore


def _milliseconds(pid: int, request: Callable[[], object]) -> float:
    for _ in range(10):
        request()
    before = _processor_seconds(pid)
    for _ in range(REQUESTS):
        request()
    return 1000 * (_processor_seconds(pid) - before) / REQUESTS


def _processor_seconds(pid: int) -> float:
    facts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(facts[11]) + int(facts[12])) / os.sysconf("SC_CLK_TCK")


async def _with_hypercorn(host: str, port: int) -> None:
    from hypercorn.asyncio import serve  # noqa: PLC0415 - MiniStack's, which the stack itself does without
    from hypercorn.config import Config  # noqa: PLC0415

    config, ended = Config(), asyncio.Event()
    config.loglevel = "WARNING"
    config.bind = [f"{host}:{port}"]
    config.keep_alive_timeout = 75
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    server.engine().keeper.start()
    await serve(server.app, config, shutdown_trigger=ended.wait)


if __name__ == "__main__":
    server.serve = _with_hypercorn
    server.main()
