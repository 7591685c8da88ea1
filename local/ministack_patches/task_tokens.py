"""Task tokens of Step Functions: their timeouts, their heartbeats, their ends, and functions that fail to
take them.

AWS: TimeoutSeconds and HeartbeatSeconds may be JSONata expressions.
https://docs.aws.amazon.com/step-functions/latest/dg/state-task.html
MiniStack: takes numbers only.

AWS: a task that hears no SendTaskHeartbeat for HeartbeatSeconds fails with States.HeartbeatTimeout.
https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token
MiniStack: notes heartbeats and does nothing with them.

AWS: if the function that is given the token fails, the task fails.
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
MiniStack: goes on waiting.

AWS: a token whose task has been closed, by an earlier answer or as its execution was stopped, is refused.
https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html#API_SendTaskSuccess_Errors
MiniStack: takes answers for stopped executions, and a second one until the execution has read the first.
"""

from __future__ import annotations

import contextvars
import threading
import time
from dataclasses import dataclass
from typing import Any

CALLBACK = ".waitForTaskToken"
LOOK_SECONDS = 1.0
_SECONDS = ("TimeoutSeconds", "HeartbeatSeconds")


class _CallFailedError(Exception):
    """What the function failed with; of a kind that MiniStack does not swallow."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def apply_patch() -> None:
    """Patch MiniStack in this process; to be called before the first request."""
    from ministack.services import stepfunctions  # noqa: PLC0415 reads the environment when first imported

    _Patch(stepfunctions)


class _Patch:
    """MiniStack's functions, each replaced by the method of its name."""

    def __init__(self, stepfunctions: Any) -> None:
        self._stepfunctions = stepfunctions
        names = (
            "_execute_task",
            "_invoke_with_callback",
            "_call_lambda",
            "_send_task_success",
            "_send_task_failure",
        )
        self._originals = {name: getattr(stepfunctions, name) for name in names}
        self._asking = threading.local()
        self._listener = _Listener(stepfunctions)
        stepfunctions._execute_task = self.execute_task
        stepfunctions._invoke_with_callback = self.invoke_with_callback
        stepfunctions._call_lambda = self.call_lambda
        stepfunctions._send_task_success = lambda data: self._send("_send_task_success", data)
        stepfunctions._send_task_failure = lambda data: self._send("_send_task_failure", data)
        self._executions: dict[str, Any] = {}
        """Executions that wait, by their tokens."""

    def execute_task(self, state: dict[str, Any], given: Any, execution: Any, context: Any) -> Any:
        if CALLBACK in state.get("Resource", ""):
            seconds = {name: self._seconds(state, name, given, context) for name in _SECONDS if name in state}
            state = {**state, **seconds}
            self._asking.execution = execution
        return self._originals["_execute_task"](state, given, execution, context)

    def _seconds(self, state: dict[str, Any], name: str, given: Any, context: Any) -> Any:
        if not isinstance(state[name], str):
            return state[name]
        return self._stepfunctions._jsonata_state_field(state, name, "number", given, context)

    def invoke_with_callback(self, resource: str, data: Any, token: str, state: dict[str, Any]) -> Any:
        if seconds := state.get("HeartbeatSeconds"):
            self._listener.listen(token, float(seconds))
        self._asking.now = True
        self._executions[token] = getattr(self._asking, "execution", {})
        try:
            return self._originals["_invoke_with_callback"](resource, data, token, state)
        except _CallFailedError as failed:
            self._stepfunctions._task_tokens.pop(token, None)
            raise failed.error from failed
        finally:
            self._asking.now = False
            self._executions.pop(token, None)
            self._listener.forget(token)

    def _send(self, name: str, data: dict[str, Any]) -> Any:
        token = data.get("taskToken", "")
        waiting = self._stepfunctions._task_tokens.get(token)
        has_ended = self._executions.get(token, {}).get("status", "RUNNING") != "RUNNING"
        if waiting and (has_ended or waiting["event"].is_set()):
            return self._stepfunctions.error_response_json("TaskTimedOut", "the task has been closed", 400)
        return self._originals[name](data)

    def call_lambda(self, function: str, event: Any) -> Any:
        asking, self._asking.now = getattr(self._asking, "now", False), False
        try:
            return self._originals["_call_lambda"](function, event)
        except self._stepfunctions._ExecutionError as error:
            raise (_CallFailedError(error) if asking else error) from error


@dataclass
class _Waiting:
    """A task that has to be heard of; MiniStack finds it in the context of its execution alone."""

    seconds: float
    context: contextvars.Context
    heard_at: float
    heartbeat: Any = None


class _Listener:
    """One thread that fails every task that was not heard of in time, for as long as any waits."""

    def __init__(self, stepfunctions: Any) -> None:
        self._stepfunctions = stepfunctions
        self._waiting: dict[str, _Waiting] = {}
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def listen(self, token: str, seconds: float) -> None:
        with self._lock:
            self._waiting[token] = _Waiting(seconds, contextvars.copy_context(), time.monotonic())
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()

    def forget(self, token: str) -> None:
        with self._lock:
            self._waiting.pop(token, None)

    def _run(self) -> None:
        while waiting := self._waiting_tasks():
            for token, task in waiting:
                self._look(token, task)
            time.sleep(LOOK_SECONDS)

    def _waiting_tasks(self) -> list[tuple[str, _Waiting]]:
        """All that wait; if none does, the next one gets a thread of its own."""
        with self._lock:
            if not self._waiting:
                self._thread = None
            return list(self._waiting.items())

    def _look(self, token: str, task: _Waiting) -> None:
        waiting = task.context.run(self._stepfunctions._task_tokens.get, token)
        if waiting is None:
            return
        if waiting["heartbeat"] != task.heartbeat:
            task.heard_at, task.heartbeat = time.monotonic(), waiting["heartbeat"]
        elif time.monotonic() - task.heard_at > task.seconds and not waiting["event"].is_set():
            waiting["error"] = {"Error": "States.HeartbeatTimeout", "Cause": "no heartbeat came in time"}
            waiting["event"].set()
