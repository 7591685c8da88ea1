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
from lambdas.domain.images import files as image_files
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
    """Send what the journal does not list: images, and a manifest before each PART_LINES of them.

    A manifest comes first, so that nobody is asked about an image that is about to be labelled. It names
    images by their content, or by keys that no other content has: so it labels the right ones, whatever else
    is imported under these names.

    Whatever interrupts it (a KeyboardInterrupt, an error of S3), the journal lists all that was sent.

    Raises:
        botocore.exceptions.ClientError, BotoCoreError: S3 cannot be written to.
    """
    sender = _Sender(plan, s3, bucket, journal, on_sent)
    for number, items in enumerate(_batches(plan.labelled), start=1):
        folder = f"{arrivals.ANNOTATIONS}{plan.name}/"
        readable = sender.identify(items, folder)
        sender.manifest(readable, number)
        sender.images(readable)
    for items in _batches(plan.unlabelled):
        folder = f"{arrivals.UNLABELED}{plan.name}/"
        sender.images(sender.identify(items, folder))
    return sender.sent


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[start : start + PART_LINES] for start in range(0, len(items), PART_LINES))


@dataclass(frozen=True)
class _Readable:
    """An image to send, with a digest of its content, and the key that it is sent to."""

    item: Item
    content: str
    key: str


class _Sender:
    def __init__(self, plan: Plan, s3: S3Client, bucket: str, journal: Journal, on_sent: OnSent) -> None:
        self.sent = Sent()
        self._plan, self._s3, self._bucket, self._journal, self._on_sent = plan, s3, bucket, journal, on_sent

    def identify(self, items: Sequence[Item], folder: str) -> list[_Readable]:
        """Find out what content the images of a batch have: those that can be read, in their order."""
        with ThreadPoolExecutor(THREADS) as pool:
            identified = list(pool.map(lambda item: self._identify(item, folder), items))
        self.sent.problems += [each for each in identified if isinstance(each, Problem)]
        return [each for each in identified if isinstance(each, _Readable)]

    def manifest(self, images: Sequence[_Readable], number: int) -> None:
        """Send the labels of a batch, unless the same were sent before."""
        if not images:
            return
        lines = [
            manifests.entry_line(
                entries.entry(each.item.annotation, self._bucket, self._name(each), self._journal.began)
            )
            for each in images
            if each.item.annotation
        ]
        body = "\n".join(lines).encode() + b"\n"
        key = f"{arrivals.ANNOTATIONS}{self._plan.name}/part-{number:05d}.manifest"
        content = hashlib.sha256(body).hexdigest()
        if self._journal.content(key) != content:
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=body)
            self._journal.note(key, File(len(body), ""), content)
            self._journal.commit()
            self.sent.manifests += 1

    def images(self, images: Sequence[_Readable]) -> None:
        """Send the images of a batch."""
        with ThreadPoolExecutor(THREADS) as pool:
            futures = {pool.submit(self._send, image): image for image in images}
            noted: set[Future[bool | Problem]] = set()
            try:
                for future in as_completed(futures):
                    noted.add(future)
                    self._note(futures[future], future.result())
            finally:
                pool.shutdown(cancel_futures=True)
                for future in futures.keys() - noted:
                    if not future.cancelled() and not future.exception():
                        self._note(futures[future], future.result())
                self._journal.commit()

    def _identify(self, item: Item, folder: str) -> _Readable | Problem:
        source = self._plan.source
        key = f"{folder}{source.folder(item.image)}{item.image}"
        before = self._journal.content(key)
        try:
            known = before if before and self._journal.has(key, item.file) else None
            return _Readable(item, known or source.identity(item.image), key)
        except UnreadableError as error:
            return _unreadable(item, error)

    def _name(self, image: _Readable) -> str:
        """What the manifest calls an image."""
        if self._plan.source.has_hashes:
            return image_files.registered_key(image.content, image.item.format)
        return image.key

    def _send(self, image: _Readable) -> bool | Problem:
        """Send an image if needed: whether it was sent now."""
        if self._journal.content(image.key) == image.content:
            return False
        try:
            self._plan.source.send(image.item.image, image.content, self._s3, self._bucket, image.key)
        except UnreadableError as error:
            return _unreadable(image.item, error)
        return True

    def _note(self, image: _Readable, result: bool | Problem) -> None:
        if isinstance(result, Problem):
            self.sent.problems.append(result)
            return
        self._journal.note(image.key, image.item.file, image.content)
        if result:
            self.sent.images += 1
            self.sent.bytes += image.item.file.size
        else:
            self.sent.sent_before += 1
        self._on_sent(image.item)


def _unreadable(item: Item, error: UnreadableError) -> Problem:
    return Problem(item.image, 0, "unreadable", str(error), image=item.image)
