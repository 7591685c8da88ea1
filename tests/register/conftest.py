"""A versioned data bucket and the catalogue table, as the stack makes them, in moto."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws
from moto.moto_api._internal.models import moto_api_backend

from lambdas.domain import arrivals, catalogue, registration
from lambdas.domain.arrivals import Arrival, Outcome
from lambdas.domain.catalogue import CatalogueImage
from tests.calls import one_call_at_a_time
from tests.register.pictures import picture

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import DynamoDBServiceResource, Table
    from mypy_boto3_s3 import S3Client

__all__ = ["one_call_at_a_time"]

BUCKET = "labelloop-data"
TABLE = "catalogue"


@dataclass
class Drop:
    """The data bucket, as people use it, and register's handling of what they drop."""

    s3: S3Client
    table: Table
    sequence: int = 0

    def put(self, key: str, body: bytes) -> Arrival:
        """Upload; what the event would say."""
        version = self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)["VersionId"]
        self.sequence += 1
        return Arrival(BUCKET, key, version, len(body), f"{self.sequence:016X}")

    def register(self, arrival: Arrival) -> Outcome:
        outcome = registration.register_object(self.s3, self.table, arrival)
        arrivals.forget(self.s3, [outcome])
        return outcome

    def drop(self, key: str, body: bytes | None = None) -> Outcome:
        return self.register(self.put(key, picture() if body is None else body))

    def drop_manifest(self, key: str, *lines: object) -> Outcome:
        text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
        return self.drop(f"incoming/annotations/{key}", text.encode())

    def keys(self, prefix: str = "") -> list[str]:
        """Keys of every version of every object."""
        found = self.s3.list_object_versions(Bucket=BUCKET, Prefix=prefix)
        return sorted(version["Key"] for version in found.get("Versions", []))

    def read(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def reason(self, key: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.read(f"rejected/{key}.reason.json"))
        return document

    def image(self, sha256: str) -> CatalogueImage:
        image = catalogue.get_image(self.table, sha256)
        assert image is not None
        return image

    def images(self) -> list[CatalogueImage]:
        items = self.table.scan(ConsistentRead=True)["Items"]
        return [self.image(str(item["sha256"])) for item in items if str(item["id"]).startswith("image#")]


@pytest.fixture(scope="module")
def clients() -> Iterator[tuple[S3Client, DynamoDBServiceResource]]:
    with pytest.MonkeyPatch.context() as environment, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "testing")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield boto3.client("s3"), boto3.resource("dynamodb")


@pytest.fixture
def drop(clients: tuple[S3Client, DynamoDBServiceResource]) -> Drop:
    s3, dynamodb = clients
    moto_api_backend.reset()
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return Drop(s3, _create_catalogue(dynamodb))


def _create_catalogue(dynamodb: DynamoDBServiceResource) -> Table:
    indexes = {"by_status": ("status", "changed_at"), "by_status_and_id": ("status", "id")}
    return dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("id", "status", "changed_at")
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": index,
                "KeySchema": [
                    {"AttributeName": partition, "KeyType": "HASH"},
                    {"AttributeName": sort, "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
            for index, (partition, sort) in indexes.items()
        ],
        BillingMode="PAY_PER_REQUEST",
    )
