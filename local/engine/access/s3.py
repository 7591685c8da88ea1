"""Objects of S3, read and written by the engine itself; whether the caller may is asked before."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from local.engine.access.clients import client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class NoObjectError(Exception):
    """The object cannot be read or written; the message says why."""


class ObjectTooLargeError(Exception):
    """The object has more bytes than whoever asks for it can use."""


class Objects(Protocol):
    """The objects of one account in one Region."""

    def get(self, bucket: str, key: str, version: str | None = None, *, limit: int | None = None) -> bytes:
        """The object's bytes.

        Raises:
            NoObjectError: it cannot be read.
            ObjectTooLargeError: it has more than `limit` bytes; none of them was read.
        """

    def put(
        self, bucket: str, key: str, body: bytes | IO[bytes], content_type: str, *, kms_key_id: str = ""
    ) -> None:
        """Write an object, encrypted with that AWS KMS key; as the bucket does by default if it is empty."""


class S3Objects:
    """Objects behind the S3 endpoint `endpoint_url`, as root of `account`."""

    def __init__(self, endpoint_url: str, account: str, region: str) -> None:
        self._s3: S3Client = client("s3", endpoint_url, account, region)

    def get(self, bucket: str, key: str, version: str | None = None, *, limit: int | None = None) -> bytes:
        optional: dict[str, Any] = {"VersionId": version} if version else {}
        try:
            response = self._s3.get_object(Bucket=bucket, Key=key, **optional)
            if limit is not None and response["ContentLength"] > limit:
                response["Body"].close()
                raise ObjectTooLargeError(f"s3://{bucket}/{key} has more than {limit} bytes")
            return response["Body"].read()
        except (ClientError, BotoCoreError) as error:
            raise NoObjectError(f"s3://{bucket}/{key}: {error}") from error

    def put(
        self, bucket: str, key: str, body: bytes | IO[bytes], content_type: str, *, kms_key_id: str = ""
    ) -> None:
        encryption: dict[str, Any] = (
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key_id} if kms_key_id else {}
        )
        try:
            self._s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type, **encryption)
        except (ClientError, BotoCoreError) as error:
            raise NoObjectError(f"s3://{bucket}/{key}: {error}") from error
