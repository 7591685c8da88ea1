"""DynamoDB as the domain uses it: pages of queries, batches, conditions, and numbers as decimals."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import ConditionBase
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

BATCH_ATTEMPTS = 8
"""Requests for the same keys, over about 13 seconds, before they are given up."""
TRANSACTION_ATTEMPTS = 8
"""Of a transaction that meets others."""
UNMET = "ConditionalCheckFailed"
"""Why a transaction was cancelled one of whose conditions does not hold."""
PASSING = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
"""Reasons why a transaction was cancelled that go away.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"""
_GONE_WHEN_READ_AGAIN = PASSING | {UNMET}


class UnansweredError(RuntimeError):
    """DynamoDB has not answered for some keys of a batch."""


def query_pages(table: Table, query: dict[str, Any]) -> Iterator[Any]:
    """Every page of a query, one request after the other."""
    while True:
        page = table.query(**query)
        yield page
        if "LastEvaluatedKey" not in page:
            return
        query = {**query, "ExclusiveStartKey": page["LastEvaluatedKey"]}


def get_item(table: Table, id: str) -> dict[str, Any] | None:
    """The item with this id as it is now; None if there is none."""
    return table.get_item(Key={"id": id}, ConsistentRead=True).get("Item")


def put_if(table: Table, item: dict[str, Any], condition: ConditionBase | None) -> bool:
    """Write the item if the condition holds, or without one: whether it was written."""
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
    """Whether a write was not done because its condition did not hold."""
    return error.response["Error"]["Code"] == "ConditionalCheckFailedException"


def cancellation_reasons(error: ClientError) -> list[str]:
    """Why a transaction was cancelled, action by action; `None` of those that were not to blame.

    Raises:
        ClientError: it was not cancelled, but refused.
    """
    if error.response["Error"]["Code"] != "TransactionCanceledException":
        raise error
    return [str(reason.get("Code", "None")) for reason in error.response.get("CancellationReasons", [])]


def write_all(table: Table, parts: list[Any]) -> list[str]:
    """Write all parts of a transaction, of whichever tables: why nothing was written, part by part, or
    nothing. After reading all of it again it may be written.

    Raises:
        ClientError: it will not be written later either.
    """
    try:
        table.meta.client.transact_write_items(TransactItems=parts)
    except ClientError as error:
        reasons = cancellation_reasons(error) or [UNMET]
        if not set(reasons) & _GONE_WHEN_READ_AGAIN:
            raise
        return reasons
    return []


def wait_after(attempt: int) -> None:
    """Wait before a transaction is tried again, longer each time, so that two do not meet again.

    Args:
        attempt: 0 after the first one.
    """
    time.sleep(random.uniform(0.01, 0.05) * 2 ** min(attempt, 5))  # noqa: S311 not for secrets


def to_item(value: Any) -> Any:
    """The value as DynamoDB takes it, with decimals for floats."""
    return json.loads(json.dumps(value), parse_float=Decimal)


def from_item(value: Any) -> Any:
    """The value as Python has it, with ints and floats for decimals."""
    if isinstance(value, dict):
        return {key: from_item(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [from_item(inner) for inner in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def batch_get(table: Table, keys: list[dict[str, str]], **projection: Any) -> Iterator[dict[str, Any]]:
    """The items of these keys; what DynamoDB leaves out of an answer is requested again, ever later.

    Args:
        projection: ProjectionExpression and ExpressionAttributeNames, for some attributes alone.

    Raises:
        UnansweredError: keys were left out of every answer.
    """
    request: Any = {table.name: {"Keys": keys, "ConsistentRead": True, **projection}}
    for attempt in range(BATCH_ATTEMPTS):
        if attempt:
            # https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
            time.sleep(0.025 * 2**attempt)
        answer = table.meta.client.batch_get_item(RequestItems=request)
        yield from answer["Responses"].get(table.name, [])
        request = answer.get("UnprocessedKeys")
        if not request:
            return
    raise UnansweredError(
        f"DynamoDB left keys of {table.name} out of {BATCH_ATTEMPTS} answers: it is throttled"
    )
