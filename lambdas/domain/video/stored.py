"""Objects of S3 that are written on the condition that nobody has written them since they were read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CHANGED = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html"""


class OvertakenError(RuntimeError):
    """Somebody else has written the object meanwhile: another function works on the same."""


class StoredObject:
    """An object as it was when this was made."""

    def __init__(self, s3: S3Client, bucket: str, key: str) -> None:
        self._s3, self._bucket, self.key = s3, bucket, key
        self._etag = _etag(s3, bucket, key)

    @property
    def is_there(self) -> bool:
        return bool(self._etag)

    def read(self) -> bytes:
        """What it holds; nothing if it is not there.

        Raises:
            OvertakenError: it is another one by now.
        """
        if not self._etag:
            return b""
        with self._unless_changed():
            opened = self._s3.get_object(Bucket=self._bucket, Key=self.key, IfMatch=self._etag)
            return opened["Body"].read()

    def write(self, body: bytes | Path, content_type: str) -> None:
        """Write it.

        Raises:
            OvertakenError: it was written meanwhile.
        """
        condition: Any = {"IfMatch": self._etag} if self._etag else {"IfNoneMatch": "*"}
        put: Any = {"Bucket": self._bucket, "Key": self.key, "ContentType": content_type, **condition}
        with self._unless_changed():
            if isinstance(body, bytes):
                self._etag = self._s3.put_object(**put, Body=body)["ETag"]
            else:
                with body.open("rb") as file:
                    self._etag = self._s3.put_object(**put, Body=file)["ETag"]

    @contextmanager
    def _unless_changed(self) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            if error.response["Error"]["Code"] not in _CHANGED:
                raise
            raise OvertakenError(f"{self.key} was written by somebody else meanwhile") from error


def _etag(s3: S3Client, bucket: str, key: str) -> str:
    """Empty if the object is not there."""
    try:
        return s3.head_object(Bucket=bucket, Key=key)["ETag"]
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return ""
        raise
