"""Bringing entries into datasets, after the operation that asked for it has answered.

A dataset being created is filled by batches, and emptied again if that fails; an update and a distribution
are one transaction each. What fails the whole, and what only leaves a line out:
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/debugging-datasets-terminal-errors.html
"""

from __future__ import annotations

import io
import itertools
import logging
import threading
from collections.abc import Callable, Iterable, Iterator

from local.engine import manifests
from local.engine.api.context import FAULT
from local.engine.entries import Entry
from local.engine.quotas import Quotas
from local.engine.store import Store

logger = logging.getLogger("labelloop.engine.filling")

BATCH = 2000
SAVED = "The dataset was successfully saved."
TOO_LARGE = "The manifest file size exceeds the maximum supported size."
TOO_MANY_ROWS = "The manifest file has too many rows."
TOO_MANY_ERRORS = "The manifest file has too many terminal errors."
TOO_MANY_LABELS = "The manifest file has too many labels."
TOO_FEW_TO_DISTRIBUTE = "The manifest file doesn't have enough labeled images to distribute the dataset."


class FillError(Exception):
    """The entries cannot be taken; the message becomes the dataset's StatusMessage."""


class Filling:
    """Fills datasets that are CREATE_IN_PROGRESS or UPDATE_IN_PROGRESS and says how it ended.

    Args:
        ended: set when the engine ends; what is under way is left, and found when the store is opened again.
    """

    def __init__(self, store: Store, quotas: Quotas, ended: threading.Event) -> None:
        self._store = store
        self._quotas = quotas
        self._ended = ended

    def create(self, arn: str, source: bytes | str | None, images: int, outcome: str) -> None:
        """Fill it from a manifest, from the dataset of an ARN, or with nothing; up to `images` entries."""

        def fill() -> None:
            if isinstance(source, bytes):
                self._append(arn, source, images)
            with self._store.transaction():
                if isinstance(source, str):
                    self._copy(source, arn)
                self._finish(arn, "CREATE_COMPLETE", images)

        self._do("CREATE", fill, outcome, arn)

    def update(self, arn: str, changes: bytes, images: int, outcome: str) -> None:
        """Add the entries of these JSON Lines, or put them in the place of those of the same source-ref."""

        def fill() -> None:
            reading = _Reading()
            entries = list(reading.entries(changes))
            reading.check()
            with self._store.transaction():
                self._store.entries.put(arn, entries)
                self._finish(arn, "UPDATE_COMPLETE", images)

        self._do("UPDATE", fill, outcome, arn)

    def distribute(self, training_arn: str, testing_arn: str, images: int, outcome: str) -> None:
        """Move 20 % of the training dataset's entries to the testing dataset."""

        def fill() -> None:
            with self._store.transaction():
                if not self._store.entries.distribute(training_arn, testing_arn):
                    raise FillError(TOO_FEW_TO_DISTRIBUTE)
                for arn in (training_arn, testing_arn):
                    self._finish(arn, "UPDATE_COMPLETE", images)

        self._do("UPDATE", fill, outcome, training_arn, testing_arn)

    def _do(self, doing: str, fill: Callable[[], None], outcome: str, *arns: str) -> None:
        try:
            if outcome:
                raise FillError(FAULT)
            fill()
        except FillError as error:
            self._fail(arns, doing, str(error), "CLIENT_ERROR")
        except Exception as error:
            if self._ended.is_set():
                return
            logger.exception("%s of %s", doing, ", ".join(arns))
            self._fail(arns, doing, f"The engine failed: {error!r}", "SERVICE_ERROR")

    def _fail(self, arns: Iterable[str], doing: str, message: str, code: str) -> None:
        with self._store.transaction():
            for arn in arns:
                if doing == "CREATE":
                    self._store.entries.clear(arn)
                self._store.move_dataset(arn, f"{doing}_FAILED", message=message, code=code)

    def _append(self, arn: str, manifest: bytes, images: int) -> None:
        if len(manifest) > self._quotas.manifest_bytes:
            raise FillError(TOO_LARGE)
        reading = _Reading(images)
        entries = reading.entries(manifest)
        while batch := list(itertools.islice(entries, BATCH)):
            if self._ended.is_set():
                raise InterruptedError("the engine ends")
            self._store.entries.append(arn, batch)
        reading.check()

    def _copy(self, source_arn: str, arn: str) -> None:
        if self._store.dataset(source_arn) is None:
            raise FillError(f"The dataset {source_arn} was deleted before it was copied.")
        self._store.entries.copy(source_arn, arn)

    def _finish(self, arn: str, status: str, images: int) -> None:
        labels = self._store.entries.count(arn)
        dataset = self._store.dataset(arn)
        if dataset and dataset.total > images:
            raise FillError(TOO_MANY_ROWS)
        if labels > self._quotas.labels_per_dataset:
            raise FillError(TOO_MANY_LABELS)
        self._store.move_dataset(arn, status, message=SAVED, code="SUCCESS")


class _Reading:
    """One pass over a manifest: the lines that can be taken, and how many there were."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._lines = 0
        self._taken = 0

    def entries(self, manifest: bytes) -> Iterator[Entry]:
        """Entries with a source-ref that no line before them has; other lines are left out."""
        seen: set[str] = set()
        for text in manifest_lines(manifest):
            self._lines += 1
            if self._most is not None and self._lines > self._most:
                raise FillError(TOO_MANY_ROWS)
            entry = _entry(text)
            if entry and entry.source_ref not in seen:
                seen.add(entry.source_ref)
                self._taken += 1
                yield entry

    def check(self) -> None:
        """Raises FillError if too many lines were left out."""
        if self._lines - self._taken > manifests.MAX_INVALID_SHARE * self._lines:
            raise FillError(TOO_MANY_ERRORS)


def manifest_lines(manifest: bytes) -> Iterator[bytes]:
    """The lines of a manifest one by one, as `manifests.lines_of` lists them."""
    for line in io.BytesIO(manifest.removeprefix(b"\xef\xbb\xbf").strip()):
        yield line.removesuffix(b"\n")


def _entry(text: bytes) -> Entry | None:
    line = manifests.parse(text)
    if not line.source_ref:
        return None
    return Entry(line.source_ref, line.text, line.all_labels, line.boxed, len(line.errors))
