"""Sends the images and labels of an import: in parallel, and each once however often it is interrupted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.config import Config

from cli.deployment import CONFIG, s3_client
from cli.importing.journal import Journal
from cli.importing.plan import Item, Plan
from cli.importing.sources import File, UnreadableError
from lambdas.domain.annotations import entries
from lambdas.domain.annotations.types import Problem
from lambdas.domain.register import arrivals
from lambdas.domain.register.conversion import PART_LINES
from lambdas.domain.shared import manifests

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

THREADS = 16
"""Uploads in parallel: most of the time of a small file is waiting."""

_CONFIG = CONFIG.merge(Config(max_pool_connections=THREADS))

OnSent = Callable[[Item], None]
"""Called with each image that is in the bucket."""


@dataclass
class Sent:
    """What an import has sent."""

    images: int = 0
    bytes: int = 0
    sent_before: int = 0
    """Images that an earlier import of the same dataset had sent."""
    manifests: int = 0
    problems: list[Problem] = field(default_factory=list)


def client() -> S3Client:
    """An S3 client for THREADS uploads at once."""
    return s3_client(_CONFIG)


def send(
    plan: Plan, s3: S3Client, bucket: str, journal: Journal, on_sent: OnSent = lambda item: None
) -> Sent:
    """Send what the journal does not list: images, and a manifest after each PART_LINES of them.

    Whatever interrupts it (a KeyboardInterrupt, an error of S3), the journal lists all that was sent.

    Raises:
        botocore.exceptions.ClientError, BotoCoreError: S3 cannot be written to.
    """
    sender = _Sender(plan, s3, bucket, journal, on_sent)
    for number, items in enumerate(_batches(plan.labelled), start=1):
        usable = sender.images(items, f"{arrivals.ANNOTATIONS}{plan.name}/")
        sender.manifest(usable, number)
    for items in _batches(plan.unlabelled):
        sender.images(items, f"{arrivals.UNLABELED}{plan.name}/")
    return sender.sent


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[start : start + PART_LINES] for start in range(0, len(items), PART_LINES))


class _Sender:
    def __init__(self, plan: Plan, s3: S3Client, bucket: str, journal: Journal, on_sent: OnSent) -> None:
        self.sent = Sent()
        self._plan, self._s3, self._bucket, self._journal, self._on_sent = plan, s3, bucket, journal, on_sent

    def images(self, items: Sequence[Item], folder: str) -> list[Item]:
        """Send the images of a batch. Returns those that are in the bucket after that."""
        with ThreadPoolExecutor(THREADS) as pool:
            futures = {pool.submit(self._send, item, folder + item.image): item for item in items}
            noted: set[Future[tuple[str, bool] | Problem]] = set()
            try:
                for future in as_completed(futures):
                    noted.add(future)
                    self._note(futures[future], folder, future.result())
            finally:
                pool.shutdown(cancel_futures=True)
                for future in futures.keys() - noted:
                    if not future.cancelled() and not future.exception():
                        self._note(futures[future], folder, future.result())
                self._journal.commit()
        failed = {problem.image for problem in self.sent.problems}
        return [item for item in items if item.image not in failed]

    def manifest(self, items: Sequence[Item], number: int) -> None:
        """Send the labels of a batch, unless the same were sent before."""
        if not items:
            return
        plan, began = self._plan, self._journal.began
        folder = f"{arrivals.ANNOTATIONS}{plan.name}/"
        lines = [
            manifests.entry_line(entries.entry(item.annotation, self._bucket, folder + item.image, began))
            for item in items
            if item.annotation
        ]
        body = "\n".join(lines).encode() + b"\n"
        key, content = f"{folder}part-{number:05d}.manifest", hashlib.sha256(body).hexdigest()
        if self._journal.content(key) != content:
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=body)
            self._journal.note(key, File(len(body), ""), content)
            self._journal.commit()
            self.sent.manifests += 1

    def _send(self, item: Item, key: str) -> tuple[str, bool] | Problem:
        """Send an image if needed: a digest of its content, and whether it was sent now."""
        before = self._journal.content(key)
        if before and self._journal.has(key, item.file):
            return before, False
        try:
            if before and before == self._plan.source.identity(item.image):
                return before, False
            return self._plan.source.send(item.image, self._s3, self._bucket, key), True
        except UnreadableError as error:
            return Problem(item.image, 0, "unreadable", str(error), image=item.image)

    def _note(self, item: Item, folder: str, result: tuple[str, bool] | Problem) -> None:
        if isinstance(result, Problem):
            self.sent.problems.append(result)
            return
        content, sent = result
        self._journal.note(folder + item.image, item.file, content)
        if sent:
            self.sent.images += 1
            self.sent.bytes += item.file.size
        else:
            self.sent.sent_before += 1
        self._on_sent(item)
