"""DynamoDB as the domain uses it: pages of queries, batches, conditions, and numbers as decimals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import ConditionBase
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


def query_pages(table: Table, query: dict[str, Any]) -> Iterator[Any]:
    while True:
        page = table.query(**query)
        yield page
        if "LastEvaluatedKey" not in page:
            return
        query = {**query, "ExclusiveStartKey": page["LastEvaluatedKey"]}


def get_item(table: Table, id: str) -> dict[str, Any] | None:
    return table.get_item(Key={"id": id}, ConsistentRead=True).get("Item")


def put_if(table: Table, item: dict[str, Any], condition: ConditionBase | None) -> bool:
    """Write the item if the condition holds, or at once if there is none: whether it was written."""
    conditional: Any = {} if condition is None else {"ConditionExpression": condition}
    try:
        table.put_item(Item=item, **conditional)
    except ClientError as error:
        if not is_condition_failure(error):
            raise
        return False
    return True


def delete_if(table: Table, key: dict[str, str], condition: ConditionBase) -> bool:
    """Delete the item if the condition holds: whether it did."""
    try:
        table.delete_item(Key=key, ConditionExpression=condition)
    except ClientError as error:
        if not is_condition_failure(error):
            raise
        return False
    return True


def is_condition_failure(error: ClientError) -> bool:
    return error.response["Error"]["Code"] == "ConditionalCheckFailedException"


def to_item(value: Any) -> Any:
    """DynamoDB holds decimals, not floats."""
    return json.loads(json.dumps(value), parse_float=Decimal)


def from_item(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: from_item(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [from_item(inner) for inner in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def batch_get(table: Table, keys: list[dict[str, str]]) -> Iterator[dict[str, Any]]:
    """What DynamoDB leaves out of an answer is asked for again."""
    asked: Any = {table.name: {"Keys": keys, "ConsistentRead": True}}
    while asked:
        found = table.meta.client.batch_get_item(RequestItems=asked)
        yield from found["Responses"].get(table.name, [])
        asked = found.get("UnprocessedKeys")
