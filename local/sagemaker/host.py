"""What the emulation needs of MiniStack: its IAM, its EventBridge, and S3 with a role's permissions.

MiniStack keeps its state for the thread of its event loop, so everything here that asks it runs there.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")

SERVICE_PRINCIPAL = "sagemaker.amazonaws.com"
URL_SECONDS = 900
_SESSION = "SageMaker"
_PORTAL = "https://worker-portal.example"
"""The origin that stands for worker portals: one as any other."""


class AccessError(Exception):
    """The role cannot be used, or S3 does not let it; the message says why."""


class Caller(Protocol):
    """The caller of an operation."""

    account: str
    region: str

    def may_pass(self, role_arn: str) -> bool:
        """Whether the caller's policies let SageMaker be given the role (iam:PassRole)."""


class Objects(Protocol):
    """S3 with the permissions of a role."""

    def get(self, bucket: str, key: str) -> bytes:
        """The object's bytes.

        Raises:
            AccessError: the object is not there, or the role may not read it.
        """

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """Keys of the objects below a prefix.

        Raises:
            AccessError: the role may not list the bucket, or there is no such bucket.
        """

    def put(self, bucket: str, key: str, body: bytes) -> None:
        """Write the object.

        Raises:
            AccessError: the role may not write it.
        """

    def url(self, bucket: str, key: str) -> str:
        """A URL that reads the object for URL_SECONDS."""


class Host(Protocol):
    def objects(self, role_arn: str, region: str) -> Objects:
        """S3 with a role's permissions.

        Raises:
            AccessError: there is no such role, or it does not trust SageMaker.
        """

    def check_cors(self, account: str, region: str, bucket: str) -> None:
        """Check that the bucket's CORS rules let pages elsewhere get its images: AWS fails the workers' tasks
        without them.

        Raises:
            AccessError: they do not.

        https://docs.aws.amazon.com/sagemaker/latest/dg/a2i-permissions-security.html#a2i-cors-update
        """

    def put_event(self, account: str, region: str, event: Mapping[str, Any]) -> None:
        """Put an event of aws.sagemaker on the default bus.

        Args:
            event: DetailType, Detail and Resources, as PutEvents takes them.
        """


class MiniStack:
    """MiniStack in this process.

    Args:
        loop: its event loop.
    """

    def __init__(self, endpoint_url: str, loop: asyncio.AbstractEventLoop) -> None:
        self._endpoint_url = endpoint_url
        self._loop = loop

    def objects(self, role_arn: str, region: str) -> Objects:
        account = role_arn.split(":")[4]
        return S3(self._endpoint_url, region, self._there(account, region, lambda: _session(role_arn)))

    def check_cors(self, account: str, region: str, bucket: str) -> None:
        if not self._there(account, region, lambda: _lets_pages_get(bucket)):
            raise AccessError(
                f"bucket {bucket} has no CORS rule that lets GET come from any origin: workers cannot be"
                " shown its images"
            )

    def put_event(self, account: str, region: str, event: Mapping[str, Any]) -> None:
        self._there(account, region, lambda: _put_event(event))

    def _there(self, account: str, region: str, what: Callable[[], T]) -> T:
        """Do it on the event loop, as a request of this account in this Region."""

        async def done() -> T:
            from ministack.core import responses  # noqa: PLC0415 - reads the environment when first imported

            responses.set_request_account_id(account)
            responses.set_request_region(region)
            return what()

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result()


class S3:
    """MiniStack's S3, asked with these credentials (access key, secret key, session token)."""

    def __init__(self, endpoint_url: str, region: str, credentials: tuple[str, str, str | None]) -> None:
        self._s3 = _client(endpoint_url, region, credentials)

    def get(self, bucket: str, key: str) -> bytes:
        try:
            return self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except (ClientError, BotoCoreError) as error:
            raise AccessError(f"s3://{bucket}/{key}: {error}") from error

    def keys(self, bucket: str, prefix: str) -> list[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        try:
            return [listed["Key"] for page in pages for listed in page.get("Contents", [])]
        except (ClientError, BotoCoreError) as error:
            raise AccessError(f"s3://{bucket}/{prefix}: {error}") from error

    def put(self, bucket: str, key: str, body: bytes) -> None:
        try:
            self._s3.put_object(Bucket=bucket, Key=key, Body=body)
        except (ClientError, BotoCoreError) as error:
            raise AccessError(f"s3://{bucket}/{key}: {error}") from error

    def url(self, bucket: str, key: str) -> str:
        wanted = {"Bucket": bucket, "Key": key}
        return self._s3.generate_presigned_url("get_object", Params=wanted, ExpiresIn=URL_SECONDS)


@functools.lru_cache
def _client(endpoint_url: str, region: str, credentials: tuple[str, str, str | None]) -> S3Client:
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=region,
        aws_access_key_id=credentials[0],
        aws_secret_access_key=credentials[1],
        aws_session_token=credentials[2],
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 3}),
    )


def _session(role_arn: str) -> tuple[str, str, str | None]:
    """Credentials of the role, as SageMaker would get them of STS; root's where there is no IAM."""
    from ministack.app import AUTH  # noqa: PLC0415
    from ministack.core.iam_evaluator import EvalContext, evaluate_trust_policy  # noqa: PLC0415
    from ministack.services import iam, sts  # noqa: PLC0415

    account, name = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
    if not AUTH:
        return account, os.environ.get("AWS_SECRET_ACCESS_KEY", "test"), os.environ.get("AWS_SESSION_TOKEN")
    role = iam._roles.get(name)
    if role is None:
        raise AccessError(f"there is no role {role_arn}")
    context = EvalContext(SERVICE_PRINCIPAL, "Service", account, "sts:AssumeRole", role_arn, "")
    if not evaluate_trust_policy(_services_only(role), SERVICE_PRINCIPAL, context):
        raise AccessError(f"role {role_arn} does not let {SERVICE_PRINCIPAL} assume it")
    digest = hashlib.sha256(f"{_SESSION}:{role_arn}".encode()).hexdigest()
    key, secret, token = f"ASIA{digest[:16].upper()}", digest[16:56], f"token-{digest}"
    session = {
        "Arn": f"arn:aws:sts::{account}:assumed-role/{name}/{_SESSION}",
        "UserId": f"{name}:{_SESSION}",
        "SecretAccessKey": secret,
        "SessionToken": token,
    }
    sts.register_session(key, session)
    return key, secret, token


def _services_only(role: Mapping[str, Any]) -> dict[str, Any]:
    """The trust policy with each service where MiniStack's evaluator looks for whoever asks: it evaluates
    other principals only."""
    document = role.get("AssumeRolePolicyDocument") or "{}"
    policy = json.loads(document) if isinstance(document, str) else document
    statements = policy.get("Statement", [])
    listed = statements if isinstance(statements, list) else [statements]
    return {
        "Statement": [
            {**statement, "Principal": {"AWS": _services(statement.get("Principal"))}} for statement in listed
        ]
    }


def _services(principal: Any) -> list[str]:
    services = principal.get("Service", []) if isinstance(principal, dict) else []
    return [services] if isinstance(services, str) else list(services)


def _lets_pages_get(bucket: str) -> bool:
    from ministack.services import s3  # noqa: PLC0415

    return s3._cors_answer(s3._cors_rules(bucket) or [], _PORTAL, "GET", []) is not None


def _put_event(event: Mapping[str, Any]) -> None:
    from ministack.services import eventbridge  # noqa: PLC0415

    entry = {**event, "Source": "aws.sagemaker", "Detail": json.dumps(event["Detail"])}
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
