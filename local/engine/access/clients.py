"""AWS clients of the engine itself, which ask the server that it is part of."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any, Literal

import boto3
from botocore.config import Config


@lru_cache
def client(service: Literal["kms", "s3"], endpoint_url: str, account: str, region: str) -> Any:
    """A client that acts as root of the account."""
    # MiniStack takes an account's number as that account's root key; the server's own key is the root of
    # its default account.
    own_account = os.environ.get("MINISTACK_ACCOUNT_ID", "000000000000")
    key = os.environ.get("AWS_ACCESS_KEY_ID", account) if account == own_account else account
    return boto3.client(
        service,
        endpoint_url=endpoint_url,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key=os.environ.get("AWS_SECRET_ACCESS_KEY", "test"),
        aws_session_token=os.environ.get("AWS_SESSION_TOKEN") if account == own_account else None,
        config=Config(
            s3={"addressing_style": "path"}, retries={"total_max_attempts": 4}, max_pool_connections=16
        ),
    )
