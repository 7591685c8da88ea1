"""The account that `labelloop doctor` looks at: whose it is, who asks, and clients of its services."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.config import Config

from cli import deployment

_CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 6},
    connect_timeout=5,
    read_timeout=15,
    max_pool_connections=20,
)


@dataclass(frozen=True)
class Identity:
    """Who asks.

    Attributes:
        expires: when the credentials do, if that is known.
        renewed: whether they are renewed by themselves before that.
        temporary: whether they expire at all.
    """

    account: str
    arn: str
    temporary: bool = False
    renewed: bool = False
    expires: datetime | None = None


@dataclass
class Account:
    """An account in a Region, and the name of the deployment that is meant."""

    name: str
    region: str
    identity: Identity
    _clients: dict[str, Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def embedded(self) -> bool:
        """Whether this is the embedded stack."""
        return self.identity.account == deployment.EMBEDDED_ACCOUNT and "AWS_ENDPOINT_URL" in os.environ

    @property
    def partition(self) -> str:
        """aws, or that of China or the US government."""
        return self.identity.arn.split(":")[1]

    def client(self, service: str, region: str = "") -> Any:
        """A client of the service. boto3's sessions must not make two of them at once."""
        with self._lock:
            key = f"{service}@{region}"
            if key not in self._clients:
                self._clients[key] = deployment.session().client(  # pyrefly: ignore[no-matching-overload]
                    service, config=_CONFIG, region_name=region or self.region
                )
            return self._clients[key]

    def pages(self, service: str, operation: str, **request: Any) -> Iterator[dict[str, Any]]:
        """The pages of a list."""
        yield from self.client(service).get_paginator(operation).paginate(**request)


def identify(region: str) -> Identity:
    """Who asks, by STS, which answers everybody whose credentials AWS accepts.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html

    Raises:
        ClientError, BotoCoreError: there are no credentials, or AWS does not accept them.
    """
    session = deployment.session()
    answer = session.client("sts", config=_CONFIG, region_name=region).get_caller_identity()
    credentials = session.get_credentials()
    return Identity(
        account=answer["Account"],
        arn=answer["Arn"],
        temporary=bool(credentials and credentials.token),
        renewed=hasattr(credentials, "refresh_needed"),
        expires=getattr(credentials, "_expiry_time", None),
    )
