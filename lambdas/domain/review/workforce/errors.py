"""What the routes to workers outside of LabelLoop have in common."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

PERMANENT_ERRORS = ("NoSuchKey", "NoSuchBucket", "AccessDenied")
"""Errors of S3 that no second try mends. Who may not list a bucket is denied what is not there:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html"""
_S3_URI = re.compile(r"s3://([^/]+)/(.+)", re.DOTALL)


class RouteError(Exception):
    """Amazon A2I or Ground Truth cannot be asked, or their answer cannot be read; says what to do."""


def bucket_and_key(uri: str) -> tuple[str, str]:
    """Raises RouteError unless the URI reads s3://bucket/key."""
    match = _S3_URI.fullmatch(uri)
    if match is None:
        raise RouteError(f"{uri!r} does not read s3://bucket/key")
    return match[1], match[2]


def get_object(s3: S3Client, bucket: str, key: str) -> GetObjectOutputTypeDef:
    """An object that workers' answers are in.

    Raises:
        RouteError: it is not there, or S3 refuses it.
        ClientError: S3 cannot give it now.
    """
    try:
        return s3.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in PERMANENT_ERRORS:
            raise RouteError(f"s3://{bucket}/{key} cannot be read: {error}") from error
        raise
