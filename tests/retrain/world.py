"""The loop's AWS resources in moto, with Rekognition Custom Labels played in memory, for the steps' tests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext
from moto import mock_aws
from moto.moto_api._internal.models import moto_api_backend

from lambdas.domain import catalogue, clock, sides
from lambdas.domain.catalogue import CatalogueImage
from lambdas.domain.custom_labels import Version
from lambdas.domain.manifests import Box, SplitWanted
from lambdas.domain.records import Champion, Records
from lambdas.domain.reviews.tasks import ReviewTable
from lambdas.domain.services import services
from lambdas.domain.tuning import Tuning
from tests.retrain.fake_rekognition import ACCOUNT, PREFIX, REGION, FakeRekognition

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient

__all__ = ["aws", "world"]

BUCKET = "labelloop-data"
PROJECT = f"{PREFIX}/pets/1700000000000"
TUNING = "/labelloop/pets/tuning"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:notifications"
CONSOLE = "https://console.example/"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/states"
NOTHING = json.dumps({"StartAt": "Nothing", "States": {"Nothing": {"Type": "Pass", "End": True}}})
LATER = "9999-01-01T00:00:00.000000Z"


@dataclass
class World:
    """A deployment of the loop without its functions; tests call those."""

    s3: S3Client
    dynamodb: Any
    sns: SNSClient
    sqs: SQSClient
    ssm: SSMClient
    events: EventBridgeClient
    stepfunctions: SFNClient
    fake: FakeRekognition = field(default_factory=FakeRekognition)

    def __post_init__(self) -> None:
        self.s3.create_bucket(Bucket=BUCKET)
        indexes = {"by_status": ("status", "changed_at"), "by_status_and_id": ("status", "id")}
        self.catalogue: Table = self._table("catalogue", "id", indexes=indexes)
        self.loop: Table = self._table("loop", "kind", "id")
        self.records = Records(self.loop)
        by_state = {"by_state": ("state", "available_at")}
        self.reviews = ReviewTable(self._table("reviews", "id", "part", indexes=by_state))
        self.tune()
        self.sns.create_topic(Name="notifications")
        self.queues = {
            name: self.sqs.create_queue(QueueName=name)["QueueUrl"]
            for name in ("people", "machines", "register", "detect", "review", "dead-letters")
        }
        self.sns.subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=_queue_arn("people"))
        self.events.put_rule(Name="hears", EventPattern=json.dumps({"source": ["labelloop"]}))
        self.events.put_targets(Rule="hears", Targets=[{"Id": "queue", "Arn": _queue_arn("machines")}])
        self.machines = {
            name: self.stepfunctions.create_state_machine(name=name, definition=NOTHING, roleArn=ROLE)[
                "stateMachineArn"
            ]
            for name in ("retrain", "promote", "review")
        }
        self.fake.create_project(ProjectName="pets")

    # What tests say

    def tune(self, **values: Any) -> Tuning:
        tuning = Tuning.from_dict(values)
        self.tune_by(json.dumps(tuning.as_dict()))
        return tuning

    def tune_by(self, document: str) -> None:
        self.ssm.put_parameter(Name=TUNING, Value=document, Type="String", Overwrite=True)

    def image(
        self,
        name: str,
        *labels: str,
        boxes: tuple[Box, ...] | None = None,
        status: str = "",
        looks: int = 0,
        wanted: SplitWanted = "",
    ) -> str:
        """Catalogue an image, labelled unless `status` says otherwise: its SHA-256.

        Args:
            looks: its perceptual hash.
            wanted: the side that is asked for.
        """
        sha256 = hashlib.sha256(name.encode()).hexdigest()
        judged: Any = {
            "status": status or "labelled",
            "kind": "classification" if boxes is None else "detection",
            "labels": labels,
            "boxes": boxes or (),
        }

        def change(before: CatalogueImage | None) -> CatalogueImage:
            kept: Any = {"revision": before.revision, "changed_at": before.changed_at} if before else {}
            return CatalogueImage(
                sha256=sha256,
                key=f"images/{sha256}.jpg",
                width=100,
                height=100,
                format="JPEG",
                bytes=1000,
                registered_at=clock.now(),
                perceptual_hash=f"{looks:016x}",
                split_wanted=wanted,
                **judged,
                **kept,
            )

        catalogue.update_image(self.catalogue, sha256, change)
        return sha256

    def images(self, label: str, count: int) -> list[str]:
        return [self.image(f"{label} {number}", label) for number in range(count)]

    def splits(self) -> dict[str, str]:
        """Side of every image that has one, by its SHA-256."""
        ledger = sides.Ledger.read(self.catalogue)
        return {found.sha256: found.side for bucket in sides.BUCKETS for found in ledger.bucket(bucket)}

    def read(self, key: str) -> str:
        return self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()

    def keys(self, prefix: str = "") -> list[str]:
        found = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return [item["Key"] for item in found]

    def execution(self, machine: str, name: str) -> str:
        """Begin an execution: its ARN."""
        return self.stepfunctions.start_execution(stateMachineArn=self.machines[machine], name=name)[
            "executionArn"
        ]

    def end_execution(self, arn: str, cause: str = "aborted by a test") -> None:
        self.stepfunctions.stop_execution(executionArn=arn, cause=cause)

    def running(self, machine: str) -> list[str]:
        """Names of the executions that run."""
        found = self.stepfunctions.list_executions(
            stateMachineArn=self.machines[machine], statusFilter="RUNNING"
        )
        return [execution["name"] for execution in found["executions"]]

    def version(self, name: str, status: str = "TRAINING_COMPLETED", **facts: Any) -> Version:
        """A model version that Rekognition has and the records know."""
        arn = self.fake.add_version(name, status)
        self.records.note_version(name, arn=arn, **{"snapshot": "s", "created_at": clock.now(), **facts})
        return Version(arn, name, status, "", None, None, 0)

    def champion(self, name: str, status: str = "RUNNING", **facts: Any) -> Champion:
        found = self.version(name, status, state="champion", **facts)
        return self.records.switch_champion(self.records.champion(), found.arn, found.name)

    def received(self, queue: str) -> list[dict[str, Any]]:
        """What came to a queue: the messages' bodies."""
        found = self.sqs.receive_message(QueueUrl=self.queues[queue], MaxNumberOfMessages=10).get(
            "Messages", []
        )
        return [json.loads(message["Body"]) for message in found]

    def _table(self, name: str, *keys: str, indexes: dict[str, tuple[str, str]] | None = None) -> Table:
        types = ("HASH", "RANGE")
        secondary = {
            index: [{"AttributeName": key, "KeyType": type} for key, type in zip(found, types, strict=True)]
            for index, found in (indexes or {}).items()
        }
        names = {*keys, *(key for found in (indexes or {}).values() for key in found)}
        options: Any = {}
        if secondary:
            options["GlobalSecondaryIndexes"] = [
                {"IndexName": index, "KeySchema": schema, "Projection": {"ProjectionType": "ALL"}}
                for index, schema in secondary.items()
            ]
        table = self.dynamodb.create_table(
            TableName=name,
            KeySchema=[
                {"AttributeName": key, "KeyType": type} for key, type in zip(keys, types, strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in sorted(names)],
            BillingMode="PAY_PER_REQUEST",
            **options,
        )
        return cast("Table", table)


@dataclass(frozen=True)
class Context:
    """What a handler learns of its function."""

    function_name: str = "function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:function"
    aws_request_id: str = "request"
    remaining_seconds: float = 60

    def get_remaining_time_in_millis(self) -> int:
        return int(self.remaining_seconds * 1000)


def context(remaining_seconds: float = 60) -> LambdaContext:
    return cast(LambdaContext, Context(remaining_seconds=remaining_seconds))


@pytest.fixture(scope="module")
def aws() -> Iterator[dict[str, Any]]:
    """Clients of moto."""
    with pytest.MonkeyPatch.context() as environment, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "testing")
        environment.setenv("AWS_DEFAULT_REGION", REGION)
        environment.setenv("MOTO_ACCOUNT_ID", ACCOUNT)
        names = ("s3", "sns", "sqs", "ssm", "events", "stepfunctions")
        clients: dict[str, Any] = {name: boto3.client(name) for name in names}
        yield clients | {"dynamodb": boto3.resource("dynamodb")}


