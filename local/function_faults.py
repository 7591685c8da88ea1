"""Faults of functions that tests ask for: one fails, times out, or is frozen before or after it writes.

What a frozen function writes is held back, or its answer is: as if the system had stopped its process there.
AWS: StopExecution ends an execution, not the functions that it has called
(https://docs.aws.amazon.com/step-functions/latest/apireference/API_StopExecution.html).
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

Kind = Literal["fails", "times out", "frozen before it writes", "frozen after it writes"]
"""`fails`: it is not run. `times out`: it is run to its end, and whoever called it hears of no end."""
MAX_TIMES = 10_000
_FORM = "A fault of a function is {function, kind, times}; see local/function_faults.py"
_READS = ("BatchGet", "Describe", "Get", "List", "Query", "Receive", "Scan")
_ERRORS = {"fails": "Runtime.HandlerError", "times out": "Sandbox.Timedout"}
_LOOK_SECONDS = 0.05


@dataclass(eq=False)
class Fault:
    """What happens to a function as often as is said.

    Attributes:
        function: its name, or the beginning of it.
        times: how often it will happen still.
        struck: how often it has happened.
    """

    function: str
    kind: Kind
    times: int = 1
    struck: int = 0


def parse(body: bytes) -> Fault:
    """The fault that a request's JSON describes.

    Raises:
        ValueError: it describes none; the message says what it must.
    """
    try:
        fault = Fault(**json.loads(body))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(_FORM) from error
    if not isinstance(fault.function, str) or not fault.function or fault.kind not in get_args(Kind):
        raise ValueError(f"function must be a name, and kind one of {', '.join(get_args(Kind))}")
    if type(fault.times) is not int or not 1 <= fault.times <= MAX_TIMES or fault.struck:
        raise ValueError(f"times must be a whole number from 1 to {MAX_TIMES}, and struck is not asked for")
    return fault


class FunctionFaults:
    """The faults that were asked for; those that are cleared let go what they hold."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def install(self) -> None:
        """Let MiniStack's invocations fail; to be called before the first request."""
        from ministack.services import lambda_svc  # noqa: PLC0415 reads the environment when first imported

        execute: Callable[[dict[str, Any], Any], dict[str, Any]] = lambda_svc._execute_function

        def executed(function: dict[str, Any], event: Any) -> dict[str, Any]:
            name = (function.get("config") or function)["FunctionName"]
            if self._strikes(name, "fails"):
                return _error("fails", name)
            times_out = self._strikes(name, "times out") is not None
            answer = execute(function, event)
            return _error("times out", name) if times_out else answer

        lambda_svc._execute_function = executed

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def waiting(self) -> list[Fault]:
        """All that were not cleared, those that have struck too."""
        with self._lock:
            return list(self._faults)

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    async def before(self, scope: Mapping[str, Any]) -> None:
        """Hold back a request of a function that is frozen before it writes."""
        await self._hold(scope, "frozen before it writes")

    async def after(self, scope: Mapping[str, Any]) -> None:
        """Hold back the answer to a function that is frozen after it has written."""
        await self._hold(scope, "frozen after it writes")

    async def _hold(self, scope: Mapping[str, Any], kind: Kind) -> None:
        if not self._faults or not _writes(scope):
            return
        fault = self._strikes(_caller(scope), kind)
        while fault in self._faults:
            await asyncio.sleep(_LOOK_SECONDS)

    def _strikes(self, function: str, kind: Kind) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.kind == kind and fault.times and function.startswith(fault.function):
                    fault.times -= 1
                    fault.struck += 1
                    return fault
        return None


def _writes(scope: Mapping[str, Any]) -> bool:
    """Whether a request may change something. Queries that post a form, as to SNS, count so."""
    headers = dict(scope["headers"])
    operation = headers.get(b"x-amz-target", b"").rpartition(b".")[2].decode("latin-1")
    return scope["method"] not in ("GET", "HEAD") and not operation.startswith(_READS)


def _caller(scope: Mapping[str, Any]) -> str:
    """The name of the function that has sent a request, by its role's session; "" if none has."""
    from ministack.services import sts  # noqa: PLC0415 reads the environment when first imported

    authorization = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
    key = authorization.partition("Credential=")[2].partition("/")[0]
    session = sts._sessions.get(key)
    return str(session["Arn"]).rpartition("/")[2] if session else ""


def _error(kind: Kind, function: str) -> dict[str, Any]:
    body = {"errorType": _ERRORS[kind], "errorMessage": f"{function} {kind}, as a fault asks for"}
    return {"body": body, "error": True, "function_error": "Unhandled", "log": ""}
