"""Objects of S3, read and written by the engine itself; whether the caller may is asked before."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class NoObjectError(Exception):
    """The object cannot be read or written; the message says why."""


class Objects(Protocol):
    """The objects of one account in one Region."""

    def get(self, bucket: str, key: str, version: str | None = None) -> bytes: ...

    def put(self, bucket: str, key: str, body: bytes, content_type: str) -> None: ...


class S3Objects:
    """Objects behind the S3 endpoint `endpoint_url`, as root of `account`."""

    def __init__(self, endpoint_url: str, account: str, region: str) -> None:
        self._s3 = _client(endpoint_url, account, region)

    def get(self, bucket: str, key: str, version: str | None = None) -> bytes:
        optional = {"VersionId": version} if version else {}
        try:
            return self._s3.get_object(Bucket=bucket, Key=key, **optional)["Body"].read()  # type: ignore[arg-type]
        except (ClientError, BotoCoreError) as error:
            raise NoObjectError(f"s3://{bucket}/{key}: {error}") from error

    def put(self, bucket: str, key: str, body: bytes, content_type: str) -> None:
        try:
            self._s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type)
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
