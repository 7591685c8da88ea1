"""CloudFront with an HTTP API of API Gateway behind it.

AWS: an origin may be any host, so also an HTTP API's, {api}.execute-api.{region}.amazonaws.com.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-publish.html
MiniStack: refuses to call any host of AWS's own; of those that it emulates it knows load balancers and
function URLs only.
"""

from __future__ import annotations

import http.client
import re
from typing import Any
from urllib.parse import parse_qs

_API_HOST = re.compile(r"([a-z0-9]+)\.execute-api\.[a-z0-9-]+\.amazonaws\.com")


def apply_patch() -> None:
    """Patch MiniStack in this process; to be called before the first request."""
    from ministack import app  # noqa: PLC0415 reads the environment when first imported
    from ministack.services import cloudfront  # noqa: PLC0415

    original = cloudfront._fetch_from_origin

    async def fetch(*asked: Any) -> Any:
        origin, method, uri, query, headers, body, _, client_ip, forwarded_for, _ = asked
        host = _API_HOST.fullmatch(origin["domain_name"].lower())
        if host is None:
            return await original(*asked)
        sent = cloudfront._origin_request_headers(origin, headers, client_ip, forwarded_for)
        lowered = {name.lower(): value for name, value in sent.items()}
        path = (origin.get("origin_path") or "") + uri
        status, answered, data = await app._handle_execute_api_request(
            f"{host[1]}.execute-api.{app._MINISTACK_HOST}",
            path,
            method,
            lowered,
            body or b"",
            parse_qs(query, keep_blank_values=True),
            path,
            query,
        )
        pairs = [
            (name, value)
            for name, values in answered.items()
            for value in (values if isinstance(values, list) else [values])
        ]
        reason = http.client.responses.get(status, "")
        return status, reason, cloudfront._multidict_from_pairs(pairs), data

    cloudfront._fetch_from_origin = fetch
