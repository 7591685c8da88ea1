"""Distributed Maps of Step Functions: whatever MiniStack's do not know of them.

AWS: the fields of a Distributed Map may be JSONata expressions; ItemBatcher gives several items to a child
workflow execution; ResultWriter writes what became of them to S3; the role needs permissions for all of that,
and to start executions of its own state machine; a threshold of failed items ends the Map Run as soon as it
is passed; and children of an execution that is stopped are stopped.
https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itembatcher.html
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-examine-map-run.html
https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
MiniStack: knows JSONPath alone, no batches and no writer; asks IAM nothing; counts failures at the end; and
goes on with the children of what was stopped.

A child's variables are its own: it sees nothing of its parent's but its input.
https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html
"""

from __future__ import annotations

import contextvars
import copy
import json
import threading
from collections.abc import Iterator
from typing import Any

from local.ministack_patches.map_data import NOT_ALLOWED, MapData

MAX_BYTES = 256 * 1024
"""Of the input or output of an execution or state, so of a batch as well.
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""
DEFAULT_CONCURRENCY = 64
"""AWS runs 10,000 children at a time where MaxConcurrency says nothing, or 0; here each is a thread."""
_TURN_SECONDS = 0.2
_OUTCOMES = {"SUCCEEDED": "succeeded", "FAILED": "failed", "ABORTED": "aborted"}


class _StoppedError(Exception):
    """A child workflow execution was stopped, so its next task does not begin."""


def apply_patch() -> None:
    """Patch MiniStack in this process; to be called before the first request."""
    from ministack.services import stepfunctions  # noqa: PLC0415 reads the environment when first imported

    inline = stepfunctions._run_map_items

    def run_map_items(state: dict[str, Any], given: Any, execution: Any, context: Any) -> Any:
        if _is_distributed(state):
            return _MapRun(stepfunctions, state, given, execution, context).run()
        return inline(state, given, execution, context)

    stepfunctions._run_map_items = run_map_items


def _is_distributed(state: dict[str, Any]) -> bool:
    processor = state.get("ItemProcessor") or {}
    return (processor.get("ProcessorConfig") or {}).get("Mode") == "DISTRIBUTED"


class _MapRun:
    """A Map Run: its items, its children, and what became of them."""

    def __init__(
        self,
        stepfunctions: Any,
        state: dict[str, Any],
        given: Any,
        execution: dict[str, Any],
        context: dict[str, Any],
    ) -> None:
        self._sfn, self._state, self._given = stepfunctions, state, given
        self._execution, self._context = execution, context
        self._is_jsonata = stepfunctions._state_query_language(state, context) == "JSONata"
        machine = execution["stateMachineArn"]
        self._machine_arn = machine
        self._label = state.get("Label") or stepfunctions.new_uuid()
        self._id = stepfunctions.new_uuid()
        self.arn = f"{machine.replace(':stateMachine:', ':mapRun:')}/{self._label}:{self._id}"
        self._data = MapData(stepfunctions, stepfunctions._state_machines[machine]["roleArn"])
        self._children: list[dict[str, Any]] = []
        self._changed = threading.Condition(threading.RLock())
        self._run: dict[str, Any] = {}

    def run(self) -> tuple[Any, str | None]:
        """Go through all items: the state's output, and the state after it."""
        self._data.require(NOT_ALLOWED, ("states:StartExecution",), self._machine_arn)
        inputs = list(self._batches(list(self._items())))
        self._begin(inputs)
        self._sfn._add_event(
            self._execution, "MapRunStarted", {"mapRunStartedEventDetails": {"mapRunArn": self.arn}}
        )
        try:
            failure = self._go_through(inputs)
            if self._execution["status"] != "RUNNING":
                self._end("ABORTED", "MapRunAborted")
                return None, None
            result = self._result(inputs)
            if failure:
                raise failure
        except self._sfn._ExecutionError as error:
            details = {"error": error.error, "cause": error.cause}
            self._end("FAILED", "MapRunFailed", {"mapRunFailedEventDetails": details})
            raise
        self._end("SUCCEEDED", "MapRunSucceeded")
        return self._output(result)

    # Fields, which are expressions in JSONata and paths in JSONPath

    def _template(self, template: Any, context: dict[str, Any] | None = None) -> Any:
        context = context or self._context
        if self._is_jsonata:
            return self._sfn._apply_jsonata_template(template, self._given, context)
        return self._sfn._resolve_params_obj(template, self._effective, context)

    @property
    def _effective(self) -> Any:
        return self._sfn._apply_input_path(self._state, self._given, self._context)

    def _number(self, holder: dict[str, Any], field: str, default: float) -> float:
        if field in holder and isinstance(holder[field], str):
            value = self._sfn._jsonata_state_field(holder, field, "number", self._given, self._context)
            return float(value)
        if f"{field}Path" in holder:
            path = holder[f"{field}Path"]
            return float(self._sfn._resolve_path_or_ctx(path, self._effective, self._context))
        return float(holder.get(field, default))

    # Items

    def _items(self) -> Iterator[Any]:
        reader = self._state.get("ItemReader")
        if reader:
            arguments = self._template(reader.get("Arguments") or reader.get("Parameters") or {})
            items: Any = self._data.items(reader, arguments)
            most = self._number(reader.get("ReaderConfig") or {}, "MaxItems", 0)
        else:
            items, most = self._given_items(), 0
        for index, item in enumerate(items):
            if most and index >= most:
                return
            yield self._selected(index, item)

    def _given_items(self) -> list[Any]:
        if not self._is_jsonata:
            return list(
                self._sfn._resolve_path_or_ctx(
                    self._state.get("ItemsPath", "$"), self._effective, self._context
                )
            )
        if "Items" not in self._state:
            return list(self._given)
        return list(self._sfn._jsonata_state_field(self._state, "Items", "array", self._given, self._context))

    def _selected(self, index: int, item: Any) -> Any:
        selector = self._state.get("ItemSelector")
        if selector is None:
            return item
        return self._template(selector, {**self._context, "Map": {"Item": {"Index": index, "Value": item}}})

    def _batches(self, items: list[Any]) -> Iterator[tuple[int, Any]]:
        """How many items each child gets, and its input."""
        batcher = self._state.get("ItemBatcher")
        if not batcher:
            yield from ((1, item) for item in items)
            return
        most = int(self._number(batcher, "MaxItemsPerBatch", 0)) or len(items)
        most_bytes = int(self._number(batcher, "MaxInputBytesPerBatch", 0)) or MAX_BYTES
        common: dict[str, Any] = (
            {"BatchInput": self._template(batcher["BatchInput"])} if "BatchInput" in batcher else {}
        )
        empty = len(json.dumps({**common, "Items": []}))
        batch: list[Any] = []
        size = empty
        for item in items:
            length = len(json.dumps(item)) + 2
            if batch and (len(batch) == most or size + length > min(most_bytes, MAX_BYTES)):
                yield len(batch), {**common, "Items": batch}
                batch, size = list[Any](), empty
            batch.append(item)
            size += length
        if batch:
            yield len(batch), {**common, "Items": batch}

    # The run

    def _begin(self, inputs: list[tuple[int, Any]]) -> None:
        names = (
            "pending",
            "running",
            "succeeded",
            "failed",
            "timedOut",
            "aborted",
            "total",
            "resultsWritten",
        )
        zero = dict.fromkeys((*names, "failuresNotRedrivable", "pendingRedrive"), 0)
        items, children = sum(count for count, _ in inputs), len(inputs)
        self._run = {
            "mapRunArn": self.arn,
            "executionArn": self._execution["executionArn"],
            "status": "RUNNING",
            "startDate": self._sfn.now_iso(),
            "maxConcurrency": int(self._number(self._state, "MaxConcurrency", 0)),
            "toleratedFailurePercentage": self._number(self._state, "ToleratedFailurePercentage", 0),
            "toleratedFailureCount": int(self._number(self._state, "ToleratedFailureCount", 0)),
            "itemCounts": {**zero, "total": items, "pending": items},
            "executionCounts": {**zero, "total": children, "pending": children},
            "redriveCount": 0,
            "_stateMachineArn": f"{self._machine_arn}/{self._label}",
        }
        self._sfn._map_runs[self.arn] = self._run

    def _go_through(self, inputs: list[tuple[int, Any]]) -> Exception | None:
        """Run the children, as many at a time as the Map Run says at that moment: the error it ends with."""
        ahead = iter(inputs)
        while self._execution["status"] == "RUNNING":
            with self._changed:
                if self._is_exceeded():
                    self._stop_children()
                    failure: Exception = self._sfn._ExecutionError(
                        "States.ExceedToleratedFailureThreshold",
                        "The specified tolerated failure threshold was exceeded",
                    )
                    return failure
                limit = self._run["maxConcurrency"] or DEFAULT_CONCURRENCY
                while self._run["executionCounts"]["running"] < limit:
                    following = next(ahead, None)
                    if following is None:
                        break
                    self._start(*following)
                counts = self._run["executionCounts"]
                if not counts["running"] and not counts["pending"]:
                    return None
                self._changed.wait(_TURN_SECONDS)
        with self._changed:
            self._stop_children()
        return None

    def _is_exceeded(self) -> bool:
        """Whether more items have failed than are tolerated: those of a batch that fails have all failed."""
        failed, total = self._run["itemCounts"]["failed"], self._run["itemCounts"]["total"]
        if not failed:
            return False
        limits = [
            field
            for field in ("ToleratedFailureCount", "ToleratedFailurePercentage")
            if field in self._state or f"{field}Path" in self._state
        ]
        passed = {
            "ToleratedFailureCount": failed > self._run["toleratedFailureCount"],
            "ToleratedFailurePercentage": failed * 100 > self._run["toleratedFailurePercentage"] * total,
        }
        return any(passed[field] for field in limits) if limits else True

    def _stop_children(self) -> None:
        for child in self._children:
            if child["status"] == "RUNNING":
                self._settle(child, "ABORTED")

    def _count(self, child: dict[str, Any], before: str, after: str) -> None:
        for counts, number in (
            (self._run["itemCounts"], child["_items"]),
            (self._run["executionCounts"], 1),
        ):
            counts[before] -= number
            counts[after] += number

    def _end(self, status: str, event: str, details: dict[str, Any] | None = None) -> None:
        self._run.update(status=status, stopDate=self._sfn.now_iso())
        self._sfn._add_event(self._execution, event, details)

    # Children

    def _start(self, items: int, given: Any) -> None:
        name = self._sfn.new_uuid()
        text = json.dumps(given)
        executions = self._machine_arn.replace(":stateMachine:", ":execution:")
        child: dict[str, Any] = {
            "executionArn": f"{executions}/{self._label}:{name}",
            "stateMachineArn": self._run["_stateMachineArn"],
            "name": name,
            "status": "RUNNING",
            "startDate": self._sfn.now_iso(),
            "stopDate": None,
            "input": text,
            "inputDetails": {"included": True},
            "output": None,
            "outputDetails": {"included": True},
            "mapRunArn": self.arn,
            "testCase": self._execution.get("testCase"),
            "mockAttempts": {},
            "_items": items,
            "_open": True,
        }
        child["events"] = _Events(child)
        self._sfn._executions[child["executionArn"]] = child
        self._children.append(child)
        self._count(child, "pending", "running")
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(self._run_child, child, given), daemon=True).start()

    def _run_child(self, child: dict[str, Any], given: Any) -> None:
        processor = self._state["ItemProcessor"]
        context = {
            **self._context,
            "Execution": {
                "Id": child["executionArn"],
                "Input": given,
                "Name": child["name"],
                "StartTime": child["startDate"],
            },
            "StateMachine": {
                "Id": child["stateMachineArn"],
                "Name": child["stateMachineArn"].rsplit(":", 1)[-1],
            },
            "State": dict[str, Any](),
            "variables": dict[str, Any](),
        }
        self._sfn._add_event(
            child, "ExecutionStarted", {"executionStartedEventDetails": {"input": child["input"]}}
        )
        try:
            if len(child["input"].encode()) > MAX_BYTES:
                raise self._sfn._ExecutionError(
                    "States.DataLimitExceeded", "the input is larger than 256 KiB"
                )
            output = self._sfn._run_sub_machine(
                processor["States"], processor["StartAt"], given, child, context
            )
            self._settle(child, "SUCCEEDED", output=json.dumps(output))
        except _StoppedError:
            self._settle(child, "ABORTED")
        except self._sfn._ExecutionError as error:
            self._settle(child, "FAILED", error=error.error, cause=error.cause)
        except Exception as error:  # noqa: BLE001 as MiniStack itself ends an execution
            self._settle(child, "FAILED", error="States.Runtime", cause=repr(error))

    def _settle(self, child: dict[str, Any], status: str, **what: Any) -> None:
        """Note a child's end, and count it once; one that was stopped meanwhile stays so."""
        with self._changed:
            if child["status"] == "RUNNING":
                child.update(status=status, stopDate=self._sfn.now_iso(), **what)
                self._sfn._add_event(child, f"Execution{status.capitalize()}", _details_of(child))
            if child.pop("_open", False):
                self._count(child, "running", _OUTCOMES[child["status"]])
            self._changed.notify()

    # Results

    def _result(self, inputs: list[tuple[int, Any]]) -> Any:
        """What the state's output is made of: what the children came to, or where that was written."""
        writer = self._state.get("ResultWriter") or {}
        config = writer.get("WriterConfig") or {}
        if "Resource" not in writer:
            results = [_formatted(child, config.get("Transformation", "COMPACT")) for child in self._children]
            return [each for result in results for each in result]
        where = self._template(writer.get("Arguments") or writer.get("Parameters") or {})
        transformation, suffix = (
            config.get("Transformation", "NONE"),
            config.get("OutputType", "JSON").lower(),
        )
        folder = "/".join(part for part in (where.get("Prefix", "").strip("/"), self._id) if part)
        files: dict[str, list[dict[str, Any]]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
        for category, lines in self._by_category(inputs, transformation).items():
            if lines:
                key = f"{folder}/{category}_0.{suffix}"
                size = self._data.write(where["Bucket"], key, _serialized(lines, suffix))
                files[category].append({"Key": key, "Size": size})
        self._run["itemCounts"]["resultsWritten"] = sum(child["_items"] for child in self._children)
        self._run["executionCounts"]["resultsWritten"] = len(self._children)
        manifest = {"DestinationBucket": where["Bucket"], "MapRunArn": self.arn, "ResultFiles": files}
        self._data.write(where["Bucket"], f"{folder}/manifest.json", json.dumps(manifest))
        details = {"Bucket": where["Bucket"], "Key": f"{folder}/manifest.json"}
        return {"MapRunArn": self.arn, "ResultWriterDetails": details}

    def _by_category(self, inputs: list[tuple[int, Any]], transformation: str) -> dict[str, list[Any]]:
        """The lines of each kind of file: children that have not begun are pending, stopped ones failed."""
        begun = len(self._children)
        lines: dict[str, list[Any]] = {
            "FAILED": [],
            "SUCCEEDED": [],
            "PENDING": [{"Input": json.dumps(given)} for _, given in inputs[begun:]],
        }
        for child in self._children:
            category = "SUCCEEDED" if child["status"] == "SUCCEEDED" else "FAILED"
            lines[category] += _formatted(child, transformation)
        return lines

    def _output(self, result: Any) -> tuple[Any, str | None]:
        following = self._sfn._next_or_end(self._state)
        if self._is_jsonata:
            output = self._sfn._apply_jsonata_output(
                self._state, self._given, self._context, result=result, default=result
            )
            self._sfn._apply_state_assign(self._state, self._given, self._context, result=result)
        else:
            selected = self._sfn._apply_result_selector(self._state, result)
            output = self._sfn._apply_result_path(self._state, self._given, selected)
            output = self._sfn._apply_output_path(self._state, output, self._context)
        if len(json.dumps(output).encode()) > MAX_BYTES:
            raise self._sfn._ExecutionError("States.DataLimitExceeded", "the output is larger than 256 KiB")
        return output, following


class _Events(list[Any]):
    """A child's history, into which no task of a child that was stopped can be put."""

    def __init__(self, child: dict[str, Any]) -> None:
        super().__init__()
        self._child = child

    def append(self, event: dict[str, Any]) -> None:
        if event["type"] == "TaskScheduled" and self._child["status"] != "RUNNING":
            raise _StoppedError
        super().append(event)

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        """What is saved of a history is a list like any other."""
        return copy.deepcopy(list(self), memo)


def _details_of(child: dict[str, Any]) -> dict[str, Any]:
    if child["status"] == "SUCCEEDED":
        return {"executionSucceededEventDetails": {"output": child["output"]}}
    kind = "Failed" if child["status"] == "FAILED" else "Aborted"
    why = {"error": child.get("error", ""), "cause": child.get("cause", "")}
    return {f"execution{kind}EventDetails": why}


def _formatted(child: dict[str, Any], transformation: str) -> list[Any]:
    """What a child came to, as a WriterConfig wants it; of one that has not succeeded there is all to say."""
    if child["status"] != "SUCCEEDED" or transformation == "NONE":
        return [_described(child)]
    output = json.loads(child["output"])
    return output if transformation == "FLATTEN" and isinstance(output, list) else [output]


def _described(child: dict[str, Any]) -> dict[str, Any]:
    described = {
        "ExecutionArn": child["executionArn"],
        "Input": child["input"],
        "InputDetails": {"Included": True},
        "Name": child["name"],
        "StartDate": child["startDate"],
        "StateMachineArn": child["stateMachineArn"],
        "Status": child["status"],
        "StopDate": child["stopDate"],
    }
    if child["status"] == "SUCCEEDED":
        return {**described, "Output": child["output"], "OutputDetails": {"Included": True}}
    return {**described, "Error": child.get("error", ""), "Cause": child.get("cause", "")}


def _serialized(lines: list[Any], suffix: str) -> str:
    if suffix == "jsonl":
        return "".join(json.dumps(line) + "\n" for line in lines)
    return json.dumps(lines)
