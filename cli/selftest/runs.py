"""Questions that a run of the real loop answers by itself: its record, its execution, its training."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from cli.selftest.probe import Probe, UnansweredError
from lambdas.domain.snapshot import files as snapshot_files

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

    from lambdas.domain.engines.port import Version
    from lambdas.domain.shared.annotation import DatasetType
    from lambdas.domain.shared.records import Run

LOOK = "WatchTraining"
"""The state that looks how far a training is, once for each poll."""
MAX_EVENTS_PER_POLL = 10
"""Of an execution's history: five of the Task, two each of Choice and Wait, and one to spare. There may be
25,000: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""


@dataclass(frozen=True)
class RunBench:
    """A run that has ended, and the version that it trained."""

    stepfunctions: SFNClient
    rekognition: RekognitionClient
    s3: S3Client
    bucket: str
    project: str
    run: Run
    version: Version


def _transactions(bench: RunBench) -> str:
    """A run writes each of its steps in a transaction whose items are of several kinds."""
    reason = str(bench.run.reason)
    if "AccessDenied" in reason or "not authorized" in reason:
        return f"refused: {reason}"
    return (
        "allowed"
        if bench.run.outcome in ("promoted", "rejected")
        else f"the run {bench.run.outcome}: {reason}"
    )


def _events_of_a_poll(bench: RunBench) -> str:
    pages = bench.stepfunctions.get_paginator("get_execution_history").paginate(
        executionArn=str(bench.run.execution), includeExecutionData=False
    )
    polls = events_between(event for page in pages for event in page["events"])
    if not polls:
        raise UnansweredError("the training had ended before a second look at it")
    most = max(polls)
    return f"{MAX_EVENTS_PER_POLL} or fewer" if most <= MAX_EVENTS_PER_POLL else f"{most}"


def events_between(events: Iterator[Any]) -> list[int]:
    """How many events of the history there are from each look at the training to the next."""
    looks = [
        number
        for number, event in enumerate(events)
        if event.get("stateEnteredEventDetails", {}).get("name") == LOOK
    ]
    return [after - before for before, after in pairwise(looks)]


def _trained_without_boxes(bench: RunBench) -> str:
    """Whether the manifest of what a training used has the images without boxes that it was given."""
    empty = {entry["source-ref"] for entry in _given(bench) if _is_without_boxes(entry)}
    if not empty:
        raise UnansweredError("no image of the training is without boxes")
    used = {entry["source-ref"] for entry in _used(bench)}
    return "used" if empty <= used else "left out" if not empty & used else "some are used"


def _given(bench: RunBench) -> Iterator[Mapping[str, Any]]:
    """The entries of the run's snapshot."""
    kinds: tuple[DatasetType, DatasetType] = ("TRAIN", "TEST")
    for kind in kinds:
        for line in snapshot_files.entries(bench.s3, bench.bucket, str(bench.run.snapshot), kind):
            yield json.loads(line)


def _used(bench: RunBench) -> Iterator[Mapping[str, Any]]:
    """The entries that Rekognition says it has trained and tested with.

    https://docs.aws.amazon.com/rekognition/latest/APIReference/API_TrainingDataResult.html
    """
    (described,) = bench.rekognition.describe_project_versions(
        ProjectArn=bench.project, VersionNames=[bench.version.name]
    )["ProjectVersionDescriptions"]
    results: list[Any] = [described.get(f"{name}DataResult", {}) for name in ("Training", "Testing")]
    files = [asset for result in results for asset in result.get("Output", {}).get("Assets", [])]
    if not files:
        raise UnansweredError("the version does not say what was trained with")
    for file in files:
        where = file["GroundTruthManifest"]["S3Object"]
        body = bench.s3.get_object(Bucket=where["Bucket"], Key=where["Name"])["Body"]
        yield from (json.loads(line) for line in body.iter_lines() if line.strip())


def _is_without_boxes(entry: Mapping[str, Any]) -> bool:
    boxes = [
        value["annotations"] for value in entry.values() if isinstance(value, dict) and "annotations" in value
    ]
    return bool(boxes) and not any(boxes)


QUESTIONS: tuple[Probe[RunBench], ...] = (
    Probe("Are a run's transactions allowed by dynamodb:LeadingKeys?", "allowed", _transactions),
    Probe(
        "How many events has an execution for each look at a training?",
        f"{MAX_EVENTS_PER_POLL} or fewer",
        _events_of_a_poll,
    ),
    Probe("Does a training use images without boxes?", "left out", _trained_without_boxes),
)

NOT_ASKED: Mapping[str, str] = {
    "Can a version that is FAILED be started again?": "a failure cannot be brought about",
    "What answers the start of a model when the quota is used up?": "it takes a second running model",
    "What answers an object that Rekognition may not read?": "it takes a second identity",
    "In which order, and how late, do events come?": "20 images are too few to tell",
}
"""Questions that stay open, and why they are not asked."""
