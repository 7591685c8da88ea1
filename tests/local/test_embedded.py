"""Starting and stopping the embedded stack, as `make up` and `make down` do."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local import embedded
from local.embedded import EmbeddedStackError, Running
from local.ministack_state.records import CUT_OFF

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
    return [line for line in listed.stdout.splitlines() if "<defunct>" not in line]


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


ASSUMED_BY_ALL = json.dumps(
    {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
)


def test_iam_is_enforced(home: Path) -> None:
    """Unknown keys, wrong secrets and tokens, and users without permissions are refused, by every service."""
    stack = embedded.start(home)
    iam = client(stack, "iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    role = iam.create_role(RoleName="nobody", AssumeRolePolicyDocument=ASSUMED_BY_ALL)["Role"]["Arn"]
    session = client(stack, "sts").assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    user, assumed = key["AccessKeyId"], session["AccessKeyId"]
    token = {"aws_session_token": session["SessionToken"]}
    own, forged = "SignatureDoesNotMatch", "InvalidSignatureException"
    callers = {
        "unknown": (
            {"aws_access_key_id": "AKIAUNKNOWNUNKNOWN00"},
            "InvalidAccessKeyId",
            "UnrecognizedClient",
        ),
        "account": (
            {"aws_access_key_id": "123456789012", "aws_secret_access_key": "guessed"},
            own,
            forged,
        ),
        "test": ({"aws_access_key_id": "test"}, "InvalidAccessKeyId", "UnrecognizedClient"),
        "root": ({"aws_secret_access_key": "guessed"}, own, forged),
        "user": ({"aws_access_key_id": user, "aws_secret_access_key": "guessed"}, own, forged),
        "role": ({"aws_access_key_id": assumed, "aws_secret_access_key": "guessed"} | token, own, forged),
        "nobody": (
            {"aws_access_key_id": user, "aws_secret_access_key": key["SecretAccessKey"]},
            "AccessDenied",
            "AccessDenied",
        ),
        "nobody's role": (
            {"aws_access_key_id": assumed, "aws_secret_access_key": session["SecretAccessKey"]} | token,
            "AccessDenied",
            "AccessDenied",
        ),
    }
    calls = {"s3": "list_buckets", "rekognition": "describe_projects", "dynamodb": "list_tables"}
    for caller, (keys, of_s3, of_others) in callers.items():
        for service, call in calls.items():
            with pytest.raises(ClientError) as refused:
                getattr(client(stack, service, **keys), call)()
            code = refused.value.response["Error"]["Code"]
            assert code.startswith(of_s3 if service == "s3" else of_others), (caller, service, code)
    for service, code in {"iam": own, "sqs": own, "sts": own, "stepfunctions": forged}.items():
        call = {"iam": "list_users", "sqs": "list_queues", "sts": "get_caller_identity"}
        with pytest.raises(ClientError) as refused:
            getattr(client(stack, service, **callers["root"][0]), call.get(service, "list_state_machines"))()
        assert refused.value.response["Error"]["Code"] == code, service


def test_addresses_signed_in_advance_are_checked(home: Path) -> None:
    stack = embedded.start(home)
    s3 = client(stack, "s3")
    s3.create_bucket(Bucket="signed")
    s3.put_object(Bucket="signed", Key="note", Body=b"here")

    def fetched(secret: dict[str, str]) -> tuple[int, bytes]:
        signer = client(stack, "s3", **secret)
        url = signer.generate_presigned_url("get_object", {"Bucket": "signed", "Key": "note"})
        try:
            with urllib.request.urlopen(url) as answer:  # noqa: S310 of this machine
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    assert fetched({}) == (200, b"here")
    status, body = fetched({"aws_secret_access_key": "guessed"})
    assert status == 403 and b"SignatureDoesNotMatch" in body
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{stack.endpoint}/signed/note")  # noqa: S310 of this machine
    assert refused.value.code == 403 and b"AccessDenied" in refused.value.read()


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


def test_a_port_that_a_killed_server_is_about_to_leave_is_waited_for() -> None:
    other = socket.socket()
    other.bind((embedded.HOST, 0))
    other.listen()
    port = other.getsockname()[1]
    closing = Timer(0.2, other.close)
    closing.start()
    assert embedded._usable(port, patience=30) == port
    closing.join()


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


TRUST = json.dumps(
    {"Statement": [{"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "*"}]}
)
WAITS = json.dumps({"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}})
FUNCTION = """
import subprocess

subprocess.Popen(["sleep", "600"])


def handler(event, context):
    return event
