"""Writes MiniStack's state down before what has changed it is answered, and gives it back at the next start.

AWS: what is acknowledged is kept.
MiniStack: saves its state when it is stopped in order, and loses all but S3's objects when it is killed.

Records (items, messages, executions) are written one by one, every other service's state as a whole. Logs,
metrics and the stacks' events change all the time and are answers to nobody: they are written every half
minute, and a start after a kill says since when they are missing.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from local.ministack_state.changed import SLOW, Changed
from local.ministack_state.database import NOTE, RUNNING, SERVICE, Change, Database
from local.ministack_state.owed import Owed
from local.ministack_state.records import Executions, Items, Messages, Records
from local.ministack_state.recovery import Recovery, cut_off_deployments, undo_torn_puts

logger = logging.getLogger("labelloop.state")

FLUSH_SECONDS = 1.0
"""How often what changed with nobody waiting for an answer is written."""
SLOW_SECONDS = 30.0
_SLOW_WRITTEN, _UPLOADS = "slow written", "uploads"
_TRIES = 100


class Keeper:
    """The state of this process's MiniStack, in `file`, and S3's objects in the folder `objects`.

    To be made before anything of MiniStack is imported.
    """

    def __init__(self, file: Path, objects: Path) -> None:
        self._database = Database(file)
        self._killed = self._database.get(NOTE, RUNNING) is not None
        self._database.write([Change(NOTE, RUNNING, "1")])
        if self._killed:
            undo_torn_puts(objects)
        # They read the environment when they are first imported, and S3 its objects.
        from ministack import app  # noqa: PLC0415
        from ministack.core import persistence  # noqa: PLC0415
        from ministack.services import lambda_svc, s3  # noqa: PLC0415

        self._app, self._persistence, self._s3 = app, persistence, s3
        self._executions = Executions()
        self._records: dict[str, Records] = {
            "dynamodb": Items(),
            "sqs": Messages(),
            "stepfunctions": self._executions,
        }
        self._owed = Owed()
        self._written: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._changed = Changed(app)
        self._cut_off: tuple[str, ...] = ()
        self._code = _Code(lambda_svc)
        app.load_state = self.load
        app.save_all = self.save_all

    def load(self, service: str) -> Any:
        """A service's state as MiniStack's `load_state` gives it."""
        text = self._database.get(SERVICE, service)
        if text is None:
            return None
        state = json.loads(text, object_hook=self._persistence._json_object_hook)
        if service in self._records:
            self._records[service].restore(state, self._database)
        if service == "cloudformation" and self._killed:
            self._cut_off = cut_off_deployments(state)
        return state

    def start(self) -> None:
        """Write from now on what changes by itself."""
        threading.Thread(target=self._flush_for_ever, daemon=True, name="state").start()

    def recover(self) -> Recovery | None:
        """Go on with what the last server was killed at; what that was, or None if it was not killed.

        To be called once requests are answered: functions ask this server.
        """
        if not self._killed:
            return None
        counts = self._owed.resume(self._database)
        for execution in self._executions.cut_off:
            self._tell_of_end(execution)
        uploads = json.loads(self._database.get(NOTE, _UPLOADS) or "[]")
        self._database.write([Change(NOTE, _UPLOADS, None)])
        return Recovery(
            executions=tuple(execution["name"] for execution in self._executions.cut_off),
            deployments=self._cut_off,
            uploads=tuple(uploads),
            notifications=counts["notification"],
            invocations=counts["invocation"],
            logs_since=float(self._database.get(NOTE, _SLOW_WRITTEN) or 0),
        )

    def _tell_of_end(self, execution: dict[str, Any]) -> None:
        """Tell EventBridge of an execution's end, as Step Functions does at each."""
        from ministack.core import responses  # noqa: PLC0415
        from ministack.services import stepfunctions  # noqa: PLC0415

        _, _, _, region, account, *_ = execution["executionArn"].split(":")
        responses._request_account_id.set(account)
        responses._request_region.set(region)
        stepfunctions._emit_execution_status_event(execution)

    def settle(self, scope: Mapping[str, Any]) -> None:
        """Write what a request has changed; to be called before it is answered."""
        self._flush(self._changed.by(scope))

    def _flush_for_ever(self) -> None:
        slow_at = 0.0
        while not self._ended.wait(FLUSH_SECONDS):
            slow = time.monotonic() - slow_at > SLOW_SECONDS
            services = set(self._app._build_persistence_save_dict())
            try:
                self._flush(services if slow else services - SLOW, everything=True, slow=slow)
            except Exception:
                logger.exception("The state could not be written; the next answer waits for it")
            slow_at = time.monotonic() if slow else slow_at

    def save_all(self, services: Mapping[str, Callable[[], Any]]) -> None:
        """Write everything, as MiniStack's `save_all` does when it is stopped in order."""
        self._ended.set()
        self._flush(set(services), everything=True, slow=True)
        self._database.write([Change(NOTE, RUNNING, None)])
        self._code.prune()

    def _flush(self, services: set[str], *, everything: bool = False, slow: bool = False) -> None:
        with self._lock:
            # What is done is asked for before its results are.
            changes = list(self._owed.changes(everything=everything))
            for records in self._records.values():
                changes += records.changes(everything=everything)
            digests: dict[str, bytes] = {}
            for service in services:
                text = self._state_of(service)
                digest = hashlib.sha256(text.encode()).digest()
                if text and digest != self._written.get(service):
                    changes.append(Change(SERVICE, service, text))
                    digests[service] = digest
            if "s3" in services:
                changes.append(Change(NOTE, _UPLOADS, json.dumps(self._uploads())))
            if slow:
                changes.append(Change(NOTE, _SLOW_WRITTEN, str(time.time())))
            if changes:
                self._database.write(changes)
                self._written |= digests

    def _state_of(self, service: str) -> str:
        """A service's state as text, "" if it has none; tried again while another thread changes it."""
        records = self._records.get(service)
        state_of = records.rest if records else self._app._build_persistence_save_dict().get(service)
        if state_of is None:
            return ""
        for left in reversed(range(_TRIES)):
            try:
                state = state_of()
                return "" if state is None else json.dumps(state, default=self._persistence._json_default)
            except RuntimeError:
                if not left:
                    raise
                time.sleep(0.01)
        raise AssertionError("a loop that returns or raises")

    def _uploads(self) -> list[str]:
        """Uploads in parts that are not complete: MiniStack keeps their parts in memory."""
        uploads = list(self._s3._multipart_uploads._data.values())
        return sorted(f"s3://{upload['bucket']}/{upload['key']}" for upload in uploads)


class _Code:
    """The functions' code: written to its file once, not at each look, and deleted only at the end: the state
    on the disk may still name it."""

    def __init__(self, lambda_svc: Any) -> None:
        self._write, self._prune = lambda_svc._write_code_blob, lambda_svc._prune_orphan_code_blobs
        self._names: dict[int, tuple[bytes, str]] = {}
        self._referenced: set[str] | None = None
        lambda_svc._write_code_blob = self.write
        lambda_svc._prune_orphan_code_blobs = self.note

    def write(self, code: bytes) -> str:
        if id(code) not in self._names:
            self._names[id(code)] = (code, str(self._write(code)))
        return self._names[id(code)][1]

    def note(self, referenced: set[str]) -> None:
        self._referenced = referenced

    def prune(self) -> None:
        if self._referenced is not None:
            self._prune(self._referenced)
