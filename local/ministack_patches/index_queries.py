"""Queries of DynamoDB's indexes in time that does not grow with the table.

AWS: a query reads the items that meet its key condition, in order, up to 1 MB a page.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html
MiniStack: sorts a whole index partition, and parses and evaluates the key condition for every item of it, for
each page: 250,000 items take minutes a query.

Here each partition that was queried is kept sorted, and MiniStack is shown only the part of it that the page
can come from, which meets the condition already; it still checks the request, and makes the answer. Large
partitions are sorted when the state of the last run is loaded: the first to ask would wait for it.
"""

from __future__ import annotations

import bisect
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

Key = tuple[Any, Any]
Entry = tuple[tuple[Any, ...], Key]
"""What an index orders an item by, and the item's key."""

FIRST_SLICE = 2048
"""Items to make a page of; four times as many, and again, if a page holds more."""
LARGE = 5000
"""Items of a partition that is sorted before it is asked for: fewer are sorted in some 10 ms."""


class _Members(dict[str, Any]):
    """MiniStack's members of each index, and beside them those that are sorted by now."""

    def __init__(self, members: dict[str, Any]) -> None:
        super().__init__(members)
        self.ordered: dict[tuple[str, Any], list[Entry]] = {}


@dataclass
class _Page(threading.local):
    """The query that is being answered."""

    shown: dict[str, Any] | None = None
    more: bool = True
    checked: bool = False
    """Whether the condition was checked, and everything shown meets it."""


def apply_patch() -> None:
    """Patch MiniStack in this process; to be called before the first request."""
    from ministack.services import dynamodb  # noqa: PLC0415 reads the environment when first imported

    _Patch(dynamodb)


