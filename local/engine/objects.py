"""Objects of S3, read and written by the engine itself; whether the caller may is asked before."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_READ_BYTES = 1 << 30
"""Of a manifest, the largest object that Custom Labels reads (limits.html); images are far smaller."""


class NoObjectError(Exception):
    """The object cannot be read or written; the message says why."""


class Objects(Protocol):
    """The objects of one account in one Region."""

    def get(self, bucket: str, key: str, version: str | None = None) -> bytes: ...

    def put(
        self, bucket: str, key: str, body: bytes | IO[bytes], content_type: str, *, kms_key_id: str = ""
    ) -> None:
        """Write an object, encrypted with that AWS KMS key; as the bucket does by default if it is empty."""


class S3Objects:
    """Objects behind the S3 endpoint `endpoint_url`, as root of `account`."""

    def __init__(self, endpoint_url: str, account: str, region: str) -> None:
        self._s3 = _client(endpoint_url, account, region)

    def get(self, bucket: str, key: str, version: str | None = None) -> bytes:
        optional: dict[str, Any] = {"VersionId": version} if version else {}
        try:
            found = self._s3.get_object(Bucket=bucket, Key=key, **optional)
            if found["ContentLength"] > MAX_READ_BYTES:
                found["Body"].close()
                raise NoObjectError(f"s3://{bucket}/{key}: more than {MAX_READ_BYTES} bytes")
            return found["Body"].read()
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


@lru_cache
def _client(endpoint_url: str, account: str, region: str) -> S3Client:
    # MiniStack takes an account's number as that account's root key; the server's own key is the root of
    # its default account.
    own_account = os.environ.get("MINISTACK_ACCOUNT_ID", "000000000000")
    key = os.environ.get("AWS_ACCESS_KEY_ID", account) if account == own_account else account
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key=os.environ.get("AWS_SECRET_ACCESS_KEY", "test"),
        aws_session_token=os.environ.get("AWS_SESSION_TOKEN") if account == own_account else None,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 3}, max_pool_connections=16),
    )
