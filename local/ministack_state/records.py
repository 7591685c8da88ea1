"""Services whose state grows with what is done: kept record by record, and only what has changed is written.

The rest of such a service's state is small and written as a whole.
"""

from __future__ import annotations

import itertools
import json
import operator
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from local.ministack_state.database import SERVICE, Change, Database

CUT_OFF = "The embedded stack was killed while the execution was running"
"""The cause of an execution that its stack's death has ended."""
_SEPARATOR = "\0"


class Records(Protocol):
    def changes(self, *, everything: bool = False) -> Iterator[Change]:
        """What has changed; with `everything`, also where nothing told of it."""

    def rest(self) -> dict[str, Any]:
        """The state without the records."""

    def restore(self, state: dict[str, Any], database: Database) -> None:
        """Put the records back into the state."""


class Items:
    """Items of DynamoDB's tables; MiniStack's functions that write one are replaced by the methods here."""

    STORES = (
        "tags",
        "ttl_settings",
        "pitr_settings",
        "kinesis_destinations",
        "contributor_insights",
        "backups",
        "resource_policies",
        "exports",
        "imports",
    )
    """All that MiniStack saves of DynamoDB beside the tables."""
    _COUNTS = ("ItemCount", "TableSizeBytes")

    def __init__(self) -> None:
        from ministack.services import dynamodb  # noqa: PLC0415 reads the environment when first imported

        self._dynamodb: Any = dynamodb
        self._changed: deque[tuple[str, Any, Any]] = deque()
        self._tables: set[str] = set()
        self._set, self._remove = dynamodb._set_item, dynamodb._remove_item
        self._replaced = dynamodb._items_replaced
        dynamodb._set_item = self.set_item
        dynamodb._remove_item = self.remove_item
        dynamodb._items_replaced = self.items_replaced

    def set_item(self, table: dict[str, Any], partition: Any, sort: Any, item: Any) -> Any:
        old = self._set(table, partition, sort, item)
        self._changed.append((table["TableArn"], (partition, sort), item))
        return old

    def remove_item(self, table: dict[str, Any], partition: Any, sort: Any) -> Any:
        old = self._remove(table, partition, sort)
        self._changed.append((table["TableArn"], (partition, sort), None))
        return old

    def items_replaced(self, table: dict[str, Any]) -> None:
        self._replaced(table)
        self._changed.append((table["TableArn"], None, table["items"]))

    def changes(self, *, everything: bool = False) -> Iterator[Change]:
        while self._changed:
            arn, key, value = self._changed.popleft()
            if key is not None:
                yield Change(_of(arn), json.dumps(key), None if value is None else json.dumps(value))
                continue
            yield Change(_of(arn), None, None)
            for partition, items in value.items():
                for sort, item in items.items():
                    yield Change(_of(arn), json.dumps((partition, sort)), json.dumps(item))
        present = {table["TableArn"] for table in list(self._dynamodb._tables._data.values())}
        for arn in self._tables - present:
            yield Change(_of(arn), None, None)
        self._tables = present

    def rest(self) -> dict[str, Any]:
        left_out = {"items", self._dynamodb._INDEX_MEMBERS, *self._COUNTS}
        tables = type(self._dynamodb._tables)()
        for name, table in list(self._dynamodb._tables._data.items()):
            tables._data[name] = {key: value for key, value in table.items() if key not in left_out}
        return {"tables": tables} | {name: getattr(self._dynamodb, f"_{name}") for name in self.STORES}

    def restore(self, state: dict[str, Any], database: Database) -> None:
        for table in state["tables"]._data.values():
            items: dict[Any, dict[Any, Any]] = defaultdict(dict)
            for key, value in database.read(_of(table["TableArn"])):
                partition, sort = json.loads(key)
                items[partition][sort] = json.loads(value)
            table["items"] = items
            self._dynamodb._update_counts(table)
            self._tables.add(table["TableArn"])


def _of(arn: str) -> str:
    return f"item:{arn}"


