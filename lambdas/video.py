"""video: what the champion sees in the frames of each clip put under detect/."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas import sqs_batch
from lambdas.domain.detect.detection import Detected
from lambdas.domain.review import proposals
from lambdas.domain.shared import clock, tuning
from lambdas.domain.video.answering import Answered, Answerer
from lambdas.services import services, tiling, variable
from lambdas.sqs_batch import BatchResponse

logger = Logger()
RESERVE_SECONDS = 120
"""Of the function's time, to end the annotated clip and write what there is."""


@logger.inject_lambda_context
def handle(event: dict[str, Any], context: LambdaContext) -> BatchResponse:
    """Go on with the clips of SQS messages from the detect function; those that failed come again."""
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
    return sqs_batch.handle_each_message(event, lambda message: _answer(message, deadline))


def _answer(message: Mapping[str, Any], deadline: float) -> None:
    event = json.loads(message["body"])
    created = event["detail"]
    s, settings = services(), tuning.or_defaults(services().tuning)

    def propose(detected: Detected, key: str, version_id: str | None) -> bool:
        return proposals.propose_detection(
            s.sqs,
            variable("REVIEW_QUEUE_URL"),
            detected,
            settings,
            key=key,
            version_id=version_id,
            # A frame that a function looks at again is written anew, and decided about as before.
            name=proposals.name_of(key, None),
        )

    answerer = Answerer(
        s.detector,
        s.s3,
        s.loop_state,
        created["bucket"]["name"],
        settings,
        tiling(settings),
        propose,
        deadline,
    )
    answered = answerer.answer(
        created["object"]["key"],
        version_id=created["object"].get("version-id"),
        arrived_at=clock.to_iso(clock.parse(event["time"])) if "time" in event else clock.now(),
        failures=event.get("failures", 0) + sqs_batch.failures_before(message),
    )
    logger.info(
        "clip",
        extra={
            "key": created["object"]["key"],
            "outcome": answered.outcome,
            "detections": answered.detections,
            "seconds": answered.seconds,
        },
    )
    _count(answered)
    if answered.outcome == "continued":
        s.sqs.send_message(QueueUrl=variable("VIDEO_QUEUE_URL"), MessageBody=json.dumps(event))


def _count(answered: Answered) -> None:
    """Count what the champion has answered for; the answers stand whether that succeeds or not."""
    try:
        if answered.detections:
            services().loop_state.count_use(answered.detections)
    except Exception:
        logger.exception("could not count that the champion is used")
