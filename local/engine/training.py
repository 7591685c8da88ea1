"""Trainings: one at a time, each in a process of its own.

The engine prepares a job (validates the manifests, fetches the images), a child process learns and evaluates
(`python -m local.engine.training <directory>`), and the engine writes the results where Rekognition does:

- manifest_summary.json, training_ and testing_manifest_with_validation.json:
  https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/tm-debugging-getting-validation-data.html
- EvaluationResultSummary-<project>-<version>.json:
  https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/im-summary-file-api.html
"""

from __future__ import annotations

import datetime
import hashlib
import json
import logging
import math
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from local.engine import arns, children, images, manifests
from local.engine.manifests import Line, Task
from local.engine.objects import NoObjectError, Objects
from local.engine.store import Store

logger = logging.getLogger("labelloop.engine.training")

GRACE_SECONDS = 180.0
"""What loading, evaluating and saving may take beside the budget for learning."""

_CANNOT_WRITE = "Unable to write to output S3 bucket."
_DOWNLOADS = 8


class TrainingFailedError(Exception):
    """The training cannot go on; the message becomes the version's StatusMessage."""


@dataclass(frozen=True)
class TrainingRequest:
    """All that a training needs; the datasets are those of the moment of CreateProjectVersion."""

    version_arn: str
    training: Sequence[str]
    testing: Sequence[str]
    """Manifest lines."""
    bucket: str
    prefix: str
    objects: Objects
    may_read_images: bool = True
    may_write_output: bool = True
    """Whether the caller's permissions reach so far."""
    fail_with: str = ""
    """A test's wish that the training end with this message."""


class Trainer(Protocol):
    """What the API needs of trainings. A version is TRAINING_IN_PROGRESS when it is submitted."""

    def submit(self, request: TrainingRequest) -> None: ...

    def close(self) -> None: ...


Learner = Callable[[Path, float, threading.Event], None]
"""Learn from job.json in the directory and leave model/ and evaluation.json there, within so many seconds and
until the event is set; TrainingFailedError says why not."""


def version_directory(state: Path, version_arn: str) -> Path:
    return state / "versions" / hashlib.sha256(version_arn.encode()).hexdigest()[:32]


def budget_seconds() -> float:
    """The longest that learning may take: LABELLOOP_TRAINING_SECONDS, 600 if that is not set."""
    return float(os.environ.get("LABELLOOP_TRAINING_SECONDS", "600"))


def learn_in_child(directory: Path, seconds: float, ended: threading.Event) -> None:
    """The Learner that learns: a child process at low priority."""
    log = directory / "training.log"
    child = children.spawn("local.engine.training", str(directory), str(seconds), log=log)
    deadline = time.monotonic() + seconds + GRACE_SECONDS
    try:
        while child.poll() is None:
            if ended.is_set():
                raise TrainingFailedError("The engine was ended before the training was.")
            if time.monotonic() > deadline:
                raise TrainingFailedError(
                    f"The training was cut off: it took more than {seconds:.0f} seconds."
                )
            try:
                child.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
    finally:
        code = children.end(child, seconds=0.5)
    if code != 0:
        raise TrainingFailedError(f"The training ended with code {code}: {children.last_words(log)}")


