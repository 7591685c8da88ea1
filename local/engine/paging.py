"""Tokens of pages: each says behind which item the next page begins, of which listing, and is signed.

A token is good for the listing and the filters that gave it, and for no other; one made up is refused.
None begins with a hyphen, as one of the URL-safe alphabet may: the AWS CLI would take it for an option.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from local.engine.errors import InvalidPaginationTokenException

T = TypeVar("T")

_NOT_OF_THE_FILTER = {"NextToken", "MaxResults"}
_MAC_BYTES = 16


class Pages:
    """The pages of listings, with tokens signed by `secret`."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def after(self, listing: str, request: Mapping[str, Any], first: T) -> T:
        """The key of the last item before the page asked for; `first` if it is the first page.

        Raises:
            InvalidPaginationTokenException: NextToken is not one that this listing gave for these filters.
        """
        token = request.get("NextToken")
        if token is None:
            return first
        try:
            raw = base64.b64decode(token, validate=True)
            key: T = json.loads(raw[_MAC_BYTES:])
        except (binascii.Error, ValueError, RecursionError) as error:
            raise _refused(listing) from error
        if not hmac.compare_digest(raw[:_MAC_BYTES], self._mac(listing, request, raw[_MAC_BYTES:])):
            raise _refused(listing)
        return key

    def token(self, listing: str, request: Mapping[str, Any], key: Any) -> str:
        """The token for the page behind the item of this key."""
        written = json.dumps(key).encode()
        return base64.b64encode(self._mac(listing, request, written) + written).decode()

    def page(
        self,
        listing: str,
        request: Mapping[str, Any],
        items: Sequence[T],
        key: Callable[[T], Any],
        *,
        size: int,
    ) -> tuple[Sequence[T], dict[str, str]]:
        """A page of items that are sorted by `key`, and its NextToken if there are more."""
        last = self.after(listing, request, None)
        left = [item for item in items if last is None or json.loads(json.dumps(key(item))) > last]
        return self.cut(listing, request, left, key, size=size)

    def cut(
        self,
        listing: str,
        request: Mapping[str, Any],
        left: Sequence[T],
        key: Callable[[T], Any],
        *,
        size: int,
    ) -> tuple[Sequence[T], dict[str, str]]:
        """The page at the head of what is left, which is one item more than the page if there are more."""
        wanted = request.get("MaxResults", size)
        page = left[:wanted]
        more = {"NextToken": self.token(listing, request, key(page[-1]))} if len(left) > wanted else {}
        return page, more

    def _mac(self, listing: str, request: Mapping[str, Any], key: bytes) -> bytes:
        filters = {name: value for name, value in request.items() if name not in _NOT_OF_THE_FILTER}
        signed = json.dumps([listing, filters], sort_keys=True).encode() + key
        return hmac.new(self._secret, signed, hashlib.sha256).digest()[:_MAC_BYTES]


def _refused(listing: str) -> InvalidPaginationTokenException:
    return InvalidPaginationTokenException(
        f"NextToken is not one that {listing} gave for this request; leave it out to begin again"
    )
