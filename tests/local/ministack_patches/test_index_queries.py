"""MiniStack's index queries, put right: the same answers as its own, page for page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.ministack_patches import index_queries

pytest.importorskip("ministack")

MENDED = (
    "_query",
    "_index_members",
    "_index_item",
    "_evaluate_condition",
    "_paginate_evaluated_items",
    "load_persisted_state",
)
STATUSES = ("labelled", "unlabelled")
Query = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """MiniStack's DynamoDB in this process, as it comes, with an empty table."""
    from ministack.services import dynamodb as module

    for name in MENDED:
        monkeypatch.setattr(module, name, getattr(module, name))
    # Pages of a few items.
    monkeypatch.setattr(module, "_DDB_PAGE_SIZE_BYTES", 300)
    monkeypatch.setattr(index_queries, "FIRST_SLICE", 2)
    module.reset()
    names = ("id", "status", "changed_at")
    answer(
        module._create_table(
            {
                "TableName": "catalogue",
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in names],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "GlobalSecondaryIndexes": [
                    {
                        "IndexName": index,
                        "KeySchema": [
                            {"AttributeName": "status", "KeyType": "HASH"},
                            {"AttributeName": sort, "KeyType": "RANGE"},
                        ],
                        "Projection": {"ProjectionType": "KEYS_ONLY"},
                    }
                    for index, sort in (("by_status", "changed_at"), ("by_status_and_id", "id"))
                ],
            }
        )
    )
    yield module
    module.reset()


def answer(response: tuple[int, dict[str, str], Any]) -> dict[str, Any]:
    status, _, body = response
    assert status == 200, body
    document: dict[str, Any] = json.loads(body)
    return document


def put(dynamodb: Any, id: int, status: str, changed_at: int) -> None:
    item = {"id": f"{id:03d}", "status": status, "changed_at": f"{changed_at:03d}", "more": "x" * 9}
    answer(dynamodb._put_item({"TableName": "catalogue", "Item": {k: {"S": v} for k, v in item.items()}}))


def pages(dynamodb: Any, request: dict[str, Any]) -> list[dict[str, Any]]:
    listed = []
    while True:
        page = answer(dynamodb._query(request))
        listed.append(page)
        if "LastEvaluatedKey" not in page:
            return listed
        request = {**request, "ExclusiveStartKey": page["LastEvaluatedKey"]}


CONDITIONS = (
    "#s = :s",
    "(#s = :s AND #c > :a)",
    "#s = :s AND #c >= :a",
    "#s = :s AND #c < :a",
    "#s = :s AND #c <= :a",
    "#s = :s AND #c = :a",
    "#s = :s AND #c BETWEEN :a AND :b",
    "begins_with(#c, :a) AND #s = :s",
)
ITEMS = st.lists(st.tuples(st.integers(0, 30), st.sampled_from(STATUSES), st.integers(0, 8)), max_size=40)