class Messages:
    """Messages of SQS's queues, looked at whenever somebody has had hold of a queue.

    Who has received a message, and until when nobody else does, is written within a second: a queue may
    deliver a message twice (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/standard-queues-at-least-once-delivery.html).
    """

    def __init__(self) -> None:
        from ministack.services import sqs  # noqa: PLC0415 reads the environment when first imported

        self._sqs: Any = sqs
        self._written: dict[Any, dict[str, _Written]] = {}
        self._order = itertools.count()
        self._queues = _queues_that_note_access(sqs._queues)
        sqs._queues = self._queues

    def changes(self, *, everything: bool = False) -> Iterator[Change]:
        touched = self._queues.touched
        if everything:
            touched.extend([*self._queues._data, *self._written])
        for name in {touched.popleft() for _ in range(len(touched))}:
            queue = self._queues._data.get(name)
            messages = list(queue["messages"]) if queue else []
            written = self._written.setdefault(name, {})
            if messages or written:
                yield from self._changes(name, messages, written, everything=everything)

    def _changes(
        self, name: Any, messages: list[dict[str, Any]], written: dict[str, _Written], *, everything: bool
    ) -> Iterator[Change]:
        kind = _in_queue(name)
        new = list(itertools.takewhile(lambda message: message["id"] not in written, reversed(messages)))
        for message in reversed(new):
            written[message["id"]] = _Written(next(self._order), _state_of(message))
            yield Change(kind, message["id"], json.dumps([written[message["id"]].place, message]))
        if not everything and len(written) == len(messages):
            return
        for message in messages[: len(messages) - len(new)]:
            known = written.get(message["id"]) or _Written(next(self._order), ())
            if known.state != _state_of(message):
                written[message["id"]] = _Written(known.place, _state_of(message))
                yield Change(kind, message["id"], json.dumps([known.place, message]))
        if len(written) > len(messages):
            present = {message["id"] for message in messages}
            for gone in [identity for identity in written if identity not in present]:
                del written[gone]
                yield Change(kind, gone, None)

    def rest(self) -> dict[str, Any]:
        queues = type(self._sqs._queue_name_to_url)()
        for name, queue in list(self._queues._data.items()):
            queues._data[name] = {**queue, "messages": []}
        return {"queues": queues, "queue_name_to_url": self._sqs._queue_name_to_url}

    def restore(self, state: dict[str, Any], database: Database) -> None:
        read_by_functions = {mapping["EventSourceArn"] for mapping in _event_sources(database)}
        last = -1
        for name, queue in state["queues"]._data.items():
            rows = [json.loads(value) for _, value in database.read(_in_queue(name))]
            rows.sort(key=operator.itemgetter(0))
            if queue["attributes"].get("QueueArn") in read_by_functions:
                # Whoever had received them ended with the last server.
                for _, message in rows:
                    if message["receive_count"]:  # one that was not received may be delayed
                        message["visible_at"] = min(message["visible_at"], time.time())
            queue["messages"] = [message for _, message in rows]
            self._written[name] = {
                message["id"]: _Written(place, _state_of(message)) for place, message in rows
            }
            last = max([last, *(place for place, _ in rows)])
        self._order = itertools.count(last + 1)


def _event_sources(database: Database) -> Iterator[dict[str, Any]]:
    functions = json.loads(database.get(SERVICE, "lambda") or '{"esms": {"data": {}}}')
    return iter(functions["esms"]["data"].values())


class _Written(NamedTuple):
    """A message's place among all, and its state when it was written."""

    place: int
    state: tuple[Any, ...]


def _state_of(message: dict[str, Any]) -> tuple[Any, ...]:
    return message["visible_at"], message["receive_count"], message["receipt_handle"]


def _in_queue(name: tuple[str, ...]) -> str:
    return f"message:{_SEPARATOR.join(name)}"


