"""What registering 1,000 images, and the 1,000 lines of their manifest, asks of AWS: requests.

Counted from the calls that the function makes (botocore's own events), in moto.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from io import StringIO
from itertools import count
from types import SimpleNamespace
from typing import Any

import boto3
from moto import mock_aws

from benchmarks.ingestion import files_of
from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.manifests import detection_entry, entry_line
from local.embedded import REGION

IMAGES = 1000
BATCH = 10
"""Messages of one invocation (infra/register.py)."""
USD = {
    "S3 CopyObject": 0.005 / 1000,
    "S3 GetObject": 0.0004 / 1000,
    "S3 ListObjectVersions": 0.005 / 1000,
    "DynamoDB PutItem": 0.625 / 1e6,
    "DynamoDB BatchGetItem": 0.125 / 1e6,
    "DynamoDB GetItem": 0.125 / 1e6,
    "DynamoDB Query": 0.125 / 1e6,
}
"""Of a request, US East (N. Virginia), as quoted in November 2026: https://aws.amazon.com/s3/pricing/ ,
https://aws.amazon.com/dynamodb/pricing/on-demand/ . A write is one of up to 1 kB, a read one of 4 kB; what an
index of the table takes comes on top. Deleting is free."""
WRITES_OF_A_PUT = 3
"""The item, and its row in each of the two indexes (infra/register.py)."""
READS_OF_A_BATCH = 2
"""Keys that are asked for."""
TRANSITION_USD = 0.025 / 1000
"""Of a Standard workflow in US East (N. Virginia); https://aws.amazon.com/step-functions/pricing/ ."""
STATES_OF_AN_EXECUTION_EACH = 3
"""The least that a state machine run for each image goes through: start, one task, end."""

_SEQUENCE = count(1)
_ENVIRONMENT = {
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "benchmark",
    "AWS_SECRET_ACCESS_KEY": "benchmark",
    "DATA_BUCKET": "data",
    "CATALOGUE_TABLE": "catalogue",
    "LOOP_STATE_TABLE": "loop",
    "TUNING_PARAMETER": "tuning",
    "RETRAIN_MACHINE_ARN": f"arn:aws:states:{REGION}:123456789012:stateMachine:retrain",
    "POWERTOOLS_SERVICE_NAME": "register",
    "POWERTOOLS_METRICS_NAMESPACE": "LabelLoop",
    "POWERTOOLS_LOG_LEVEL": "CRITICAL",
}


def measure() -> None:
    """Batches of S3's events through the function's own handler."""
    with mock_aws():
        os.environ.update(_ENVIRONMENT)
        _resources()
        from lambdas import register  # noqa: PLC0415 - reads its environment when it is imported

        # Clients that are made from now on count their calls.
        calls: Counter[str] = Counter()
        uploads = list(_uploaded())
        boto3._get_default_session().events.register("before-call", _counter(calls))
        images, seconds = _handled(register.handle, uploads, calls)
        known, seconds_known = _handled(register.handle_annotations, [_manifest("known")], calls)
        pending, seconds_pending = _handled(register.handle_annotations, [_manifest("pending")], calls)
    print(f"{IMAGES} images, {BATCH} to an invocation at most, {seconds:.1f} s with moto's tables:")
    print(f"  {IMAGES // BATCH:6} Lambda invocations")
    _print(images)
    print(f"{IMAGES} lines of a manifest of images that are registered, {seconds_known:.1f} s so:")
    _print(known)
    print(f"{IMAGES} lines of a manifest of images that have not come, {seconds_pending:.1f} s so:")
    _print(pending)
    transitions = IMAGES * STATES_OF_AN_EXECUTION_EACH
    print("beside an execution of a state machine for each image, with one function:")
    print(
        f"  {IMAGES:6} Lambda invocations, and {transitions} state transitions for"
        f" {transitions * TRANSITION_USD:.3f} USD before anything is registered"
    )