@pytest.mark.long
@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=ITEMS,
    after=ITEMS,
    deleted=st.lists(st.integers(0, 30), max_size=10),
    condition=st.sampled_from(CONDITIONS),
    bounds=st.tuples(st.integers(0, 8), st.integers(0, 8)).map(sorted),
    limit=st.sampled_from([None, 1, 3, 100]),
    forward=st.booleans(),
    select=st.sampled_from(["ALL_PROJECTED_ATTRIBUTES", "COUNT"]),
)
def test_every_page_is_ministack_s_own(
    dynamodb: Any,
    *,
    before: list[tuple[int, str, int]],
    after: list[tuple[int, str, int]],
    deleted: list[int],
    condition: str,
    bounds: list[int],
    limit: int | None,
    forward: bool,
    select: str,
) -> None:
    """Whatever is written between two queries; the first one makes the order that the second one uses."""
    originals = {name: getattr(dynamodb, name) for name in MENDED}
    dynamodb._tables["catalogue"]["items"].clear()
    dynamodb._items_replaced(dynamodb._tables["catalogue"])
    values = {":s": "labelled"}
    values |= {
        name: f"{bound:03d}" for name, bound in zip((":a", ":b"), bounds, strict=True) if name in condition
    }
    request: dict[str, Any] = {
        "TableName": "catalogue",
        "IndexName": "by_status",
        "KeyConditionExpression": condition,
        "ExpressionAttributeNames": {"#s": "status"} | ({"#c": "changed_at"} if "#c" in condition else {}),
        "ExpressionAttributeValues": {name: {"S": value} for name, value in values.items()},
        "ScanIndexForward": forward,
        "Select": select,
    }
    if limit is not None:
        request["Limit"] = limit
    by_id = request | {
        "IndexName": "by_status_and_id",
        "KeyConditionExpression": "#s = :s",
        "ExpressionAttributeNames": {"#s": "status"},
        "ExpressionAttributeValues": {":s": {"S": "labelled"}},
    }
    index_queries.apply_patch()
    try:
        for image in before:
            put(dynamodb, *image)
        pages(dynamodb, request)
        pages(dynamodb, by_id)
        for image in after:
            put(dynamodb, *image)
        for id in deleted:
            answer(dynamodb._delete_item({"TableName": "catalogue", "Key": {"id": {"S": f"{id:03d}"}}}))
        patched = [pages(dynamodb, request), pages(dynamodb, by_id)]
    finally:
        for name, original in originals.items():
            setattr(dynamodb, name, original)
    assert patched == [pages(dynamodb, request), pages(dynamodb, by_id)]


def evaluations(dynamodb: Any, monkeypatch: pytest.MonkeyPatch, query: dict[str, Any]) -> int:
    """How many items MiniStack evaluates the condition for, to make the first page of two of 99 items."""
    for id in range(200):
        put(dynamodb, id, "labelled", id)
    evaluate = Mock(side_effect=dynamodb._evaluate_condition)
    monkeypatch.setattr(dynamodb, "_evaluate_condition", evaluate)
    assert len(answer(dynamodb._query(query | {"Limit": 2}))["Items"]) == 2
    return evaluate.call_count


BEHIND_100 = {
    "TableName": "catalogue",
    "IndexName": "by_status",
    "KeyConditionExpression": "#s = :s AND changed_at > :a",
    "ExpressionAttributeNames": {"#s": "status"},
    "ExpressionAttributeValues": {":s": {"S": "labelled"}, ":a": {"S": "100"}},
}


def test_the_patch_is_needed(dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert evaluations(dynamodb, monkeypatch, BEHIND_100) >= 99


def test_a_page_looks_at_few_items(dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    index_queries.apply_patch()
    assert evaluations(dynamodb, monkeypatch, BEHIND_100) == 2
    assert sum(len(page["Items"]) for page in pages(dynamodb, BEHIND_100)) == 99


def test_what_is_loaded_is_sorted_before_it_is_asked_for(
    dynamodb: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_queries, "LARGE", 150)
    for id in range(200):
        put(dynamodb, id, STATUSES[id % 5 == 0], id)
    state = dynamodb.get_state()
    dynamodb.reset()
    index_queries.apply_patch()
    dynamodb.load_persisted_state(state)
    value = Mock(side_effect=dynamodb._index_order_value)
    monkeypatch.setattr(dynamodb, "_index_order_value", value)
    put(dynamodb, 200, "labelled", 200)
    page = answer(dynamodb._query(BEHIND_100 | {"Limit": 2, "ScanIndexForward": False}))
    assert [item["id"]["S"] for item in page["Items"]] == ["200", "199"]
    # Of the page, and of the item that was written, for each of two indexes; not of 161 items.
    assert value.call_count < 50


@pytest.mark.parametrize(
    "changes", [{"IndexName": "no_such_index"}, {"Limit": 0}, {"KeyConditionExpression": "changed_at > :s"}]
)
def test_what_is_refused_is_refused_as_before(dynamodb: Any, changes: dict[str, Any]) -> None:
    request = {
        "TableName": "catalogue",
        "IndexName": "by_status",
        "KeyConditionExpression": "#s = :s",
        "ExpressionAttributeNames": {"#s": "status"},
        "ExpressionAttributeValues": {":s": {"S": "labelled"}},
        **changes,
    }
    expected = dynamodb._query(request)
    assert expected[0] == 400
    index_queries.apply_patch()
    assert dynamodb._query(request) == expected
