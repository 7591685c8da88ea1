"""Trainings: one at a time, each in a process of its own.

The engine prepares a job (checks the manifests, fetches the images), a child process learns and evaluates
(`local.engine.training.child`), and the engine writes the results where
Rekognition does. A training that fails because of its manifests says where the validation results are; one
that fails by itself does not, as documented for service errors:
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/tm-debugging-getting-validation-data.html
"""

from __future__ import annotations

import datetime
import json
import logging
import math
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from learning import evaluation_files
from local.engine import children
from local.engine.access.s3 import Objects
from local.engine.manifests.errors import CANNOT_WRITE_OUTPUT
from local.engine.model_directory import version_directory
from local.engine.storage.store import Store
from local.engine.training import progress
from local.engine.training.budget import Budget, label_check_seconds
from local.engine.training.data import ManifestFileError, TrainingData
from local.engine.training.output import (
    EVALUATION_SUMMARY,
    HELD_OUT,
    TESTING_SNAPSHOT,
    TRAINING_SNAPSHOT,
    CannotWriteError,
    Output,
)

logger = logging.getLogger("labelloop.engine.training")

GRACE_SECONDS = 180.0
"""What loading may take beside the budget for learning. Testing takes as long as the test images need."""
SILENT_SECONDS = 180.0
"""How long a training may report no progress: it hangs, or is so slow that it never ends."""

UNTESTED_THRESHOLD = 0.5
"""The assumed threshold of a label of which neither the training nor the evaluation gives one."""

_ENDED = "The engine was ended before the training was."


class TrainingFailedError(Exception):
    """The training cannot go on; the message becomes the version's StatusMessage."""


class ContentError(TrainingFailedError):
    """The contents of the manifests forbid the training."""


def _everything(arns: Iterable[str]) -> bool:
    return True


@dataclass(frozen=True)
class TrainingRequest:
    """All that a training needs; the datasets are those of the moment of CreateProjectVersion."""

    version_arn: str
    training: Sequence[str]
    testing: Sequence[str]
    """The lines of the testing manifest."""
    bucket: str
    prefix: str
    objects: Objects
    may_read: Callable[[Iterable[str]], bool] = _everything
    """Whether the caller may read all objects of these ARNs."""
    may_write_output: bool = True
    fail_with: str = ""
    """A test's wish that the training end with this message."""
    auto_create: bool = False
    """Whether the testing lines are to be split off the training lines; there are none then."""
    kms_key_id: str = ""
    """The key that encrypts what the training writes to S3; the bucket's own encryption if empty."""


class Trainer(Protocol):
    """What the API needs of trainings. A version is TRAINING_IN_PROGRESS when it is submitted."""

    def submit(self, request: TrainingRequest) -> None: ...

    def close(self) -> None: ...


Learner = Callable[[Path, Budget, threading.Event], None]
"""Learn from job.json in the directory and leave model/ and evaluation.json there, within the budget and
until the event is set; TrainingFailedError says why not. progress.json says how far it is.

predictions.jsonl, if there is one, has a line for each test example: a list of evaluation_files.Judged.
held_out.jsonl likewise, for each example to learn from and then for each to test with: what is seen in it by
who has not learned from it, or null."""


class ProgressWatchdog:
    """How long to wait for a training that may learn for so many seconds and has begun `now`."""

    def __init__(self, seconds: float, now: float) -> None:
        self._seconds = seconds
        self._began = self._heard = now
        self._last: progress.State | None = None

    def check(self, state: progress.State | None, now: float) -> None:
        """Note how far the training is at this time.

        Raises:
            TrainingFailedError: it has said nothing new for too long, or learns longer than it may.
        """
        if state != self._last:
            self._last, self._heard = state, now
        if now - self._heard > SILENT_SECONDS:
            raise TrainingFailedError(
                f"The training was cut off: no progress in {SILENT_SECONDS:.0f} seconds."
            )
        learns = state is None or state.phase == "learning"
        if learns and now - self._began > self._seconds + GRACE_SECONDS:
            raise TrainingFailedError(
                f"The training was cut off: it took more than {self._seconds:.0f} seconds."
            )


