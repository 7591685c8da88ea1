"""The clients that people use, behind one interface: boto3, the AWS CLI and the AWS SDK for JavaScript v3."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import boto3
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

ROOT = Path(__file__).resolve().parents[3]
DRIVER = Path(__file__).with_name("driver.mjs")
AWS = Path(sys.executable).with_name("aws")
SDK = ROOT / "node_modules" / "@aws-sdk" / "client-rekognition"

Key = Mapping[str, str]
"""An access key as boto3 names its parts: aws_access_key_id, aws_secret_access_key."""


class CallFailedError(Exception):
    """The service refused, and the client knew how: `code` as the client names the error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Client(Protocol):
    """One of the clients, with an access key, in front of one endpoint."""

    def call(self, operation: str, key: Key | None = None, **request: Any) -> dict[str, Any]:
        """The operation's answer, times as `datetime`; CallFailedError if the service refuses.

        Bytes of the request are sent as blobs. `key` takes the place of the client's own.
        """

    def wait(self, waiter: str, **request: Any) -> None:
        """Until the client's own waiter (ProjectVersionRunning, ...) is satisfied."""

    def items(self, operation: str, member: str, size: int, **request: Any) -> list[Any]:
        """All the items of a listing, by the client's own pagination, `size` a page."""

    def close(self) -> None: ...


class Boto3:
    """boto3, in this process."""

    def __init__(self, endpoint: str, region: str, key: Key) -> None:
        self._where = {"endpoint_url": endpoint, "region_name": region}
        self._rekognition = self._with(key)

    def call(self, operation: str, key: Key | None = None, **request: Any) -> dict[str, Any]:
        client = self._with(key) if key else self._rekognition
        try:
            answer: dict[str, Any] = getattr(client, xform_name(operation))(**request)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            assert isinstance(error, getattr(client.exceptions, code, ClientError))
            raise CallFailedError(code, error.response["Error"]["Message"]) from error
        del answer["ResponseMetadata"]
        return answer

    def wait(self, waiter: str, **request: Any) -> None:
        config = {"Delay": 1, "MaxAttempts": 120}
        self._rekognition.get_waiter(xform_name(waiter)).wait(**request, WaiterConfig=config)

    def items(self, operation: str, member: str, size: int, **request: Any) -> list[Any]:
        paginator = self._rekognition.get_paginator(xform_name(operation))
        pages = list(paginator.paginate(**request, PaginationConfig={"PageSize": size}))
        assert all(len(page[member]) <= size for page in pages)
        return [item for page in pages for item in page[member]]

    def close(self) -> None:
        self._rekognition.close()

    def _with(self, key: Key) -> Any:
        return boto3.client("rekognition", **self._where, **key)  # pyrefly: ignore[no-matching-overload]