"""
"""Its process ends once the server has, and leaves one behind that does not."""


def zipped(code: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("code.py", code)
    return file.getvalue()


def acknowledged(stack: Running) -> dict[str, str]:
    """Something of every kind that the stack has acknowledged, and at once its death: the queue's address and
    the execution's ARN."""
    names = ("dynamodb", "iam", "lambda", "rekognition", "s3", "sqs", "ssm", "stepfunctions")
    dynamodb, iam, functions, rekognition, s3, sqs, ssm, steps = (client(stack, name) for name in names)
    role = iam.create_role(RoleName="kept", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    function = {"FunctionName": "kept", "Role": role, "Runtime": "python3.13", "Handler": "code.handler"}
    functions.create_function(**function, Code={"ZipFile": zipped(FUNCTION)})
    functions.invoke(FunctionName="kept", Payload=b"{}")
    machine = steps.create_state_machine(name="kept", roleArn=role, definition=WAITS)["stateMachineArn"]
    rekognition.create_project(ProjectName="kept")
    s3.create_bucket(Bucket="kept")
    s3.put_object(Bucket="kept", Key="note", Body=b"here")
    key = {"AttributeName": "id", "KeyType": "HASH"}
    definition = {"AttributeName": "id", "AttributeType": "S"}
    dynamodb.create_table(
        TableName="kept", KeySchema=[key], AttributeDefinitions=[definition], BillingMode="PAY_PER_REQUEST"
    )
    for name in ("one", "gone", "two"):
        dynamodb.put_item(TableName="kept", Item={"id": {"S": name}})
    dynamodb.delete_item(TableName="kept", Key={"id": {"S": "gone"}})
    queue = sqs.create_queue(QueueName="kept")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="gone")
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    sqs.send_message(QueueUrl=queue, MessageBody="kept")
    execution = steps.start_execution(stateMachineArn=machine, name="cut-off")["executionArn"]
    ssm.put_parameter(Name="/kept", Value="last", Type="String")
    os.kill(stack.pid, signal.SIGKILL)
    return {"queue": queue, "execution": execution}


def test_a_killed_stack_loses_nothing_that_it_acknowledged(home: Path) -> None:
    stack = embedded.start(home)
    names = acknowledged(stack)
    while embedded.running(home):
        time.sleep(0.05)
    assert embedded.leftovers(home), "the function's process"
    again = embedded.start(home, keep=True)
    assert again.port == stack.port, "addresses name it"
    assert re.fullmatch(
        r"Processes that a killed stack had left, and that are ended now: [12]", again.notes[0]
    )
    notes = "\n".join(again.notes)
    assert "executions are now ABORTED: cut-off" in notes
    assert processes_of(stack) == []
    items = client(again, "dynamodb").scan(TableName="kept")["Items"]
    assert {item["id"]["S"] for item in items} == {"one", "two"}
    messages = client(again, "sqs").receive_message(QueueUrl=names["queue"], MaxNumberOfMessages=10)[
        "Messages"
    ]
    assert [message["Body"] for message in messages] == ["kept"]
    assert client(again, "s3").get_object(Bucket="kept", Key="note")["Body"].read() == b"here"
    assert client(again, "ssm").get_parameter(Name="/kept")["Parameter"]["Value"] == "last"
    answer = client(again, "lambda").invoke(FunctionName="kept", Payload=b'"asked"')["Payload"].read()
    assert json.loads(answer) == "asked"
    (project,) = client(again, "rekognition").describe_projects()["ProjectDescriptions"]
    assert "project/kept/" in project["ProjectArn"]
    steps = client(again, "stepfunctions")
    execution = steps.describe_execution(executionArn=names["execution"])
    assert (execution["status"], execution["cause"]) == ("ABORTED", CUT_OFF)
    history = steps.get_execution_history(executionArn=names["execution"])["events"]
    assert history[-1]["type"] == "ExecutionAborted"


def test_a_killed_stack_is_set_aside_where_it_is_not_gone_on_with(home: Path) -> None:
    stack = embedded.start(home)
    client(stack, "s3").create_bucket(Bucket="kept")
    client(stack, "s3").put_object(Bucket="kept", Key="note", Body=b"here")
    os.killpg(stack.pid, signal.SIGKILL)
    while embedded.running(home):
        time.sleep(0.05)
    assert not embedded.stop(home), "nothing is left to be stopped"
    again = embedded.start(home)
    (note,) = again.notes
    assert "killed" in note and "1 objects of S3" in note and str(home / "set-aside") in note
    assert (home / "set-aside" / "ministack.sqlite").exists()
    assert client(again, "s3").list_buckets()["Buckets"] == []


def test_a_number_that_another_process_has_now_is_not_the_stack(home: Path) -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        noted = {"pid": other.pid, "port": 1, "started": "another time"}
        (home / "running.json").write_text(json.dumps(noted))
        assert embedded.running(home) is None
        assert embedded.leftovers(home) == 0
        assert not embedded.stop(home)
        assert other.poll() is None, "it is left alone"
        other.kill()


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
