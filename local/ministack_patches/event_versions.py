"""Which version of an object S3's events on EventBridge are about.

AWS: says so in `detail.object.version-id`, for a bucket with versions.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
MiniStack: does not. Of two uploads to one key, both events are about the second then.
"""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import Any

_version: ContextVar[str | None] = ContextVar("version", default=None)


def apply_patch() -> None:
    """Patch MiniStack in this process; to be called before the first request."""
    from ministack.services import eventbridge, s3  # noqa: PLC0415 reads the environment when first imported

    fire, dispatch = s3._fire_s3_event, eventbridge._dispatch_event

    def fire_s3_event(*args: Any, version_id: str | None = None, **kwargs: Any) -> None:
        token = _version.set(version_id)
        try:
            fire(*args, version_id=version_id, **kwargs)
        finally:
            _version.reset(token)

    def dispatch_event(event: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        version = _version.get()
        if version and event.get("Source") == "aws.s3":
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = version
            event = event | {"Detail": json.dumps(detail)}
        return dispatch(event, *args, **kwargs)

    s3._fire_s3_event, eventbridge._dispatch_event = fire_s3_event, dispatch_event