class LocalTrainer:
    """Trains the submitted versions one after the other, in the order in which they came."""

    def __init__(self, store: Store, state: Path, *, learner: Learner = learn_in_child) -> None:
        self._store = store
        self._state = state
        self._learner = learner
        self._ended = threading.Event()
        self._waiting: queue.Queue[TrainingRequest | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="trainer", daemon=True)
        self._thread.start()

    def submit(self, request: TrainingRequest) -> None:
        self._waiting.put(request)

    def close(self) -> None:
        """End the training under way; what waits is found as failed when the store is opened again."""
        self._ended.set()
        self._waiting.put(None)
        self._thread.join(10)

    def _work(self) -> None:
        while (request := self._waiting.get()) is not None and not self._ended.is_set():
            self._train(request)

    def _train(self, request: TrainingRequest) -> None:
        started = time.time()
        details: dict[str, Any] = {}
        directory = version_directory(self._state, request.version_arn)
        try:
            status, message = "TRAINING_COMPLETED", "The model is ready to run."
            self._run(request, directory, details)
        except TrainingFailedError as error:
            status, message = "TRAINING_FAILED", str(error)
        except Exception as error:
            logger.exception("training of %s", request.version_arn)
            status, message = "TRAINING_FAILED", f"The engine failed: {error!r}"
        finally:
            shutil.rmtree(directory / "images", ignore_errors=True)
        ended = time.time()
        details["TrainingEndTimestamp"] = ended
        if status == "TRAINING_COMPLETED":
            details["BillableTrainingTimeInSeconds"] = math.ceil(ended - started)
        logger.info("%s of %s after %.1f s: %s", status, request.version_arn, ended - started, message)
        self._store.move_version(
            request.version_arn, status, when={"TRAINING_IN_PROGRESS"}, message=message, details=details
        )

    def _run(self, request: TrainingRequest, directory: Path, details: dict[str, Any]) -> None:
        if request.fail_with:
            raise TrainingFailedError(request.fail_with)
        if not request.may_write_output:
            raise TrainingFailedError(_CANNOT_WRITE)
        if not request.training or not request.testing:
            raise TrainingFailedError(manifests.MESSAGES["ERROR_EMPTY_MANIFEST"])
        directory.mkdir(parents=True, exist_ok=True)
        job = _Job(request, directory)
        job.fetch_images()
        details.update(job.write_validation())
        job.check()
        job.write()
        self._learner(directory, budget_seconds(), self._ended)
        details.update(job.write_evaluation())


class _Job:
    """One training's datasets, images and results."""

    def __init__(self, request: TrainingRequest, directory: Path) -> None:
        self._request = request
        self._directory = directory
        self.training = [manifests.parse(line) for line in request.training]
        self.testing = [manifests.parse(line) for line in request.testing]
        self.task: Task = manifests.task_of(self.training)
        self._paths: dict[str, Path] = {}

    def fetch_images(self) -> None:
        """Keep the images in the directory; a line whose image cannot be used gets its error."""
        if not self._request.may_read_images:
            return
        (self._directory / "images").mkdir(exist_ok=True)
        lines = (*self.training, *self.testing)
        wanted = dict.fromkeys(line.source_ref for line in lines if line.usable_for(self.task))
        with ThreadPoolExecutor(_DOWNLOADS) as pool:
            paths = pool.map(self._fetch, wanted, range(len(wanted)))
        self._paths = {source: path for source, path in zip(wanted, paths, strict=True) if path}
        self.training = [self._seen(line) for line in self.training]
        self.testing = [self._seen(line) for line in self.testing]

    def write_validation(self) -> dict[str, Any]:
        """Write what AWS writes about the manifests; the version description's members that say where."""
        summary = manifests.summary(self.training, self.testing, self.task)
        if not self._request.may_read_images:
            summary["errors"].append(manifests.problem("ERROR_INVALID_PERMISSIONS_IMAGES_S3_BUCKET"))
        training, testing = _manifest(self._request.training), _manifest(self._request.testing)
        return {
            "ManifestSummary": self._put_json("manifest_summary.json", summary),
            "TrainingDataResult": {
                "Output": _assets(self._put("training.manifest", training)),
                "Validation": self._put_validated("training", self.training),
            },
            "TestingDataResult": {
                "Output": _assets(self._put("testing.manifest", testing)),
                "Validation": self._put_validated("testing", self.testing),
            },
        }

    def check(self) -> None:
        """Raises TrainingFailedError if these datasets cannot be trained with."""
        if not self._request.may_read_images:
            raise TrainingFailedError(manifests.MESSAGES["ERROR_INVALID_PERMISSIONS_IMAGES_S3_BUCKET"])
        found = [
            *(("training", code) for code in manifests.content_errors(self.training, self.task)),
            *(("testing", code) for code in manifests.content_errors(self.testing, self.task)),
            *(("both", code) for code in manifests.shared_errors(self.training, self.testing, self.task)),
        ]
        if found:
            raise TrainingFailedError(
                " ".join(f"{manifests.MESSAGES[code]} ({code}, {dataset})" for dataset, code in found)
            )

    def write(self) -> None:
        known = set(manifests.labels_of(self.training, self.task))
        job = {
            "task": self.task,
            "train": [self._example(line) for line in self.training if line.usable_for(self.task)],
            "test": [self._example(line) for line in self.testing if known & set(line.usable_for(self.task))],
        }
        (self._directory / "job.json").write_text(json.dumps(job))

    def write_evaluation(self) -> dict[str, Any]:
        """Write the evaluation summary; the EvaluationResult that points to it."""
        evaluation = json.loads((self._directory / "evaluation.json").read_text())
        arn = arns.parse(self._request.version_arn)
        assert arn is not None  # noqa: S101 - the API made it
        name = f"EvaluationResultSummary-{arn.project}-{arn.version}.json"
        summary = evaluation_summary(
            evaluation, self._request.version_arn, datetime.datetime.now(datetime.UTC)
        )
        return {"EvaluationResult": {"F1Score": evaluation["f1"], "Summary": self._put_json(name, summary)}}

    def _fetch(self, source_ref: str, number: int) -> Path | None:
        try:
            body = self._request.objects.get(*manifests.location(source_ref))
        except NoObjectError as error:
            logger.warning("%s", error)
            return None
        if not images.is_usable(body):
            return None
        path = self._directory / "images" / f"{number}"
        path.write_bytes(body)
        return path

    def _seen(self, line: Line) -> Line:
        if not line.usable_for(self.task) or line.source_ref in self._paths:
            return line
        return line.with_error("ERROR_INVALID_IMAGE")

    def _example(self, line: Line) -> dict[str, Any]:
        boxes = [vars(box) for box in line.boxes] if self.task == "detection" else []
        labels = list(line.usable_for(self.task))
        return {"path": str(self._paths[line.source_ref]), "labels": labels, "boxes": boxes}

    def _put_validated(self, dataset: str, lines: Iterable[Line]) -> dict[str, Any]:
        body = _manifest(line.text for line in lines)
        return _assets(self._put(f"{dataset}_manifest_with_validation.json", body))

    def _put_json(self, name: str, value: Mapping[str, Any]) -> dict[str, Any]:
        return self._put(name, json.dumps(value, indent=2).encode())

    def _put(self, name: str, body: bytes) -> dict[str, Any]:
        prefix = self._request.prefix.strip("/")
        key = f"{prefix}/{name}" if prefix else name
        try:
            self._request.objects.put(self._request.bucket, key, body, "application/json")
        except NoObjectError as error:
            logger.warning("%s", error)
            raise TrainingFailedError(_CANNOT_WRITE) from error
        return {"S3Object": {"Bucket": self._request.bucket, "Name": key}}


