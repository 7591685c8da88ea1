"""The two datasets of one training: read, checked, their images fetched, and handed to the learner."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

from local.engine import images
from local.engine.access.s3 import NoObjectError, Objects, ObjectTooLargeError
from local.engine.manifests import errors as manifest_errors
from local.engine.manifests import lines as manifest_lines
from local.engine.manifests import summary as manifest_summary
from local.engine.manifests.lines import Line, Task
from local.engine.manifests.summary import Findings
from local.engine.quotas import MAX_STORED_IMAGE_BYTES
from local.engine.splitting import TooFewImagesError, choose_test_images
from local.engine.training.output import MANIFEST_SUMMARY, TESTING_VALIDATION, TRAINING_VALIDATION, Output

logger = logging.getLogger("labelloop.engine.training")

_DOWNLOADS = 8
_ENOUGH_TO_FETCH = 512
"""Images asked for at a time, which keeps what waits short and the end of the engine near."""


class ManifestFileError(Exception):
    """A manifest cannot even be looked into; the message is the documented one."""


class TrainingData:
    """The manifests' lines, and which of their images are in the directory."""

    def __init__(self, training: Sequence[str], testing: Sequence[str], *, auto_create: bool = False) -> None:
        """Read the manifests' lines.

        Raises:
            ManifestFileError: a manifest cannot even be looked into.
        """
        self.training = _read(training)
        self.testing = [] if auto_create else _read(testing)
        self.task: Task = manifest_lines.task_of(self.training)
        self._auto_create = auto_create
        self._findings = Findings()
        self._directory = Path()
        self._images: dict[str, int] = {}
        """The number of each image, which is its file's name in the directory."""

    def image_arns(self) -> list[str]:
        """ARNs of all images that the lines name."""
        lines = (*self.training, *self.testing)
        locations = dict.fromkeys(
            manifest_lines.location(line.source_ref) for line in lines if line.source_ref
        )
        return [f"arn:aws:s3:::{bucket}/{key}" for bucket, key in locations]

    def fetch_images(self, objects: Objects, directory: Path, ended: threading.Event) -> None:
        """Keep the images in the directory; a line whose image cannot be used gets its error."""
        directory.mkdir(exist_ok=True)
        self._directory = directory
        lines = (*self.training, *self.testing)
        wanted = iter(dict.fromkeys(line.source_ref for line in lines if line.usable_for(self.task)))
        start = 0
        with ThreadPoolExecutor(_DOWNLOADS) as pool:
            while not ended.is_set() and (some := list(islice(wanted, _ENOUGH_TO_FETCH))):
                numbers = range(start, start + len(some))
                paths = [directory / str(number) for number in numbers]
                kept = pool.map(_fetch, (objects for _ in some), some, paths)
                self._images.update(
                    (source, number)
                    for source, number, there in zip(some, numbers, kept, strict=True)
                    if there
                )
                start += len(some)
        self.training = [self._with_image_error(line) for line in self.training]
        self.testing = [self._with_image_error(line) for line in self.testing]

    def check(self, *, may_read_images: bool = True) -> str:
        """Look for what forbids the training; the StatusMessage to fail with, empty if it may go on.

        A training dataset that is to be split is split first, as documented for the number of labels.
        """
        both = []
        if not may_read_images:
            both.append("ERROR_INVALID_PERMISSIONS_IMAGES_S3_BUCKET")
        elif not self._images and self._image_errors():
            both.append("ERROR_FAILED_IMAGES_S3_COPY")
        if self._auto_create and not self._split():
            self._findings = Findings(("ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT",), (), tuple(both))
        else:
            self._findings = Findings(
                manifest_summary.content_errors(self.training, self.task),
                manifest_summary.content_errors(self.testing, self.task),
                (*both, *manifest_summary.shared_errors(self.training, self.testing, self.task)),
            )
        return self._findings.message

    def write_validation(self, output: Output) -> dict[str, Any]:
        """Write the validation results, the summary last; the version description's members that say where.

        https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/tm-debugging-getting-validation-data.html
        """
        training = output.put_manifest(TRAINING_VALIDATION, (line.text for line in self.training))
        testing = output.put_manifest(TESTING_VALIDATION, (line.text for line in self.testing))
        summary = manifest_summary.summary(self.training, self.testing, self.task, self._findings)
        return {
            "TrainingDataResult": {"Validation": training},
            "TestingDataResult": {"Validation": testing},
            "ManifestSummary": output.put_json(MANIFEST_SUMMARY, summary),
        }

    @property
    def labels(self) -> list[str]:
        """The labels that a model learns."""
        return manifest_lines.labels_of(self.training, self.task)

    def trained(self) -> Iterator[Line]:
        """The lines to learn from."""
        return (line for line in self.training if line.usable_for(self.task))

    def tested(self) -> Iterator[Line]:
        """The lines to test with: those that show a label which the model learns."""
        known = set(self.labels)
        return (line for line in self.testing if not known.isdisjoint(line.usable_for(self.task)))

    def write_job(self, path: Path) -> None:
        """Write the learner's job: task, and the examples to learn from and to test with, in order."""
        known = set(self.labels)
        with path.open("w") as file:
            file.write(f'{{"task": "{self.task}", "train": [')
            file.writelines(_separated(self._example(line, known) for line in self.trained()))
            file.write('], "test": [')
            file.writelines(_separated(self._example(line, known) for line in self.tested()))
            file.write("]}")

    def _example(self, line: Line, known: set[str]) -> str:
        """A line as an example; of a test image, only with labels that the model can know."""
        boxes = line.boxes if self.task == "detection" else ()
        example = {
            "path": str(self._directory / str(self._images[line.source_ref])),
            "labels": [label for label in line.usable_for(self.task) if label in known],
            "boxes": [vars(box) for box in boxes if box.label in known],
        }
        return json.dumps(example)

    def _with_image_error(self, line: Line) -> Line:
        if not line.usable_for(self.task) or line.source_ref in self._images:
            return line
        return line.with_error("ERROR_INVALID_IMAGE")

    def _image_errors(self) -> bool:
        return any("ERROR_INVALID_IMAGE" in line.errors for line in (*self.training, *self.testing))

    def _split(self) -> bool:
        """Move about a fifth of the usable training lines to the testing lines; whether that can be done."""
        try:
            chosen = choose_test_images(
                (line.source_ref, line.usable_for(self.task)) for line in self.trained()
            )
        except TooFewImagesError:
            return False
        self.testing = [line for line in self.training if line.source_ref in chosen]
        self.training = [line for line in self.training if line.source_ref not in chosen]
        return True


def _read(lines: Sequence[str]) -> list[Line]:
    if message := manifest_summary.file_error(lines):
        raise ManifestFileError(message)
    read = [manifest_lines.parse(line) for line in lines]
    if all(line.errors == ("ERROR_INVALID_JSON_LINE",) for line in read):
        raise ManifestFileError(manifest_errors.UNSUPPORTED_MANIFEST)
    return read


def _fetch(objects: Objects, source_ref: str, path: Path) -> bool:
    """Whether the image could be fetched to the path and can be used."""
    try:
        body = objects.get(*manifest_lines.location(source_ref), limit=MAX_STORED_IMAGE_BYTES)
    except (NoObjectError, ObjectTooLargeError) as error:
        logger.warning("%s", error)
        return False
    if not images.is_usable(body):
        return False
    path.write_bytes(body)
    return True


def _separated(items: Iterable[str]) -> Iterator[str]:
    for number, item in enumerate(items):
        yield f", {item}" if number else item
