"""A deployment with a history: its tables, bucket, queues and settings in moto, the rest in `FakeAws`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.moto_api._internal.models import moto_api_backend
from typer.testing import CliRunner, Result

from cli.main import app
from lambdas.domain.records import Records

ACCOUNT = "arn:aws:{service}:us-east-1:123456789012"
PROJECT = ACCOUNT.format(service="rekognition") + ":project/parts/1700000000000"
MACHINE = ACCOUNT.format(service="states") + ":stateMachine:parts-{name}"
EXECUTION = ACCOUNT.format(service="states") + ":execution:parts-{name}:{id}"
BEGAN = datetime(2026, 1, 31, 12, tzinfo=UTC)

V1, V2 = "v1-aaaaaaaaaaaaaaaa", "v2-bbbbbbbbbbbbbbbb"


def version_arn(name: str) -> str:
    return f"{PROJECT.rsplit('/', 1)[0]}/version/{name}/1700000000001"


def client_error(code: str, message: str, operation: str = "Operation") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@dataclass
class FakeAws:
    """CloudFormation, Rekognition and Step Functions, which moto does not have or does not run here."""

    outputs: dict[str, str] = field(default_factory=dict)
    stack: str = "parts"
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)
    detections: list[Any] = field(default_factory=list)
    """What DetectCustomLabels answers next: labels, or an error. The last is answered for ever."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    executions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """By ARN, what each further DescribeExecution says; the last for ever."""
    histories: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    """By ARN, states entered and the seconds at which they were."""
    started: list[dict[str, Any]] = field(default_factory=list)

    def call(self, operation: str, given: dict[str, Any]) -> Any:
        return getattr(self, operation)(**given)

    def DescribeStacks(self, StackName: str) -> Any:
        if StackName != self.stack:
            raise client_error("ValidationError", f"Stack with id {StackName} does not exist")
        return {
            "Stacks": [{"Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in self.outputs.items()]}]
        }

    def DescribeProjectVersions(self, ProjectArn: str, **given: Any) -> Any:
        assert ProjectArn == PROJECT
        names = given.get("VersionNames", list(self.versions))
        found = [
            {"ProjectVersionArn": version_arn(n), **self.versions[n]} for n in names if n in self.versions
        ]
        return {"ProjectVersionDescriptions": found}

    def DetectCustomLabels(self, **given: Any) -> Any:
        self.asked.append(given)
        answer = self.detections.pop(0) if len(self.detections) > 1 else self.detections[0]
        if isinstance(answer, Exception):
            raise answer
        return {"CustomLabels": answer}

    def ListExecutions(self, stateMachineArn: str, statusFilter: str) -> Any:
        prefix = stateMachineArn.replace(":stateMachine:", ":execution:") + ":"
        running = [
            {"executionArn": arn, "name": arn.rsplit(":", 1)[1], "status": "RUNNING"}
            for arn, looks in self.executions.items()
            if arn.startswith(prefix) and looks[0]["status"] == statusFilter
        ]
        return {"executions": running}

    def StartExecution(self, stateMachineArn: str, name: str, input: str) -> Any:
        self.started.append({"machine": stateMachineArn, "name": name, "input": json.loads(input)})
        return {"executionArn": stateMachineArn.replace(":stateMachine:", ":execution:") + ":" + name}

    def DescribeExecution(self, executionArn: str) -> Any:
        looks = self.executions.get(executionArn) or self.executions.get("any")
        if not looks:
            raise client_error("ExecutionDoesNotExist", "Execution does not exist")
        return looks.pop(0) if len(looks) > 1 else looks[0]

    def GetExecutionHistory(self, executionArn: str, **given: Any) -> Any:
        assert given["reverseOrder"] is True
        entered = self.histories.get(executionArn) or self.histories.get("any", [])
        events = [
            {
                "id": number,
                "timestamp": BEGAN + timedelta(seconds=at),
                "type": "TaskStateEntered",
                "stateEnteredEventDetails": {"name": name},
            }
            for number, (name, at) in enumerate(entered, start=1)
        ]
        return {"events": events[::-1]}


FAKED = {"cloudformation", "rekognition", "stepfunctions"}


@pytest.fixture(scope="module")
def clients() -> Iterator[tuple[Any, Any]]:
    """`boto3.client` and `boto3.resource` that make each of theirs once: that takes most of the time."""
    with mock_aws():
        yield cache(boto3.client), cache(boto3.resource)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, clients: tuple[Any, Any]) -> FakeAws:
    fake = FakeAws()
    moto_api_backend.reset()
    monkeypatch.setattr(boto3, "client", clients[0])
    monkeypatch.setattr(boto3, "resource", clients[1])
    real = BaseClient._make_api_call  # pyrefly: ignore[missing-attribute]

    def call(client: Any, operation: str, given: dict[str, Any]) -> Any:
        if client.meta.service_model.service_name in FAKED | {"states"}:
            return fake.call(operation, given)
        return real(client, operation, given)

    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "LABELLOOP_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr("cli.following.POLL_SECONDS", 0.0)
    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    return fake


@dataclass
class Cli:
    """The command line, and the deployment that it is used on."""

    fake: FakeAws
    records: Records
    catalogue: Any
    s3: Any

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["--name", "parts", *arguments], env={"COLUMNS": "200"})

    def json(self, *arguments: str, exit_code: int = 0) -> Any:
        """The document that the command prints; nothing else may be on stdout."""
        result = self(*arguments, "--json")
        assert result.exit_code == exit_code, result.output
        return json.loads(result.stdout)

    def promote(self, name: str) -> None:
        self.records.switch_champion(self.records.champion(), version_arn(name), name)

    def serve(self, *answers: Any) -> None:
        """Let the champion answer so."""
        self.promote(V1)
        self.fake.detections = list(answers)


@pytest.fixture
def cli(fake: FakeAws) -> Cli:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="parts-data")
    sqs, dynamodb = boto3.client("sqs"), boto3.resource("dynamodb")
    queues = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("register-dead", "detect-dead")}
    boto3.client("ssm").put_parameter(
        Name="/parts/tuning", Type="String", Value=json.dumps({"min_new_images": 20})
    )
    loop = _table(dynamodb, "loop", ("kind", "id"))
    indexes = {"by_status": ("status", "changed_at"), "by_status_and_id": ("status", "id")}
    catalogue = _table(dynamodb, "catalogue", ("id",), indexes)
    fake.outputs = {
        "DataBucket": "parts-data",
        "CatalogueTable": "catalogue",
        "LoopTable": "loop",
        "TuningParameter": "/parts/tuning",
        "ProjectArn": PROJECT,
        "ReviewTable": "reviews",
        "ReviewMachineArn": MACHINE.format(name="review"),
        "UserPoolId": "us-east-1_people",
        "ConsoleAddress": "https://d111111abcdef8.cloudfront.net/",
        "RetrainMachineArn": MACHINE.format(name="retrain"),
        "PromoteMachineArn": MACHINE.format(name="promote"),
        "NotificationTopicArn": "arn:aws:sns:us-east-1:123456789012:parts",
        "RegisterDeadLettersUrl": queues["register-dead"],
        "DetectDeadLettersUrl": queues["detect-dead"],
    }
    return Cli(fake, Records(loop), catalogue, s3)


def _table(
    dynamodb: Any, name: str, keys: tuple[str, ...], indexes: dict[str, tuple[str, str]] | None = None
) -> Any:
    def schema(names: tuple[str, ...]) -> list[dict[str, str]]:
        return [
            {"AttributeName": n, "KeyType": kind} for n, kind in zip(names, ("HASH", "RANGE"), strict=False)
        ]

    attributes = {*keys, *(key for index in (indexes or {}).values() for key in index)}
    more = (
        {
            "GlobalSecondaryIndexes": [
                {"IndexName": index, "KeySchema": schema(names), "Projection": {"ProjectionType": "ALL"}}
                for index, names in indexes.items()
            ]
        }
        if indexes
        else {}
    )
    return dynamodb.create_table(
        TableName=name,
        KeySchema=schema(keys),
        AttributeDefinitions=[{"AttributeName": a, "AttributeType": "S"} for a in sorted(attributes)],
        BillingMode="PAY_PER_REQUEST",
        **more,
    )


LABELS = [
    {"label": "bolt", "f1": 0.95, "precision": 0.97, "recall": 0.93, "test_images": 9},
    {"label": "nut", "f1": 0.81, "precision": 0.8, "recall": 0.82, "test_images": 8},
]
VERDICTS = [
    {"gate": "evaluation", "passed": True, "reasons": ["overall F1 0.880, every label 0.500 or more"]},
    {"gate": "shadow", "passed": False, "reasons": ["F1 0.600 through the endpoint is below 0.800"]},
]


@pytest.fixture
def history(cli: Cli) -> Cli:
    """Two runs: v1 was promoted, v2 refused."""
    cli.records.note_run(
        "images-one",
        execution=EXECUTION.format(name="retrain", id="images-one"),
        trigger="images",
        outcome="promoted",
        reason=f"{V1} serves",
        started_at="2026-01-30T10:00:00.000000Z",
        ended_at="2026-01-30T11:10:00.000000Z",
        seconds=4200.0,
        version=V1,
        snapshot="aaaaaaaaaaaaaaaa",
        images={"kind": "detection", "train_images": 40, "test_images": 10, "left_out": {"blurred": 2}},
        f1=0.9,
        billable_seconds=3600,
        estimated_usd=1.25,
        labels=LABELS,
        verdicts=VERDICTS[:1],
        steps=[{"step": "Settle", "seconds": 300.4}, {"step": "Begin", "seconds": 0.0}],
    )
    cli.records.note_run(
        "manual-two",
        trigger="manual",
        outcome="refused",
        reason="F1 0.600 through the endpoint is below 0.800",
        started_at="2026-01-31T10:00:00.000000Z",
        ended_at="2026-01-31T10:30:00.000000Z",
        seconds=1800.0,
        version=V2,
        snapshot="bbbbbbbbbbbbbbbb",
        f1=0.88,
        estimated_usd=0.0312,
        labels=LABELS,
        verdicts=VERDICTS,
    )
    for number, (name, run) in enumerate(((V1, "images-one"), (V2, "manual-two")), start=1):
        cli.records.note_version(
            name,
            number=number,
            arn=version_arn(name),
            snapshot=name.split("-")[1],
            run=run,
            created_at=f"2026-01-{29 + number}T10:05:00.000000Z",
            state="champion" if number == 1 else "refused",
            f1=0.9 if number == 1 else 0.88,
            labels=LABELS,
            verdicts=VERDICTS[:number],
        )
    cli.promote(V1)
    return cli
