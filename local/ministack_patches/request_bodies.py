"""Bodies of requests to HTTP APIs that are too large.

AWS: API Gateway takes 10 MB, and calls a function with 6 MB, of which a binary body takes a third more in
Base64; what is larger is answered with 413.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MiniStack: takes bodies of any size.
"""

from __future__ import annotations

import json
from typing import Any

MAX_BODY = 10 * 1024 * 1024
MAX_EVENT = 6 * 1024 * 1024
_EXECUTED_BODY, _INVOKED_BODY = 5, 6
"""Where the body is among the arguments of the two functions; the headers are before it."""
_EVENT = 2048
"""Of an event without its headers and its body, about."""


def apply_patch() -> None:
    """Patch MiniStack in this process; to be called before the first request."""
    from ministack.services import apigateway  # noqa: PLC0415 reads the environment when first imported

    execute, invoke = apigateway.handle_execute, apigateway._invoke_lambda_proxy

    async def handle_execute(*request: Any, **more: Any) -> Any:
        body = request[_EXECUTED_BODY]
        return _too_large() if body and len(body) > MAX_BODY else await execute(*request, **more)

    async def invoke_lambda_proxy(*request: Any, **more: Any) -> Any:
        headers, body = request[_INVOKED_BODY - 1], request[_INVOKED_BODY]
        is_text = apigateway._v2_request_body_is_text(headers.get("content-type"))
        if _event_bytes(headers, body, is_text=is_text) > MAX_EVENT:
            return _too_large()
        return await invoke(*request, **more)

    apigateway.handle_execute = handle_execute
    apigateway._invoke_lambda_proxy = invoke_lambda_proxy


def _event_bytes(headers: Any, body: bytes | None, *, is_text: bool) -> int:
    """How large the event is that a function would be called with, about."""
    sent = len(body or b"")
    # Of text, JSON writes as escapes what would end it.
    encoded = len(json.dumps((body or b"").decode(errors="replace"))) if is_text else (sent + 2) // 3 * 4
    return _EVENT + len(json.dumps(dict(headers))) + encoded


def _too_large() -> tuple[int, dict[str, str], bytes]:
    return 413, {"Content-Type": "application/json"}, b'{"message":"Request Entity Too Large"}'
