"""What the routes to workers outside of LabelLoop have in common."""

from __future__ import annotations

import re

_S3_URI = re.compile(r"s3://([^/]+)/(.+)", re.DOTALL)


class RouteError(Exception):
    """Amazon A2I or Ground Truth cannot be asked, or their answer cannot be read; says what to do."""


def bucket_and_key(uri: str) -> tuple[str, str]:
    """Raises RouteError unless the URI reads s3://bucket/key."""
    found = _S3_URI.fullmatch(uri)
    if found is None:
        raise RouteError(f"{uri!r} does not read s3://bucket/key")
    return found[1], found[2]
