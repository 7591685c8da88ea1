"""What all operations work with: the store, the trainer, S3, and resources found by their ARNs."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from local.engine import arns
from local.engine.access.kms import Keys, NoKeyError
from local.engine.access.s3 import NoObjectError, Objects
from local.engine.api.filling import Filling
from local.engine.errors import (
    AccessDeniedException,
    InvalidParameterException,
    InvalidS3ObjectException,
    ResourceNotFoundException,
)
from local.engine.paging import Pages
from local.engine.quotas import Quotas
from local.engine.serving.endpoint import Endpoints
from local.engine.storage.store import Dataset, Project, Store, Version
from local.engine.throttle import Throttle
from local.engine.training.trainer import Trainer

logger = logging.getLogger("labelloop.engine.api")

Request = Mapping[str, Any]
Answer = dict[str, Any]
T = TypeVar("T")

KEY_ACTIONS = ("kms:CreateGrant", "kms:DescribeKey", "kms:GenerateDataKey", "kms:Decrypt")
"""What the documentation of CreateProjectVersion and CopyProjectVersion asks for on a KmsKeyId."""

_NO_S3_OBJECT = "Unable to get object metadata from S3. Check object key, region and/or access permissions."


Permission = Callable[[Iterable[str]], bool]
"""Whether an action is allowed on each of these ARNs."""


class Caller(Protocol):
    """The caller of an operation, and what they may do."""

    account: str
    region: str

    def permission(self, action: str) -> Permission:
        """What the caller's policies allow now of the action, to be asked later and from any thread."""

    def may(self, action: str, *resources: str) -> bool:
        """Whether the caller's policies allow the action on each of these ARNs."""


class Clock:
    """The time, never the same twice: it is what tells two ARNs of one name apart."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def now(self) -> int:
        """The time now, in milliseconds since the epoch."""
        with self._lock:
            self._last = max(self._last + 1, int(time.time() * 1000))
            return self._last


@dataclass(frozen=True)
class Context:
    store: Store
    state: Path
    """The directory that holds the trained models."""
    trainer: Trainer
    endpoints: Endpoints
    objects_of: Callable[[str, str], Objects]
    keys_of: Callable[[str, str], Keys]
    quotas: Quotas
    throttle: Throttle | None
    clock: Clock = field(default_factory=Clock)
    ended: threading.Event = field(default_factory=threading.Event)
    """An event that is set when the engine ends."""
    _work: ThreadPoolExecutor = field(
        default_factory=functools.partial(ThreadPoolExecutor, 2, thread_name_prefix="dataset")
    )

    def begin(self, work: Callable[[], None]) -> None:
        """Do work in the background that an operation begins and does not wait for."""
        self._work.submit(work)

    def close(self) -> None:
        """End the engine's work; work with datasets that is not done is left to the next engine."""
        self.ended.set()
        self.trainer.close()
        self.endpoints.close()
        self._work.shutdown(wait=True, cancel_futures=True)

    @functools.cached_property
    def filling(self) -> Filling:
        return Filling(self.store, self.quotas, self.state / "work", self.begin, self.ended)

    @functools.cached_property
    def pages(self) -> Pages:
        return Pages(self.store.page_secret())

    # Resources by their ARNs

    def project(self, arn: str, caller: Caller) -> Project:
        return existing_for(caller, arn, self.store.project(arn))

    def dataset(self, arn: str, caller: Caller) -> Dataset:
        return existing_for(caller, arn, self.store.dataset(arn))

    def version(self, arn: str, caller: Caller) -> Version:
        return existing_for(caller, arn, self.store.version(arn))

    # S3 and KMS, with the caller's permissions

    def objects(self, caller: Caller) -> Objects:
        return self.objects_of(caller.account, caller.region)

    def read(self, s3_object: Request, caller: Caller, where: str, *, limit: int) -> bytes:
        """The object's bytes, if the caller may read it; `where` names the member of the request.

        Raises:
            InvalidS3ObjectException: it cannot be read.
            ObjectTooLargeError: it has more than `limit` bytes.
        """
        bucket, key, version = s3_object.get("Bucket"), s3_object.get("Name"), s3_object.get("Version")
        if not bucket or not key:
            raise InvalidS3ObjectException(f"{where} needs a Bucket and a Name")
        action = "s3:GetObjectVersion" if version else "s3:GetObject"
        if not caller.may(action, f"arn:aws:s3:::{bucket}/{key}"):
            raise InvalidS3ObjectException(f"{_NO_S3_OBJECT} ({where})")
        try:
            return self.objects(caller).get(bucket, key, version, limit=limit)
        except NoObjectError as error:
            logger.info("%s", error)
            raise InvalidS3ObjectException(f"{_NO_S3_OBJECT} ({where})") from error

    def may_write(self, caller: Caller, bucket: str, keys: Iterable[str]) -> bool:
        return caller.may("s3:PutObject", *(f"arn:aws:s3:::{bucket}/{key}" for key in keys))

    def check_output(self, request: Request) -> None:
        """Check that OutputConfig names a bucket.

        Raises:
            InvalidParameterException: it does not.
        """
        if not request["OutputConfig"].get("S3Bucket"):
            raise InvalidParameterException("OutputConfig needs an S3Bucket")

    def check_key(self, request: Request, caller: Caller) -> None:
        """Check that the KmsKeyId, if there is one, can be used.

        Raises:
            InvalidParameterException: there is no such key, or it is not enabled.
            AccessDeniedException: the caller may not use it.
        """
        key_id = request.get("KmsKeyId")
        if key_id is None:
            return
        try:
            arn = self.keys_of(caller.account, caller.region).usable(key_id)
        except NoKeyError as error:
            raise InvalidParameterException(f"KmsKeyId {key_id} cannot be used: {error}") from error
        for action in KEY_ACTIONS:
            if not caller.may(action, arn):
                raise AccessDeniedException(f"You are not authorized to perform {action} on KmsKeyId {arn}")


def existing_for(caller: Caller, arn: str, resource: T | None) -> T:
    """The resource, if it is there and of the caller's account and Region.

    Raises:
        ResourceNotFoundException: it is not.
    """
    parts = arns.parse(arn)
    if resource is None or parts is None or (parts.account, parts.region) != (caller.account, caller.region):
        raise ResourceNotFoundException(f"There is no {arn} in this account and Region")
    return resource
