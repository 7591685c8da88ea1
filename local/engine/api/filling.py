"""Bringing entries into datasets, after the operation that asked for it has answered.

What it takes is kept in the transaction that makes the dataset busy, and forgotten in the one that ends the
work: an engine that ends before leaves the work to the next one.

A dataset being created is filled by batches, and emptied again if that fails; an update and a distribution
are one transaction each. What fails the whole, and what only leaves a line out:
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/debugging-datasets-terminal-errors.html
"""

from __future__ import annotations

import functools
import itertools
import logging
import os
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from local.engine.manifests import errors as manifest_errors
from local.engine.manifests import lines as manifest_lines
from local.engine.quotas import MAX_INVALID_SHARE, Quotas
from local.engine.splitting import TooFewImagesError, choose_test_images
from local.engine.storage.entries import Entry
from local.engine.storage.store import Store, Work

logger = logging.getLogger("labelloop.engine.filling")

BATCH = 2000
SAVED = "The dataset was successfully saved."


class FillError(Exception):
    """The entries cannot be taken; the message becomes the dataset's StatusMessage."""


class Filling:
    """Fills datasets that are CREATE_IN_PROGRESS or UPDATE_IN_PROGRESS and says how it ended.

    Args:
        directory: for what the work under way is made from.
        begin: has something done in another thread.
        ended: set when the engine ends.
    """

    def __init__(
        self,
        store: Store,
        quotas: Quotas,
        directory: Path,
        begin: Callable[[Callable[[], None]], None],
        ended: threading.Event,
    ) -> None:
        self._store = store
        self._quotas = quotas
        self._directory = directory
        self._begin = begin
        self._ended = ended

    @contextmanager
    def promised(self, work: Work, body: bytes | None = None) -> Iterator[None]:
        """The transaction that makes the datasets busy; the work begins when it is committed.

        Args:
            body: JSON Lines: the manifest of a new dataset, or the changes of an update.
        """
        kept = replace(work, file=self._keep(body))
        try:
            with self._store.transaction():
                yield
                kept = self._store.add_work(kept)
        except BaseException:
            self._forget(kept)
            raise
        self._begin(functools.partial(self._do, kept))

    def resume(self) -> None:
        """Begin what the last engine did not end."""
        promised = self._store.work()
        needed = {work.file for work in promised}
        for file in self._directory.glob("*"):
            if file.name not in needed:
                file.unlink()
        for work in promised:
            self._begin(functools.partial(self._do, work))

    def _do(self, work: Work) -> None:
        tasks = {"CREATE": self._create, "UPDATE": self._update, "DISTRIBUTE": self._distribute}
        try:
            if work.failure:
                raise FillError(work.failure)
            tasks[work.task](work)
        except FillError as error:
            self._fail(work, str(error), "CLIENT_ERROR")
        except Exception as error:
            if self._ended.is_set():
                return
            logger.exception("%s of %s", work.task, ", ".join(work.datasets))
            self._fail(work, f"The engine failed: {error!r}", "SERVICE_ERROR")
        self._forget(work)

    def _create(self, work: Work) -> None:
        (arn,) = work.datasets
        # An engine that ended may have left batches.
        self._store.entries.clear(arn)
        if work.file:
            self._append(arn, work)
        with self._store.transaction():
            if work.copied:
                self._copy(work.copied, arn)
            self._finish(work)

    def _update(self, work: Work) -> None:
        """Add entries, or put them in the place of those of the same source-ref."""
        (arn,) = work.datasets
        reading = _Reading()
        entries = list(reading.entries(self._lines(work)))
        reading.check()
        with self._store.transaction():
            self._store.entries.put(arn, entries)
            self._finish(work)

    def _distribute(self, work: Work) -> None:
        training, testing = work.datasets
        try:
            chosen = choose_test_images(self._store.entries.learned_labels(training))
        except TooFewImagesError as error:
            raise FillError(manifest_errors.TOO_FEW_TO_DISTRIBUTE) from error
        with self._store.transaction():
            self._store.entries.move(training, testing, chosen)
            self._finish(work)

    def _append(self, arn: str, work: Work) -> None:
        reading = _Reading(work.images)
        entries = reading.entries(self._lines(work))
        while batch := list(itertools.islice(entries, BATCH)):
            if self._ended.is_set():
                raise InterruptedError("the engine ends")
            self._store.entries.append(arn, batch)
        reading.check()

    def _copy(self, source_arn: str, arn: str) -> None:
        if self._store.dataset(source_arn) is None:
            raise FillError(f"The dataset {source_arn} was deleted before it was copied.")
        self._store.entries.copy(source_arn, arn)

    def _finish(self, work: Work) -> None:
        status = "CREATE_COMPLETE" if work.task == "CREATE" else "UPDATE_COMPLETE"
        for arn in work.datasets:
            labels = self._store.entries.count(arn)
            dataset = self._store.dataset(arn)
            if dataset and dataset.total > work.images:
                raise FillError(manifest_errors.TOO_MANY_ROWS)
            if labels > self._quotas.labels_per_dataset:
                raise FillError(manifest_errors.TOO_MANY_LABELS)
            self._store.move_dataset(arn, status, message=SAVED, code="SUCCESS")
        self._store.end_work(work)

    def _fail(self, work: Work, message: str, code: str) -> None:
        status = "CREATE_FAILED" if work.task == "CREATE" else "UPDATE_FAILED"
        with self._store.transaction():
            for arn in work.datasets:
                if work.task == "CREATE":
                    self._store.entries.clear(arn)
                self._store.move_dataset(arn, status, message=message, code=code)
            self._store.end_work(work)

    def _keep(self, body: bytes | None) -> str:
        """The name of a file with the body, which is on the disk then; empty if there is none."""
        if body is None:
            return ""
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / uuid.uuid4().hex
        with path.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        return path.name

    def _lines(self, work: Work) -> Iterator[bytes]:
        with (self._directory / work.file).open("rb") as file:
            yield from manifest_lines.lines_of(file)

    def _forget(self, work: Work) -> None:
        if work.file:
            (self._directory / work.file).unlink(missing_ok=True)


class _Reading:
    """One pass over a manifest: the lines that can be taken, and how many there were."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._lines = 0
        self._taken = 0

    def entries(self, lines: Iterable[bytes]) -> Iterator[Entry]:
        """Entries with a source-ref that no line before them has; other lines are left out."""
        seen: set[str] = set()
        for text in lines:
            self._lines += 1
            if self._most is not None and self._lines > self._most:
                raise FillError(manifest_errors.TOO_MANY_ROWS)
            entry = _entry(text)
            if entry and entry.source_ref not in seen:
                seen.add(entry.source_ref)
                self._taken += 1
                yield entry

    def check(self) -> None:
        """Check how many lines were left out.

        Raises:
            FillError: too many.
        """
        if self._lines - self._taken > MAX_INVALID_SHARE * self._lines:
            raise FillError(manifest_errors.TOO_MANY_ERRORS)


def _entry(text: bytes) -> Entry | None:
    line = manifest_lines.parse(text)
    if not line.source_ref:
        return None
    return Entry(line.source_ref, line.text, line.all_labels, line.boxed, len(line.errors))
