"""What a start finds after a kill: what was cut off, and what is lost."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

logger = logging.getLogger("labelloop.state")

FILE = "recovery.json"
_SIDECAR = ".meta.json"
_CREATION = ("CREATE_IN_PROGRESS", "REVIEW_IN_PROGRESS", "ROLLBACK_IN_PROGRESS")
_REASON = "The embedded stack was killed during this deployment"


@dataclass(frozen=True)
class Recovery:
    """What the last server was killed at.

    Attributes:
        executions: names of those that were running, and are ABORTED now.
        deployments: names of stacks whose deployment was cut off.
        uploads: addresses of objects whose upload in parts has to begin again.
        notifications: S3's that had not arrived, and were sent again.
        invocations: asynchronous ones that had not ended, and were begun again.
        logs_since: when logs and metrics were written last; later ones are lost.
    """

    executions: tuple[str, ...] = ()
    deployments: tuple[str, ...] = ()
    uploads: tuple[str, ...] = ()
    notifications: int = 0
    invocations: int = 0
    logs_since: float = 0

    def write(self, folder: Path) -> None:
        partial = folder / f"{FILE}.partial"
        partial.write_text(json.dumps(asdict(self)))
        partial.rename(folder / FILE)

    @classmethod
    def read(cls, folder: Path) -> Recovery | None:
        """What a server has written there; None if there is nothing."""
        try:
            kept: dict[str, Any] = json.loads((folder / FILE).read_text())
        except FileNotFoundError:
            return None
        for name in ("executions", "deployments", "uploads"):
            kept[name] = tuple(kept[name])
        return cls(**kept)

    def sentences(self) -> Iterator[str]:
        """What people should know, a line each."""
        end = "." if self == Recovery() else ", but:"
        yield f"The last run was killed. All that it had acknowledged is still there{end}"
        for name in self.deployments:
            yield f"- the deployment of stack {name} was cut off and counts as failed"
        if self.executions:
            yield f"- running executions are now ABORTED: {', '.join(self.executions)}"
        for upload in self.uploads:
            yield f"- the upload in parts of {upload} is lost and has to begin again"
        if self.notifications or self.invocations:
            yield (
                f"- {self.notifications} notifications of S3 and {self.invocations} asynchronous invocations"
                " that were not finished are made again"
            )
        if self.logs_since:
            clock = datetime.fromtimestamp(self.logs_since).astimezone().strftime("%H:%M:%S")
            yield f"- log lines and metrics since {clock} are lost"


def cut_off_deployments(state: dict[str, Any]) -> tuple[str, ...]:
    """Let each deployment that was going on count as failed, so that the next one does it all; their stacks.

    Nobody goes on with it, and the CDK would wait for it for ever.
    """
    names = []
    for stack in state.get("stacks", {})._data.values():
        status = stack["StackStatus"]
        if status.endswith("_IN_PROGRESS"):
            stack["StackStatus"] = "ROLLBACK_FAILED" if status in _CREATION else "UPDATE_ROLLBACK_COMPLETE"
            stack["_template_body"] = json.dumps(stack["_template"])
            stack["StackStatusReason"] = _REASON
            names.append(stack["StackName"])
    return tuple(names)


def undo_torn_puts(objects: Path) -> None:
    """Take back each object that was being put: MiniStack writes its content, then what is known of it.

    Nobody was told that these are stored. The content of the version before is kept beside, if there is one.
    """
    for content in list(objects.rglob("*")) if objects.is_dir() else ():
        if content.is_file() and not content.name.endswith(_SIDECAR):
            _undo_torn_put(objects, content)


def _undo_torn_put(objects: Path, content: Path) -> None:
    place = content.relative_to(objects)
    if place.parts[0] == ".versions":
        return
    sidecar = content.with_name(content.name + _SIDECAR)
    if not sidecar.exists():
        logger.warning("%s was being stored when the stack was killed", place)
        content.unlink()
        return
    if content.stat().st_mtime_ns <= sidecar.stat().st_mtime_ns:
        return
    known = json.loads(sidecar.read_text())
    account, bucket, *key = place.parts
    before = objects.joinpath(".versions", account, bucket, known.get("version_id") or "null", *key)
    logger.warning("%s was being overwritten when the stack was killed", place)
    if before.is_file():
        before.replace(content)
    else:
        sidecar.write_text(json.dumps({"key": known.get("key")}))
