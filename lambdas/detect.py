"""detect: what the champion sees in each image put under detect/."""

from __future__ import annotations

import json
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.domain.detect import detection
from lambdas.domain.detect.detection import Detected
from lambdas.domain.review import proposals
from lambdas.domain.shared.tuning import Tuning
from lambdas.services import services, variable

logger = Logger()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context
def handle(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Answer for the images of SQS messages with "Object Created" events; those that failed come again."""
    return process_partial_response(event=event, record_handler=_detect, processor=processor, context=context)


def _detect(record: SQSRecord) -> None:
    created = json.loads(record.body)["detail"]
    s, tuning = services(), _tuning()
    key, version_id = created["object"]["key"], created["object"].get("version-id")
    detected = detection.detect_object(
        s.rekognition,
        s.s3,
        s.loop_state,
        created["bucket"]["name"],
        key,
        version_id=version_id,
        min_confidence=proposals.min_confidence(tuning) if tuning else None,
    )
    logger.info("detected", extra={"key": key, "outcome": detected.outcome})
    if tuning and detected.outcome == "detected":
        _propose(key, version_id, detected, tuning)


def _tuning() -> Tuning | None:
    """The settings; images are answered whether they can be read or not."""
    try:
        return services().tuning()
    except Exception:
        logger.exception("no settings: detections are not proposed for review")
        return None


def _propose(key: str, version_id: str | None, detected: Detected, tuning: Tuning) -> None:
    """Have it reviewed if it is worth it; the answer stands whether that succeeds or not."""
    try:
        queue = variable("REVIEW_QUEUE_URL")
        proposals.propose_detection(services().sqs, queue, detected, tuning, key=key, version_id=version_id)
    except Exception:
        logger.exception("could not propose a detection for review")
