"""Questions about the engine serverless: training jobs, what they leave, the function that answers."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli.selftest import models
from cli.selftest.probe import Probe, UnansweredError, error_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

    from lambdas.domain.engines.port import Detector, Version
    from lambdas.domain.shared.records import Run
    from local.scenes import Scene

AWAITS = "AwaitTraining"
"""The state that waits until the end of a training is told."""
WARM_SECONDS = 1
"""In which an answer is expected, the way to the function and back included."""
ANSWERS = 5


@dataclass(frozen=True)
class TrainingBench:
    """A run that has ended, and the version that its training job has left."""

    sagemaker: Any
    stepfunctions: SFNClient
    s3: S3Client
    detector: Detector
    run: Run
    version: Version
    scene: Scene

    @property
    def job(self) -> str:
        return self.version.arn.rpartition("/")[2]

    def detect(self) -> float:
        """Seconds that an answer takes."""
        body = io.BytesIO()
        self.scene.image.save(body, "JPEG", quality=95)
        began = time.monotonic()
        self.detector.detect_labels(self.version.arn, {"Bytes": body.getvalue()}, min_confidence=0)
        return time.monotonic() - began


def _how_it_was_told(bench: TrainingBench) -> str:
    pages = bench.stepfunctions.get_paginator("get_execution_history").paginate(
        executionArn=str(bench.run.execution), includeExecutionData=False
    )
    return how_it_was_told(event for page in pages for event in page["events"])


def how_it_was_told(events: Iterable[Mapping[str, Any]]) -> str:
    """How an execution went on that waited for the end of a training, by its history."""
    waits, ends = False, list[str]()
    for event in events:
        if name := event.get("stateEnteredEventDetails", {}).get("name"):
            waits = name == AWAITS
        elif waits and event["type"] in ("TaskSucceeded", "TaskTimedOut"):
            ends.append(event["type"])
    if not ends:
        raise UnansweredError("the training had ended before it was waited for")
    return "by an event" if ends[-1] == "TaskSucceeded" else "by a look, as no event came for an hour"


def _billed(bench: TrainingBench) -> str:
    described = bench.sagemaker.describe_training_job(TrainingJobName=bench.job)
    if not described.get("EnableManagedSpotTraining"):
        raise UnansweredError("it was no spot machine")
    took, billed = described["TrainingTimeInSeconds"], described["BillableTimeInSeconds"]
    return "fewer than it took" if billed < took else f"{billed} s, and it took {took} s"


def _warm_answer(bench: TrainingBench) -> str:
    times = sorted(bench.detect() for _ in range(1 + ANSWERS))
    seconds = times[ANSWERS // 2]
    return f"less than {WARM_SECONDS} s" if seconds < WARM_SECONDS else f"{seconds:.1f} s"


def _answers_unstarted(bench: TrainingBench) -> str:
    bench.detect()
    return "yes"


QUESTIONS: tuple[Probe[TrainingBench], ...] = (
    Probe("How does a run hear of its training job's end?", "by an event", _how_it_was_told),
    Probe(
        "What answers DescribeTrainingJob of one that is not there?",
        "ValidationException",
        lambda bench: error_of(
            lambda: bench.sagemaker.describe_training_job(TrainingJobName=f"{bench.job}-not-there"[-63:])
        ),
    ),
    Probe(
        "What answers StopTrainingJob of one that has ended?",
        "ValidationException",
        lambda bench: error_of(lambda: bench.sagemaker.stop_training_job(TrainingJobName=bench.job)),
    ),
    Probe("How many seconds of a spot machine are billed?", "fewer than it took", _billed),
    Probe(
        "Which members have the files that a training job leaves?",
        "those of the guide",
        lambda bench: models.evaluation_members(bench.s3, bench.version),
    ),
    Probe("Does a version answer that nobody has started?", "yes", _answers_unstarted),
    Probe(
        "How long does the serving function take, once it is warm?",
        f"less than {WARM_SECONDS} s",
        _warm_answer,
    ),
)

NOT_ASKED: Mapping[str, str] = {
    "What answers CreateTrainingJob when the quota is used up?": "it takes a second training job",
    "What becomes of a job whose spot machine is taken away?": "none can be taken away",
}
"""Questions that stay open, and why they are not asked."""