class _Patch:
    """MiniStack's functions, each replaced by the method of its name."""

    def __init__(self, dynamodb: Any) -> None:
        self._dynamodb = dynamodb
        self._page = _Page()
        self._originals = {
            name: getattr(dynamodb, name)
            for name in (
                "_query",
                "_index_members",
                "_index_item",
                "_evaluate_condition",
                "_paginate_evaluated_items",
                "load_persisted_state",
            )
        }
        dynamodb._query = self.query
        dynamodb._index_members = self.index_members
        dynamodb._index_item = self.index_item
        dynamodb._evaluate_condition = self.evaluate_condition
        dynamodb._paginate_evaluated_items = self.paginate_evaluated_items
        dynamodb.load_persisted_state = self.load_persisted_state

    def load_persisted_state(self, data: dict[str, Any]) -> None:
        """Requests are answered once this has returned, so that nothing is written while it sorts."""
        self._originals["load_persisted_state"](data)
        for table in self._dynamodb._tables.all_values():
            for index, partitions in self._members(table).items():
                for partition, keys in partitions.items():
                    if len(keys) >= LARGE:
                        self._ordered(table, self._dynamodb._index_def(table, index), partition)

    def query(self, data: dict[str, Any]) -> Any:
        candidates = self._candidates(data)
        if candidates is None:
            return self._originals["_query"](data)
        partition, entries = candidates
        size = int(data.get("Limit") or FIRST_SLICE)
        forward = data.get("ScanIndexForward", True)
        try:
            while True:
                part = entries[:size] if forward else entries[max(0, len(entries) - size) :]
                self._page.shown = {data["IndexName"]: {partition: [key for _, key in part]}}
                self._page.more, self._page.checked = True, False
                answer = self._originals["_query"](data)
                if self._page.more or size >= len(entries):
                    return answer
                size *= 4
        finally:
            self._page.shown = None

    def index_members(self, table: dict[str, Any]) -> dict[str, Any]:
        return self._page.shown if self._page.shown is not None else self._members(table)

    def index_item(self, table: dict[str, Any], base_pk: Any, base_sk: Any, item: Any, add: bool) -> None:
        self._originals["_index_item"](table, base_pk, base_sk, item, add)
        members = table.get(self._dynamodb._INDEX_MEMBERS)
        if not isinstance(members, _Members):
            return
        for index, hashes, ranges in self._dynamodb._index_key_schemas(table):
            partition = self._dynamodb._index_partition(item, hashes, ranges)
            entries = members.ordered.get((index, partition))
            if entries is None:
                continue
            entry = (self._order(table, ranges)(item), (base_pk, base_sk))
            place = bisect.bisect_left(entries, entry[0], key=_order_of)
            if add:
                entries.insert(place, entry)
            elif place < len(entries) and entries[place][0] == entry[0]:
                del entries[place]

    def evaluate_condition(
        self, expression: Any, item: Any, values: Any, names: Any, slot: str = "ConditionExpression"
    ) -> Any:
        if slot != "KeyConditionExpression" or self._page.shown is None:
            return self._originals["_evaluate_condition"](expression, item, values, names, slot)
        if not self._page.checked:
            met = self._originals["_evaluate_condition"](expression, item, values, names, slot)
            # What comes after a prefix need not begin with it.
            self._page.checked = bool(met) and "begins_with" not in expression.lower()
            return met
        return True

    def paginate_evaluated_items(self, *given: Any, **named: Any) -> Any:
        page, self._page.more = self._originals["_paginate_evaluated_items"](*given, **named)
        return page, self._page.more

    def _members(self, table: dict[str, Any]) -> _Members:
        members = table.get(self._dynamodb._INDEX_MEMBERS)
        if not isinstance(members, _Members):
            members = table[self._dynamodb._INDEX_MEMBERS] = _Members(members or self._made(table))
        return members

    def _made(self, table: dict[str, Any]) -> dict[str, Any]:
        """The members of each index, as MiniStack makes them, in a third of the time."""
        value = self._dynamodb._extract_key_val
        made: dict[str, Any] = {}
        for index, hashes, ranges in self._dynamodb._index_key_schemas(table):
            if len(hashes) != 1:
                return dict(self._originals["_index_members"](table))
            partitions: dict[Any, dict[Key, None]] = {}
            name, others = hashes[0], frozenset(ranges)
            for pk, items in table["items"].items():
                for sk, item in items.items():
                    if name in item and others <= item.keys():
                        partitions.setdefault(value(item[name]), {})[pk, sk] = None
            made[index] = partitions
        return made

    def _candidates(self, data: dict[str, Any]) -> tuple[Any, list[Entry]] | None:
        """The partition, and its entries from where the page begins to where the condition ends; None if
        MiniStack has to find out by itself."""
        dynamodb = self._dynamodb
        table = dynamodb._tables.get(dynamodb._normalize_table_name(data.get("TableName")))
        index = dynamodb._index_def(table, data.get("IndexName")) if table and data.get("IndexName") else None
        condition = data.get("KeyConditionExpression")
        if index is None or not condition or data.get("Limit", 1) in (0, None):
            return None
        hashes, ranges = dynamodb._index_key_lists(index)
        if len(hashes) != 1 or len(ranges) > 1:
            return None
        values, names = (
            data.get("ExpressionAttributeValues") or {},
            data.get("ExpressionAttributeNames") or {},
        )
        partition = dynamodb._extract_pk_from_condition(condition, values, names, hashes[0])
        if partition is None:
            return None
        entries = self._ordered(table, index, partition)
        bounds = self._bounds(data, table, entries, ranges)
        if bounds is None:
            return None
        low, high = bounds
        if start := data.get("ExclusiveStartKey"):
            cursor = self._order(table, ranges)(start)
            if data.get("ScanIndexForward", True):
                low = max(low, bisect.bisect_right(entries, cursor, key=_order_of))
            else:
                high = min(high, bisect.bisect_left(entries, cursor, key=_order_of))
        return partition, entries[low:high]

    def _ordered(self, table: dict[str, Any], index: dict[str, Any], partition: Any) -> list[Entry]:
        members = self._members(table)
        name = index["IndexName"]
        entries = members.ordered.get((name, partition))
        if entries is None:
            _, ranges = self._dynamodb._index_key_lists(index)
            items = table["items"]
            keys = [
                key for key in members.get(name, {}).get(partition, ()) if key[1] in items.get(key[0], ())
            ]
            order = self._order(table, ranges)
            entries = [(order(items[pk][sk]), (pk, sk)) for pk, sk in keys]
            entries.sort(key=_order_of)
            members.ordered[name, partition] = entries
        return entries

    def _order(self, table: dict[str, Any], ranges: list[str]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
        """What an index orders an item by: a function, as what it needs of the table is the same for all."""
        keys, value = self._dynamodb._index_order_keys(table, ranges), self._dynamodb._index_order_value
        names = [name for name, _ in keys]
        are_texts = all(kind == "S" for _, kind in keys)

        def order(item: dict[str, Any]) -> tuple[Any, ...]:
            if are_texts:
                with suppress(KeyError):
                    return tuple([item[name]["S"] for name in names])
            return tuple([value(item, name, kind) for name, kind in keys])

        return order

    def _bounds(
        self, data: dict[str, Any], table: dict[str, Any], entries: list[Entry], ranges: list[str]
    ) -> tuple[int, int] | None:
        """Where what the sort key's condition asks for begins and ends; None if that cannot be told."""
        condition, values = data["KeyConditionExpression"], data.get("ExpressionAttributeValues") or {}
        names = data.get("ExpressionAttributeNames") or {}
        references = [name for name in ranges if re.search(rf"\b{re.escape(name)}\b", condition)]
        references += [alias for alias, name in names.items() if name in ranges]
        if not references:
            return 0, len(entries)
        asked = _asked(condition, references[0])
        if asked is None or any(value not in values for value in asked[1:]):
            return None
        kind = self._dynamodb._get_attr_type(table, ranges[0])
        bounds = [self._dynamodb._sort_key_value(values[value], kind) for value in asked[1:]]
        return _interval(entries, asked[0], bounds)


def _asked(condition: str, reference: str) -> list[str] | None:
    """The operator and the names of the values in a sort key's condition; None if there is none."""
    name = re.escape(reference)
    for pattern in (
        rf"(?<![\w#]){name}\s*(<=|>=|=|<|>)\s*(:\w+)",
        rf"(?<![\w#]){name}\s+(BETWEEN)\s+(:\w+)\s+AND\s+(:\w+)",
        rf"(begins_with)\s*\(\s*{name}\s*,\s*(:\w+)\s*\)",
    ):
        if match := re.search(pattern, condition, re.IGNORECASE):
            return [match[1].lower(), *match.groups()[1:]]
    return None


def _interval(entries: list[Entry], operator: str, bounds: list[Any]) -> tuple[int, int] | None:
    first = bisect.bisect_left(entries, bounds[0], key=_sort_of)
    behind = bisect.bisect_right(entries, bounds[-1], key=_sort_of)
    if operator == "begins_with":
        # No entry that begins so comes before the text itself; MiniStack drops those that do not.
        return first, len(entries)
    return {
        "=": (first, behind),
        "between": (first, behind),
        ">=": (first, len(entries)),
        ">": (behind, len(entries)),
        "<": (0, first),
        "<=": (0, behind),
    }.get(operator)


def _order_of(entry: Entry) -> tuple[Any, ...]:
    return entry[0]


def _sort_of(entry: Entry) -> Any:
    return entry[0][0]
