"""The tables in moto are as strict as DynamoDB about what an index holds."""

from __future__ import annotations

from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from lambdas.domain.catalogue import snapshot_rows
from tests.fixtures.incoming import DataBucket
from tests.fixtures.tables import definition

ITEM = {"id": "image#1", "status": "conflict", "changed_at": "2026", "key": "images/1.jpg", "width": 7}


def query(data_bucket: DataBucket, **more: Any) -> list[dict[str, Any]]:
    condition = Key("status").eq("conflict")
    return data_bucket.table.query(IndexName="by_status", KeyConditionExpression=condition, **more)["Items"]


def test_the_definitions_are_those_of_the_template() -> None:
    indexes = {index["IndexName"]: index for index in definition("catalogue")["GlobalSecondaryIndexes"]}
    assert indexes[snapshot_rows.INDEX]["Projection"] == {
        "ProjectionType": "INCLUDE",
        "NonKeyAttributes": [snapshot_rows.ATTRIBUTE],
    }
    assert [key["AttributeName"] for key in definition("loop")["KeySchema"]] == ["kind", "id"]
    assert [key["AttributeName"] for key in definition("reviews")["KeySchema"]] == ["id", "part"]


def test_an_index_answers_with_what_it_holds(data_bucket: DataBucket) -> None:
    data_bucket.table.put_item(Item=ITEM)
    assert query(data_bucket) == [{name: value for name, value in ITEM.items() if name != "width"}]
    assert query(data_bucket, FilterExpression=Attr("width").exists()) == []


def test_an_index_refuses_to_be_asked_for_what_it_does_not_hold(data_bucket: DataBucket) -> None:
    data_bucket.table.put_item(Item=ITEM)
    with pytest.raises(ClientError, match="does not project") as refused:
        query(data_bucket, ProjectionExpression="id, width")
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    names = {"#key": "key"}
    assert query(data_bucket, ProjectionExpression="#key", ExpressionAttributeNames=names) == [
        {"key": ITEM["key"]}
    ]
