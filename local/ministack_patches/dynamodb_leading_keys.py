"""IAM's condition key dynamodb:LeadingKeys.

AWS: holds the partition keys that a request names; of a transaction, each item's own.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
MiniStack: does not know the key, and ForAllValues holds for a key that is absent: every item may be written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_KEY = "dynamodb:LeadingKeys"
_MEMBERS = ("ConditionCheck", "Put", "Update", "Delete", "Get")
_EQUALS = re.compile(r"([#\w.-]+)\s*=\s*(:\w+)")


class _ItemAction(str):
    """The action that an item of a transaction is, with the item's partition key."""

    __slots__ = ("leading_keys",)
    leading_keys: list[str]


def apply_patch() -> None:
    """Patch MiniStack in this process; to be called before the first request."""
    from ministack.core import iam_actions, iam_evaluator  # noqa: PLC0415 reads the environment at import

    of_request = iam_actions.dynamodb_service_context
    of_transaction = iam_actions.dynamodb_transaction_checks
    enforce = iam_evaluator.enforce

    def service_context(body: bytes) -> dict[str, Any]:
        keys = list(_leading_keys(_document(body)))
        return of_request(body) | ({_KEY: keys} if keys else {})

    def transaction_checks(*request: Any) -> list[tuple[str, str]]:
        checks = of_transaction(*request)
        items = list(_actions(_document(request[1])))
        # One check for each action; where MiniStack counts otherwise, none of them may pass by its key.
        keys = (
            [list(_leading_keys(item)) for item in items]
            if len(items) == len(checks)
            else [[""]] * len(checks)
        )
        return [(_with_keys(action, own), arn) for (action, arn), own in zip(checks, keys, strict=True)]

    def enforced(access_key_id: str, iam_action: str, *request: Any, **named: Any) -> Any:
        if isinstance(iam_action, _ItemAction):
            named["service_context"] = {**(named.get("service_context") or {}), _KEY: iam_action.leading_keys}
        return enforce(access_key_id, iam_action, *request, **named)

    iam_actions.dynamodb_service_context = service_context
    iam_actions.dynamodb_transaction_checks = transaction_checks
    iam_evaluator.enforce = enforced


def _with_keys(action: str, keys: list[str]) -> _ItemAction:
    made = _ItemAction(action)
    made.leading_keys = keys
    return made


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _actions(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The actions of a transaction."""
    for item in document.get("TransactItems") or ():
        for member in _MEMBERS:
            if isinstance(item, dict) and isinstance(item.get(member), dict):
                yield item[member]


def _leading_keys(document: Mapping[str, Any]) -> Iterator[str]:
    """The partition keys that a request, or an action of a transaction, names."""
    for table, requests in (document.get("RequestItems") or {}).items():
        yield from _of_batch(table, requests)
    name = _partition_key(document.get("TableName"), document.get("IndexName"))
    for item in (document.get("Item"), document.get("Key")):
        yield from _values(name, [item])
    yield from _of_query(name, document)


def _of_batch(table: str, requests: Any) -> Iterator[str]:
    name = _partition_key(table, None)
    if isinstance(requests, dict):
        yield from _values(name, requests.get("Keys") or ())
        return
    for request in requests:
        yield from _values(name, [request.get("PutRequest", {}).get("Item")])
        yield from _values(name, [request.get("DeleteRequest", {}).get("Key")])


def _of_query(name: str | None, document: Mapping[str, Any]) -> Iterator[str]:
    placeholders = document.get("ExpressionAttributeNames") or {}
    values = document.get("ExpressionAttributeValues") or {}
    for attribute, value in _EQUALS.findall(document.get("KeyConditionExpression") or ""):
        if placeholders.get(attribute, attribute) == name:
            yield from _values(value, [values])


def _values(name: str | None, items: Iterable[Any]) -> Iterator[str]:
    """The attribute's value in each of the items that has it."""
    for item in items:
        if isinstance(item, dict) and isinstance(value := item.get(name), dict):
            yield from map(str, value.values())


def _partition_key(table: Any, index: Any) -> str | None:
    """The name of the partition key of a table, or of one of its indexes."""
    from ministack.services import dynamodb  # noqa: PLC0415 as above

    described = dynamodb._tables.get(dynamodb._normalize_table_name(table)) if table else None
    if not described:
        return None
    for described_index in described.get("GlobalSecondaryIndexes", []):
        if described_index["IndexName"] == index:
            return next(
                key["AttributeName"] for key in described_index["KeySchema"] if key["KeyType"] == "HASH"
            )
    return str(described["pk_name"])