class CommandLine:
    """The AWS CLI, a process for each command; `folder` is for its configuration."""

    def __init__(self, endpoint: str, region: str, key: Key, folder: Path) -> None:
        if not AWS.exists():
            pytest.fail(f"There is no AWS CLI at {AWS}; `make setup-dev` installs it")
        self._folder = folder
        config = folder / "config"
        # As the service sends them otherwise: seconds, which nobody has parsed.
        config.write_text("[default]\ncli_timestamp_format = iso8601\n")
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self._environment = {
            **clean,
            **_variables(key),
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_DEFAULT_REGION": region,
            "AWS_DEFAULT_OUTPUT": "json",
            "AWS_CONFIG_FILE": str(config),
            "AWS_DATA_PATH": str(_impatient_waiters(folder / "models")),
        }

    def call(self, operation: str, key: Key | None = None, **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = _with_times(self._run(operation, request, "--no-paginate", key=key))
        return answer

    def wait(self, waiter: str, **request: Any) -> None:
        self._run(waiter, request, before=["wait"])

    def items(self, operation: str, member: str, size: int, **request: Any) -> list[Any]:
        # Half of the listing by one command, the rest by a second that goes on from there.
        first = self._run(operation, request, "--page-size", str(size), "--max-items", "2")
        rest: dict[str, Any] = {member: []}
        if "NextToken" in first:
            token = str(first["NextToken"])
            rest = self._run(operation, request, "--page-size", str(size), "--starting-token", token)
        return [*first[member], *rest[member]]

    def close(self) -> None: ...

    def _run(
        self,
        name: str,
        request: Mapping[str, Any],
        *options: str,
        before: list[str] | None = None,
        key: Key | None = None,
    ) -> dict[str, Any]:
        members = dict(request)
        arguments = [*(before or []), xform_name(name, "-"), *options]
        if "Bytes" in members.get("Image", {}):
            file = self._folder / "image"
            file.write_bytes(members.pop("Image")["Bytes"])
            arguments += ["--image-bytes", f"fileb://{file}"]
        for member, value in members.items():
            text = value if isinstance(value, str) else json.dumps(value)
            arguments += [f"--{xform_name(member, '-')}", text]
        done = subprocess.run(
            [str(AWS), "rekognition", *arguments],
            env={**self._environment, **_variables(key or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        if done.returncode:
            told = re.search(r"An error occurred \((\w+)\) when calling .*?: (.*)", done.stderr)
            assert told, f"aws rekognition {arguments} ended with {done.returncode}: {done.stderr}"
            raise CallFailedError(told[1], told[2])
        answer: dict[str, Any] = json.loads(done.stdout or "{}")
        return answer


class JavaScript:
    """The AWS SDK for JavaScript v3, in a Node.js process that `driver.mjs` describes."""

    def __init__(self, endpoint: str, region: str, key: Key) -> None:
        node = shutil.which("node")
        if node is None:
            pytest.fail("There is no node on the PATH; install Node.js 20 or later, https://nodejs.org")
        if not SDK.exists():
            pytest.fail(f"There is no AWS SDK for JavaScript in {SDK}; `npm ci` installs it")
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment = {
            **clean,
            **_variables(key),
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION": region,
            "NODE_NO_WARNINGS": "1",
        }
        self._node = subprocess.Popen(
            [node, str(DRIVER)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def call(self, operation: str, key: Key | None = None, **request: Any) -> dict[str, Any]:
        credentials: dict[str, dict[str, str]] = {}
        if key:
            named = {"accessKeyId": "aws_access_key_id", "secretAccessKey": "aws_secret_access_key"}
            credentials = {"credentials": {name: key[part] for name, part in named.items()}}
        answer: dict[str, Any] = _revived(self._ask({"call": operation, "input": request, **credentials}))
        return answer

    def wait(self, waiter: str, **request: Any) -> None:
        assert self._ask({"wait": waiter, "input": request}) == {"state": "SUCCESS"}

    def items(self, operation: str, member: str, size: int, **request: Any) -> list[Any]:
        pages = self._ask({"paginate": operation, "size": size, "input": request})["pages"]
        assert all(len(page[member]) <= size for page in pages)
        return [item for page in pages for item in page[member]]

    def close(self) -> None:
        self._node.communicate(timeout=20)

    def _ask(self, what: Mapping[str, Any]) -> dict[str, Any]:
        assert self._node.stdin and self._node.stdout
        self._node.stdin.write(json.dumps(what, default=_base64) + "\n")
        self._node.stdin.flush()
        line = self._node.stdout.readline()
        assert line, f"node ended with {self._node.wait(5)}"
        done = json.loads(line)
        if error := done.get("error"):
            assert error["typed"] or error["name"] not in MODELLED, f"the SDK has no class for {error}"
            raise CallFailedError(error["name"], error["message"])
        answer: dict[str, Any] = done["answer"]
        return answer


MODELLED = {
    shape.name
    for shape in boto3.client("rekognition", region_name="us-east-1").meta.service_model.error_shapes
}
"""The errors that Amazon Rekognition's model names."""


def _variables(key: Key) -> dict[str, str]:
    return {name.upper(): value for name, value in key.items()}


def _impatient_waiters(models: Path) -> Path:
    """A copy of the CLI's own waiters that look every second: its options have none for the delay."""
    (package,) = find_spec("awscli").submodule_search_locations  # pyrefly: ignore[missing-attribute]
    (found,) = Path(package).glob("botocore/data/rekognition/*/waiters-2.json")
    waiters = json.loads(found.read_text())
    for waiter in waiters["waiters"].values():
        waiter["delay"] = 1
    target = models / "rekognition" / found.parent.name / found.name
    target.parent.mkdir(parents=True)
    target.write_text(json.dumps(waiters))
    return models


def _with_times(answer: Any) -> Any:
    """Members named ...Timestamp from ISO 8601."""
    if isinstance(answer, list):
        return [_with_times(item) for item in answer]
    if not isinstance(answer, dict):
        return answer
    return {
        name: datetime.fromisoformat(value) if name.endswith("Timestamp") else _with_times(value)
        for name, value in answer.items()
    }


def _revived(answer: Any) -> Any:
    """What the driver marked as dates."""
    if isinstance(answer, list):
        return [_revived(item) for item in answer]
    if not isinstance(answer, dict):
        return answer
    if "$date" in answer:
        return datetime.fromisoformat(answer["$date"])
    return {name: _revived(value) for name, value in answer.items()}


def _base64(value: object) -> dict[str, str]:
    assert isinstance(value, bytes), f"{type(value)} has no JSON form"
    return {"$base64": base64.b64encode(value).decode()}
