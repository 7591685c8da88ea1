"""Starting and stopping the embedded stack, as `make up` and `make down` do."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local import embedded
from local.embedded import EmbeddedStackError, Running

pytestmark = pytest.mark.embedded


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    embedded.stop(tmp_path)


def client(stack: Running, service: str, **other_keys: str) -> Any:
    keys = {
        "aws_access_key_id": stack.environment["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": stack.environment["AWS_SECRET_ACCESS_KEY"],
    }
    return boto3.client(  # pyrefly: ignore[no-matching-overload]
        service, endpoint_url=stack.endpoint, region_name=embedded.REGION, **{**keys, **other_keys}
    )


def processes_of(stack: Running) -> list[str]:
    listed = subprocess.run(
        ["ps", "-o", "args=", "-g", str(stack.pid)], capture_output=True, text=True, check=False
    )
    return listed.stdout.splitlines()


def test_it_answers_and_leaves_no_process(home: Path) -> None:
    stack = embedded.start(home)
    assert embedded.running(home) == stack
    assert client(stack, "sts").get_caller_identity()["Account"] == embedded.ACCOUNT
    assert client(stack, "rekognition").describe_projects()["ProjectDescriptions"] == []
    assert processes_of(stack)
    assert embedded.stop(home)
    assert processes_of(stack) == []
    assert embedded.running(home) is None
    assert not embedded.stop(home)


def test_iam_is_enforced(home: Path) -> None:
    """An unknown key, a wrong signature and a user without permissions are refused, by every service."""
    stack = embedded.start(home)
    iam = client(stack, "iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    callers = {
        "unknown": {"aws_access_key_id": "AKIAUNKNOWNUNKNOWN00"},
        "forger": {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": "guessed"},
        "nobody": {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]},
    }
    calls = {"s3": "list_buckets", "rekognition": "describe_projects", "dynamodb": "list_tables"}
    for caller, keys in callers.items():
        for service, call in calls.items():
            with pytest.raises(ClientError) as refused:
                getattr(client(stack, service, **keys), call)()
            code = refused.value.response["Error"]["Code"]
            assert code.startswith("AccessDenied") == (caller == "nobody"), (caller, service, code)


def test_stacks_that_start_at_once_have_a_port_each(tmp_path: Path) -> None:
    homes = [tmp_path / "one", tmp_path / "two"]
    try:
        with ThreadPoolExecutor(2) as threads:
            first, second = threads.map(embedded.start, homes)
        assert first.port != second.port
    finally:
        for home in homes:
            embedded.stop(home)


def test_a_port_in_use_is_a_clear_message(home: Path) -> None:
    with socket.socket() as other:
        other.bind((embedded.HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(EmbeddedStackError, match=f"port {port} is in use by another program"):
            embedded.start(home, port=port)


def test_a_second_start_says_that_it_is_up(home: Path) -> None:
    stack = embedded.start(home)
    with pytest.raises(EmbeddedStackError, match=f"already up at {stack.endpoint}"):
        embedded.start(home)


def test_state_is_kept_where_asked_and_only_there(home: Path) -> None:
    stack = embedded.start(home)
    client(stack, "s3").create_bucket(Bucket="kept")
    client(stack, "s3").put_object(Bucket="kept", Key="note", Body=b"here")
    client(stack, "rekognition").create_project(ProjectName="kept")
    client(stack, "sqs").create_queue(QueueName="kept")
    embedded.stop(home)
    stack = embedded.start(home, keep=True)
    assert client(stack, "s3").get_object(Bucket="kept", Key="note")["Body"].read() == b"here"
    assert client(stack, "sqs").get_queue_url(QueueName="kept")
    (project,) = client(stack, "rekognition").describe_projects()["ProjectDescriptions"]
    assert "project/kept/" in project["ProjectArn"]
    embedded.stop(home)
    stack = embedded.start(home)
    assert client(stack, "s3").list_buckets()["Buckets"] == []
    assert client(stack, "rekognition").describe_projects()["ProjectDescriptions"] == []


@pytest.mark.parametrize("version", [None, "1"])
def test_the_state_of_another_version_is_not_gone_on_with(tmp_path: Path, version: str | None) -> None:
    (tmp_path / "state" / "ministack").mkdir(parents=True)
    if version:
        (tmp_path / "state" / "version").write_text(version)
    with pytest.raises(EmbeddedStackError, match=r"another version of LabelLoop.*without KEEP=1"):
        embedded.start(tmp_path, keep=True)
    assert (tmp_path / "state" / "ministack").is_dir(), "nothing is deleted"


def test_a_killed_stack_can_be_started_again(home: Path) -> None:
    stack = embedded.start(home)
    client(stack, "rekognition").create_project(ProjectName="survives")
    os.killpg(stack.pid, signal.SIGKILL)
    while embedded.running(home):
        time.sleep(0.05)
    again = embedded.start(home, keep=True)
    (project,) = client(again, "rekognition").describe_projects()["ProjectDescriptions"]
    assert "project/survives/" in project["ProjectArn"]


def test_the_environment_file_points_any_tool_at_it(home: Path) -> None:
    stack = embedded.start(home)
    file = embedded.write_environment(stack, "labelloop")
    script = f". {file} && env"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    variables = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert variables["AWS_ENDPOINT_URL"] == stack.endpoint
    assert variables["LABELLOOP_NAME"] == "labelloop"
    assert stack.environment.items() <= variables.items()


def test_a_failing_deployment_says_why(home: Path) -> None:
    stack = embedded.start(home)
    with pytest.raises(EmbeddedStackError, match="expected a number between 0 and 1"):
        embedded.deploy(stack, name="labelloop", context={"min_f1": "2"})