def _queues_that_note_access(queues: Any) -> Any:
    from ministack.core.responses import AccountRegionScopedDict  # noqa: PLC0415 reads the environment

    class Queues(AccountRegionScopedDict):
        """MiniStack's queues by account, region and address; notes each that is handed out."""

        def __init__(self) -> None:
            super().__init__()
            self._data = queues._data
            self.touched: deque[Any] = deque()

        def _scoped(self, key: Any) -> Any:
            scoped = super()._scoped(key)
            self.touched.append(scoped)
            return scoped

        def get_scoped(self, account_id: Any, region: Any, key: Any, default: Any = None) -> Any:
            self.touched.append((account_id, region, key))
            return super().get_scoped(account_id, region, key, default)

        def pop_scoped(self, account_id: Any, region: Any, key: Any, *default: Any) -> Any:
            self.touched.append((account_id, region, key))
            return super().pop_scoped(account_id, region, key, *default)

        def all_items(self) -> Any:
            self.touched.extend(self._data)
            return super().all_items()

    return Queues()


class Executions:
    """Executions of Step Functions, with their histories. One that has ended is written for the last time."""

    STORES = (
        "state_machines",
        "tags",
        "activities",
        "state_machine_versions",
        "state_machine_aliases",
        "map_runs",
    )
    """All that MiniStack saves of Step Functions beside the executions."""

    def __init__(self) -> None:
        from ministack.services import stepfunctions  # noqa: PLC0415 reads the environment when first imported

        self._stepfunctions: Any = stepfunctions
        self._written: dict[Any, tuple[Any, ...]] = {}
        self._open: set[Any] = set()
        self.cut_off: list[dict[str, Any]] = []
        """Executions that were running when the last server ended."""

    def changes(self, *, everything: bool = False) -> Iterator[Change]:
        executions = self._stepfunctions._executions._data
        for name in list(executions) if everything else [*self._open, *self._new(executions)]:
            execution = executions.get(name)
            facts = execution and (
                execution["status"],
                len(execution["events"]),
                execution.get("redriveCount"),
            )
            if facts == self._written.get(name):
                continue
            if facts:
                self._written[name] = facts
                (self._open.add if facts[0] == "RUNNING" else self._open.discard)(name)
                yield Change("execution", _SEPARATOR.join(name), json.dumps(execution, default=_as_json))
        for name in [name for name in self._written if name not in executions] if everything else ():
            del self._written[name]
            self._open.discard(name)
            yield Change("execution", _SEPARATOR.join(name), None)

    def _new(self, executions: dict[Any, Any]) -> list[Any]:
        """Those at the end of the dictionary that were not written yet."""
        return list(itertools.takewhile(lambda name: name not in self._written, reversed(executions.copy())))

    def rest(self) -> dict[str, Any]:
        return {name: getattr(self._stepfunctions, f"_{name}") for name in self.STORES}

    def restore(self, state: dict[str, Any], database: Database) -> None:
        executions = type(self._stepfunctions._executions)()
        for key, value in database.read("execution"):
            execution = json.loads(value)
            if execution["status"] == "RUNNING":
                _abort(execution)
                # That a Map Run's children have ended is said by the end of the execution that it belongs to.
                if "mapRunArn" not in execution:
                    self.cut_off.append(execution)
            executions._data[tuple(key.split(_SEPARATOR))] = execution
        state["executions"] = executions
        for run in state["map_runs"]._data.values() if "map_runs" in state else ():
            if run["status"] == "RUNNING":
                _abort_map_run(run)


def _as_json(value: Any) -> Any:
    from ministack.core.persistence import _json_default  # noqa: PLC0415 reads the environment

    return _json_default(value)


def _abort_map_run(run: dict[str, Any]) -> None:
    """End a Map Run whose execution was ended, as Step Functions does."""
    from ministack.core.responses import now_iso  # noqa: PLC0415 reads the environment

    run |= {"status": "ABORTED", "stopDate": now_iso()}
    for counts in (run["itemCounts"], run["executionCounts"]):
        counts["aborted"] += counts["running"]
        counts["running"] = 0


def _abort(execution: dict[str, Any]) -> None:
    """End a running execution as StopExecution does."""
    from ministack.core.responses import now_iso  # noqa: PLC0415 reads the environment

    now = now_iso()
    details = {"error": "", "cause": CUT_OFF}
    event = {
        "id": len(execution["events"]) + 1,
        "timestamp": now,
        "type": "ExecutionAborted",
        "executionAbortedEventDetails": details,
    }
    execution["events"].append(event)
    execution |= {"status": "ABORTED", "stopDate": now, "error": None, "cause": CUT_OFF}