def evaluation_summary(
    evaluation: Mapping[str, Any], version_arn: str, ended: datetime.datetime
) -> dict[str, Any]:
    """The summary file from a child's evaluation.json; labels sorted by their F1 score."""
    overall = {
        "F1Score": evaluation["f1"],
        "Precision": evaluation["precision"],
        "Recall": evaluation["recall"],
    }
    for optional, name in (
        ("confusion_matrix", "ConfusionMatrix"),
        ("average_precision", "AveragePrecision"),
        ("average_recall", "AverageRecall"),
    ):
        if evaluation.get(optional) is not None:
            overall[name] = evaluation[optional]
    labels = sorted(evaluation["labels"], key=lambda label: -label["f1"])
    return {
        "Version": 1,
        "AggregatedEvaluationResults": overall,
        "EvaluationDetails": {
            "EvaluationEndTimestamp": ended.replace(tzinfo=None).isoformat(),
            "Labels": sorted(label["label"] for label in labels),
            "NumberOfTestingImages": evaluation["test_images"],
            "NumberOfTrainingImages": evaluation["train_images"],
            "ProjectVersionArn": version_arn,
        },
        "LabelEvaluationResults": [
            {
                "Label": label["label"],
                "Metrics": {
                    "F1Score": label["f1"],
                    "Precision": label["precision"],
                    "Recall": label["recall"],
                    "Threshold": label["assumed_threshold"],
                },
                "NumberOfTestingImages": label["test_images"],
            }
            for label in labels
        ],
    }


def _manifest(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _assets(manifest: dict[str, Any]) -> dict[str, Any]:
    return {"Assets": [{"GroundTruthManifest": manifest}]}


def main(directory: Path, seconds: float) -> None:
    """The child: learn, save model/, evaluate, write evaluation.json; progress.json as it goes."""
    from local.engine import learning_child  # noqa: PLC0415 - torch is loaded by children only

    children.end_with_parent()
    os.nice(5)
    learning_child.run(directory, seconds)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