def learn_in_child(directory: Path, budget: Budget, ended: threading.Event) -> None:
    """The Learner that learns: a child process at low priority."""
    log = directory / "training.log"
    limits = [str(limit) for limit in (budget.seconds, budget.steps) if limit is not None]
    child = children.spawn("local.engine.training.child", str(directory), *limits, log=log)
    watchdog = ProgressWatchdog(budget.seconds, time.monotonic())
    try:
        while child.poll() is None:
            if ended.is_set():
                raise TrainingFailedError(_ENDED)
            watchdog.check(progress.read(directory), time.monotonic())
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
        self._budget = Budget.from_environment()
        label_check_seconds()  # What cannot be used is said before a training has taken its time.
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
        except ContentError as error:
            status, message = "TRAINING_FAILED", str(error)
        except TrainingFailedError as error:
            status, message = "TRAINING_FAILED", str(error)
            details.clear()
        except Exception as error:
            logger.exception("training of %s", request.version_arn)
            status, message = "TRAINING_FAILED", f"The engine failed: {error!r}"
            details.clear()
        finally:
            shutil.rmtree(directory / "images", ignore_errors=True)
            for name in ("job.json", "predictions.jsonl", "held_out.jsonl", progress.FILE):
                (directory / name).unlink(missing_ok=True)
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
            raise TrainingFailedError(CANNOT_WRITE_OUTPUT)
        directory.mkdir(parents=True, exist_ok=True)
        try:
            data = TrainingData(request.training, request.testing, auto_create=request.auto_create)
            output = Output(
                request.version_arn, request.bucket, request.prefix, request.objects, request.kms_key_id
            )
            may_read_images = request.may_read(data.image_arns())
            if may_read_images:
                data.fetch_images(request.objects, directory / "images", self._ended)
                if self._ended.is_set():
                    raise TrainingFailedError(_ENDED)
            message = data.check(may_read_images=may_read_images)
            details.update(data.write_validation(output))
            if message:
                raise ContentError(message)
            data.write_job(directory / "job.json")
            self._learner(directory, self._budget, self._ended)
            results = _write_results(request, data, output, directory)
        except ManifestFileError as error:
            raise TrainingFailedError(str(error)) from error
        except CannotWriteError as error:
            raise TrainingFailedError(CANNOT_WRITE_OUTPUT) from error
        for member, members in results.items():
            details[member] = {**details.get(member, {}), **members}


def _write_results(
    request: TrainingRequest, data: TrainingData, output: Output, directory: Path
) -> dict[str, Any]:
    """Write the snapshots and then the summary; the version description's members that say where."""
    evaluation = json.loads((directory / "evaluation.json").read_text())
    ended = datetime.datetime.now(datetime.UTC)
    trained = output.put_manifest(
        TRAINING_SNAPSHOT, evaluation_files.training_snapshot(data.trained(), data.task)
    )
    thresholds = {
        **dict.fromkeys(data.labels, UNTESTED_THRESHOLD),
        **evaluation.get("thresholds", {}),
        **{label["label"]: label["assumed_threshold"] for label in evaluation["labels"]},
    }
    judged = _judged(directory / "predictions.jsonl", len(list(data.tested())))
    tested = output.put_manifest(
        TESTING_SNAPSHOT,
        evaluation_files.testing_snapshot(data.tested(), data.task, judged, thresholds, ended),
    )
    _write_held_out(data, output, directory / "held_out.jsonl", ended)
    summary = evaluation_files.evaluation_summary(evaluation, data.labels, request.version_arn, ended)
    return {
        "TrainingDataResult": {"Output": trained},
        "TestingDataResult": {"Output": {**tested, "AutoCreate": request.auto_create}},
        "EvaluationResult": {
            "F1Score": evaluation["f1"],
            "Summary": output.put_json(EVALUATION_SUMMARY, summary),
        },
    }


def _write_held_out(data: TrainingData, output: Output, path: Path, ended: datetime.datetime) -> None:
    """Write what is seen in images by who has not learned from them, as an evaluation of all of them.

    Custom Labels leaves no such file; nothing in the version's description names it.
    """
    if not path.exists():
        return
    lines = [*data.trained(), *data.tested()]
    verdicts = [json.loads(text) for text in path.read_text().splitlines()]
    snapshot = evaluation_files.held_out_snapshot(lines, data.task, verdicts, data.labels, ended)
    output.put_manifest(HELD_OUT, snapshot)


def _judged(path: Path, images: int) -> Iterator[list[dict[str, Any]]]:
    """The learner's verdicts on each test image; empty if it left none."""
    if not path.exists():
        yield from ([] for _ in range(images))
        return
    with path.open() as file:
        for line in file:
            yield json.loads(line)
