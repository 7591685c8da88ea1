"""What was acknowledged and is still to be done by itself: S3's notifications, and asynchronous invocations.

AWS: keeps both until they are done, and does some twice rather than none.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
MiniStack: does them in threads, which know nothing of each other and end with the process.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from local.ministack_state.database import Change, Database

KIND = "owed"
_NOTIFICATION = "notification"
_INVOCATION = "invocation"


class Owed:
    """MiniStack's functions that begin such work are replaced by the methods here."""

    def __init__(self) -> None:
        from ministack.core import responses  # noqa: PLC0415 reads the environment when first imported
        from ministack.services import lambda_svc, s3  # noqa: PLC0415

        self._responses, self._lambda, self._s3 = responses, lambda_svc, s3
        self._ids = itertools.count(time.time_ns())
        self._begun: deque[Change] = deque()
        self._done: deque[str] = deque()
        self._invoke = lambda_svc.invoke_async_with_retry
        self._threads = lambda_svc.threading = _Threads()
        s3._fire_s3_event_async = self.notify
        lambda_svc.invoke_async_with_retry = self.invoke

    def notify(
        self, bucket: str, key: str, event: str, size: int = 0, etag: str = "", *rest: Any, **more: Any
    ) -> None:
        """Send S3's notification in a thread, as `_fire_s3_event_async` does."""
        if bucket not in self._s3._bucket_notifications:
            return
        named = dict(zip(("deletion_type", "version_id", "object_extra", "record_extra"), rest, strict=False))
        named |= more | {"sequencer": self._s3._next_event_sequencer(event)}
        named |= {"bucket_name": bucket, "key": key, "event_name": event, "size": size, "etag": etag}
        self._begin(_NOTIFICATION, [named])

    def invoke(self, function: dict[str, Any], event: Any) -> None:
        """Invoke the function in a thread, again if it fails, as `invoke_async_with_retry` does."""
        config = function.get("config") or function
        self._begin(_INVOCATION, [config["FunctionArn"], config.get("Version", "$LATEST"), event])

    def _begin(self, what: str, details: list[Any]) -> None:
        scope = self._responses.get_account_id(), self._responses.get_region()
        key, value = str(next(self._ids)), json.dumps([what, *scope, details])
        self._begun.append(Change(KIND, key, value))
        self._start(key, value)

    def _start(self, key: str, value: str) -> None:
        threading.Thread(target=self._do, args=(key, *json.loads(value)), daemon=True).start()

    def _do(self, key: str, what: str, account: str, region: str, details: list[Any]) -> None:
        self._responses._request_account_id.set(account)
        self._responses._request_region.set(region)
        work: dict[str, Callable[..., None]] = {_NOTIFICATION: self._send, _INVOCATION: self._run}
        try:
            work[what](*details)
        finally:
            self._done.append(key)

    def _send(self, notification: dict[str, Any]) -> None:
        self._s3._fire_s3_event(**notification)

    def _run(self, arn: str, version: str, event: Any) -> None:
        qualified = arn if version == "$LATEST" or arn.endswith(f":{version}") else f"{arn}:{version}"
        function, config, _ = self._lambda._get_func_record_for_ref(qualified)
        if function and config:
            with self._threads.in_this_one():
                self._invoke(self._lambda._execution_record_for_config(function, config), event)

    def changes(self, *, everything: bool = False) -> Iterator[Change]:
        """Work that has begun; with `everything` what is done too, whose results are written before it."""
        while self._begun:
            yield self._begun.popleft()
        for _ in range(len(self._done)) if everything else ():
            yield Change(KIND, self._done.popleft(), None)

    def resume(self, database: Database) -> dict[str, int]:
        """Do what the last server left undone; how much that is, by kind."""
        counts = {_NOTIFICATION: 0, _INVOCATION: 0}
        for key, value in database.read(KIND):
            counts[json.loads(value)[0]] += 1
            self._start(key, value)
        return counts


class _Threads:
    """The module `threading` as MiniStack's Lambda sees it: the next thread can be made to be this one."""

    def __init__(self) -> None:
        self._here = threading.local()

    def __getattr__(self, name: str) -> Any:
        return getattr(threading, name)

    def in_this_one(self) -> _InThisThread:
        return _InThisThread(self._here)

    def Thread(self, *args: Any, **options: Any) -> Any:
        if getattr(self._here, "next", False):
            self._here.next = False
            return _Here(*args, **options)
        return threading.Thread(*args, **options)


class _InThisThread:
    def __init__(self, here: threading.local) -> None:
        self._here = here

    def __enter__(self) -> None:
        self._here.next = True

    def __exit__(self, *_: object) -> None:
        self._here.next = False


class _Here:
    def __init__(self, *, target: Callable[..., Any], args: tuple[Any, ...] = (), **_: Any) -> None:
        self._target, self._args = target, args

    def start(self) -> None:
        self._target(*self._args)
