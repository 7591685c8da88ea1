"""sweep: puts right what a crash, a timeout or an abort left behind."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.domain import retraining, sweeping
from lambdas.domain.reviews import tending
from lambdas.domain.reviews.opening import Opener
from lambdas.domain.reviews.settling import Settler
from lambdas.domain.services import services, variable
from lambdas.domain.tuning import Tuning

logger = Logger()


@logger.inject_lambda_context
def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Runs by schedule, and whenever a state machine of the loop ends other than by itself."""
    s = services()
    tuning = s.tuning()
    resent = sweeping.resend_lost_events(
        s.s3, s.sqs, s.bucket, variable("REGISTER_QUEUE_URL"), tuning.lost_event_seconds
    )
    swept = sweeping.sweep(s.rekognition, s.stepfunctions, s.records, s.project_arn)
    for run in swept.runs:
        retraining.notify(s.sns, s.events, variable("TOPIC_ARN"), variable("DEPLOYMENT"), run)
    tended = _tend_reviews(tuning)
    requested = retraining.request_run_if_due(
        s.catalogue, s.records, s.stepfunctions, variable("RETRAIN_MACHINE_ARN"), tuning
    )
    found = {
        "leases": swept.leases,
        "stopped": [version.name for version in swept.stopped],
        "runs": [run["id"] for run in swept.runs],
        "resent": resent,
        "requested_run": requested,
        "reviews": tended,
    }
    if any(found.values()):
        logger.warning("swept", extra=found)
    return found


def _tend_reviews(tuning: Tuning) -> dict[str, int]:
    s = services()
    settler = Settler(s.reviews, s.catalogue, s.stepfunctions, tuning)
    opener = Opener(s.reviews, s.catalogue, s.stepfunctions, variable("REVIEW_MACHINE_ARN"), tuning)
    tended = tending.tend(settler, opener, s.catalogue)
    return {name: count for name, count in asdict(tended).items() if count}
