"""An object of S3 as a file that is read in parts, as a decoder asks for them: it may be of any size."""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BLOCK_BYTES = 4 * 1024 * 1024
"""Read at once: a request for each little read would take longer than the clip."""
BLOCKS = 8
"""Kept, so that sound and pictures that lie far apart are not read again and again."""


class ObjectFile:
    """A version of an object, to be read and sought.

    Args:
        size: in bytes.
        version: VersionId, if it is known.
    """

    def __init__(self, s3: S3Client, bucket: str, key: str, size: int, version: dict[str, Any]) -> None:
        self._s3 = s3
        self._object: Any = {"Bucket": bucket, "Key": key, **version}
        self._size = size
        self._at = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def read(self, count: int = -1) -> bytes:
        """The next bytes, fewer than `count` at the end and where a block ends."""
        if self._at >= self._size:
            return b""
        number, first = divmod(self._at, BLOCK_BYTES)
        block = self._block(number)
        data = block[first:] if count < 0 else block[first : first + count]
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            first = number * BLOCK_BYTES
            last = min(first + BLOCK_BYTES, self._size) - 1
            opened = self._s3.get_object(**self._object, Range=f"bytes={first}-{last}")
            self._blocks[number] = opened["Body"].read()
            if len(self._blocks) > BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return self._blocks[number]