def _handled(handle: Any, records: list[Any], calls: Counter[str]) -> tuple[Counter[str], float]:
    """What the function asks of AWS, and how long it takes, for these messages."""
    context: Any = SimpleNamespace(
        function_name="register",
        memory_limit_in_mb=1024,
        invoked_function_arn=f"arn:aws:lambda:{REGION}:123456789012:function:register",
        aws_request_id="benchmark",
    )
    calls.clear()
    began = time.perf_counter()
    for start in range(0, len(records), BATCH):
        with redirect_stdout(StringIO()):  # the function's metrics
            answer = handle({"Records": records[start : start + BATCH]}, context)
        assert not answer["batchItemFailures"]
    return Counter(calls), time.perf_counter() - began


def _print(calls: Mapping[str, int]) -> None:
    for service in ("DynamoDB", "S3"):
        mine = {name: count for name, count in calls.items() if name.startswith(service)}
        operations = ", ".join(f"{count} {name.partition(' ')[2]}" for name, count in sorted(mine.items()))
        print(f"  {sum(mine.values()):6} {service} requests: {operations}; {_usd(mine):.4f} USD")


def _usd(calls: Mapping[str, int]) -> float:
    """At most: every put counted as one of an image, every batch as one of two strongly consistent reads."""
    units = {"DynamoDB PutItem": WRITES_OF_A_PUT, "DynamoDB BatchGetItem": READS_OF_A_BATCH}
    return sum(count * units.get(name, 1) * USD.get(name, 0.0) for name, count in calls.items())


def _counter(calls: Counter[str]) -> Any:
    def count(model: Any, **_: Any) -> None:
        calls[f"{model.service_model.service_id} {model.name}"] += 1

    return count


def _resources() -> None:
    boto3.setup_default_session(region_name=REGION)
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="data")
    s3.put_bucket_versioning(Bucket="data", VersioningConfiguration={"Status": "Enabled"})
    dynamodb: Any = boto3.client("dynamodb")
    text = [{"AttributeName": name, "AttributeType": "S"} for name in ("id", "status", "changed_at")]
    dynamodb.create_table(
        TableName="catalogue",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=text,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_status",
                "KeySchema": [
                    {"AttributeName": "status", "KeyType": "HASH"},
                    {"AttributeName": "changed_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    dynamodb.create_table(
        TableName="loop",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("kind", "id")],
        KeySchema=[
            {"AttributeName": "kind", "KeyType": "HASH"},
            {"AttributeName": "id", "KeyType": "RANGE"},
        ],
    )
    boto3.client("ssm").put_parameter(Name="tuning", Type="String", Value='{"min_new_images": 100000}')


def _uploaded() -> Iterator[dict[str, Any]]:
    """The events of images."""
    for name, body in files_of(IMAGES):
        yield _event(f"incoming/labeled/part/{name}", body)


def _manifest(folder: str) -> dict[str, Any]:
    """The event of a manifest of boxes, on the images that are there or on others."""
    names = (name for name, _ in files_of(IMAGES))
    prefix = "incoming/labeled/part/" if folder == "known" else "incoming/annotations/set/"
    boxes = (Box("bolt", 10, 20, 30, 40), Box("nut", 50, 60, 70, 80))
    lines = [
        entry_line(
            detection_entry(
                "data", prefix + name, width=640, height=480, boxes=boxes, changed_at="2026-11-28T10:00:00"
            )
        )
        for name in names
    ]
    return _event(f"incoming/annotations/{folder}.manifest", "\n".join(lines).encode())


def _event(key: str, body: bytes) -> dict[str, Any]:
    version = boto3.client("s3").put_object(Bucket="data", Key=key, Body=body)["VersionId"]
    created = {"key": key, "size": len(body), "version-id": version, "sequencer": f"{next(_SEQUENCE):016X}"}
    return {
        "messageId": str(uuid.uuid4()),
        "eventSource": "aws:sqs",
        "body": json.dumps({"detail": {"bucket": {"name": "data"}, "object": created}}),
    }
