"""Links of thumbnails, which CloudFront checks the signature of (infra/thumbnails.py)."""

from __future__ import annotations

import hashlib
import hmac

from lambdas.domain.images import thumbnails

_DAY = 24 * 3600


def link(key: str, sha256: str, now: float) -> str:
    """The path of an image's thumbnail at the console's address, good until the end of tomorrow, UTC.

    It is the same all day, so that a browser keeps what it has loaded.

    Args:
        key: the secret that it is signed with.
    """
    path = f"/{thumbnails.key(sha256)}"
    until = (int(now) // _DAY + 2) * _DAY
    signature = hmac.new(key.encode(), f"{path} {until}".encode(), hashlib.sha256).hexdigest()
    return f"{path}?until={until}&signature={signature}"
