"""detect: what the champion sees in each image put under detect/."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas import sqs_batch
from lambdas.domain.detect import detection
from lambdas.domain.detect.champion import PLAIN
from lambdas.domain.detect.detection import Detected
from lambdas.domain.drift import observations
from lambdas.domain.review import proposals
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import NeededImages
from lambdas.domain.shared.tuning import Tuning
from lambdas.metrics import count, gauge, with_metrics
from lambdas.services import services, tiling, variable
from lambdas.sqs_batch import BatchResponse
from lambdas.ttl_cache import TtlCache

logger = Logger()
_RESERVE_SECONDS = 15
"""Of the function's time, for the tiles that were begun and what is to be written."""
_NEEDED_SECONDS = 60
"""For which a function believes what test images are needed."""


def _read_needed() -> NeededImages:
    return services().loop_state.needed_images()


_needed_images = TtlCache(_read_needed, _NEEDED_SECONDS)
_COUNTED = {"detected": "ImagesDetected", "unusable": "ImagesUnusable", "waiting": "ImagesWaiting"}
"""Metrics, by what has become of an image."""


@logger.inject_lambda_context
@with_metrics
def handle(event: dict[str, Any], context: LambdaContext) -> BatchResponse:
    """Answer for the images of SQS messages with "Object Created" events; those that failed come again."""
    outcomes: list[str] = []
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - _RESERVE_SECONDS
    response = sqs_batch.handle_each_message(
        event, lambda message: outcomes.append(_detect(message, deadline))
    )
    _count(outcomes.count("detected"))
    return response


def _count(images: int) -> None:
    """Count what the champion has answered for; the answers stand whether that succeeds or not."""
    try:
        if images:
            services().loop_state.count_use(images)
    except Exception:
        logger.exception("could not count that the champion is used")


def _detect(message: Mapping[str, Any], deadline: float) -> str:
    """What has become of an image, whose tiles have until `deadline`."""
    event = json.loads(message["body"])
    created = event["detail"]
    s, tuning = services(), _tuning()
    key, version_id = created["object"]["key"], created["object"].get("version-id")
    arrived_at = clock.to_iso(clock.parse(event["time"])) if "time" in event else clock.now()
    detected = detection.detect_object(
        s.detector,
        s.s3,
        s.loop_state,
        created["bucket"]["name"],
        key,
        arrived_at=arrived_at,
        version_id=version_id,
        failures=event.get("failures", 0) + sqs_batch.failures_before(message),
        question=proposals.question(tuning) if tuning else PLAIN,
        tiling=tiling(tuning),
        deadline=deadline,
    )
    logger.info("detected", extra={"key": key, "outcome": detected.outcome})
    _record_metrics(detected.outcome, arrived_at)
    if detected.outcome == "clip":
        _hand_over(message, event)
    if tuning and detected.outcome == "detected":
        _observe(key, version_id, detected, tuning)
        _propose(key, version_id, detected, tuning)
    return detected.outcome


def _hand_over(message: Mapping[str, Any], event: dict[str, Any]) -> None:
    """Leave a clip to the step video."""
    failures = event.get("failures", 0) + sqs_batch.failures_before(message)
    body = json.dumps({**event, "failures": failures})
    services().sqs.send_message(QueueUrl=variable("VIDEO_QUEUE_URL"), MessageBody=body)


def _record_metrics(outcome: str, arrived_at: str) -> None:
    if name := _COUNTED.get(outcome):
        count(name)
    if outcome == "detected":
        gauge("AnswerSeconds", max(clock.seconds_between(arrived_at, clock.now()), 0), MetricUnit.Seconds)


def _tuning() -> Tuning | None:
    """The settings; images are answered whether they can be read or not."""
    try:
        return services().tuning()
    except Exception:
        logger.exception("no settings: detections are not proposed for review")
        return None


def _observe(key: str, version_id: str | None, detected: Detected, tuning: Tuning) -> None:
    """Note how the answer looks; it stands whether that succeeds or not."""
    try:
        services().observations.note(
            observations.observation(
                detected.labels,
                name=proposals.name_of(key, version_id),
                version=detected.model_version,
                source="detect",
                key=key,
                version_id=version_id,
                is_unsure=proposals.is_unsure(detected, tuning),
                thresholds=tuning.label_thresholds,
            )
        )
    except Exception:
        logger.exception("could not note how an answer looks")


def _propose(key: str, version_id: str | None, detected: Detected, tuning: Tuning) -> None:
    """Have it reviewed if it is worth it; the answer stands whether that succeeds or not."""
    try:
        queue = variable("REVIEW_QUEUE_URL")
        needed = _needed_images().counts
        proposals.propose_detection(
            services().sqs, queue, detected, tuning, key=key, version_id=version_id, needed=needed
        )
    except Exception:
        logger.exception("could not propose a detection for review")