@pytest.fixture
def world(aws: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    yield deployed(aws, monkeypatch)
    services.cache_clear()


def deployed(aws: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> World:
    """A fresh deployment; handlers find it by their environment."""
    moto_api_backend.reset()
    made = World(**aws)
    variables = {
        "DATA_BUCKET": BUCKET,
        "CATALOGUE_TABLE": "catalogue",
        "REVIEW_TABLE": "reviews",
        "REVIEW_QUEUE_URL": made.queues["review"],
        "REVIEW_MACHINE_ARN": made.machines["review"],
        "LOOP_TABLE": "loop",
        "PROJECT_ARN": PROJECT,
        "TUNING_PARAMETER": TUNING,
        "TOPIC_ARN": TOPIC,
        "DEPLOYMENT": "pets",
        "CONSOLE_ADDRESS": CONSOLE,
        "RETRAIN_MACHINE_ARN": made.machines["retrain"],
        "REGISTER_QUEUE_URL": made.queues["register"],
        "DETECT_QUEUE_URL": made.queues["detect"],
        "DETECT_DEAD_LETTERS_URL": made.queues["dead-letters"],
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    services.cache_clear()
    found = services()
    # The functions' own clients retry with pauses; they are the same in all else.
    found.__dict__ |= {name: client for name, client in aws.items() if name != "dynamodb"}
    found.__dict__ |= {
        "rekognition": made.fake.client,
        "catalogue": made.catalogue,
        "records": made.records,
    }
    return made


def _queue_arn(name: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
