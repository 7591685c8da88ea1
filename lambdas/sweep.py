"""sweep: puts right what a crash, a timeout or an abort left behind."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas import review_routes
from lambdas.domain.retrain import notification, requests
from lambdas.domain.review.task_opening import Opener
from lambdas.domain.sweep import leases, lost_events, reviews
from lambdas.services import services, variable

logger = Logger()


@logger.inject_lambda_context
def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Runs by schedule, and whenever a state machine of the loop ends other than by itself.

    Raises:
        ExceptionGroup: some parts failed; the others were done.
    """
    found: dict[str, Any] = {}
    failures: list[Exception] = []
    for part in (_sweep, _resend, _request_run, _tend_reviews):
        try:
            found |= part()
        except Exception as error:
            logger.exception("a part of the sweep failed")
            failures.append(error)
    if any(found.values()):
        logger.warning("swept", extra=found)
    if failures:
        raise ExceptionGroup("a part of the sweep failed", failures)
    return found


def _sweep() -> dict[str, Any]:
    s = services()
    swept = leases.sweep(s.rekognition, s.stepfunctions, s.loop_state, s.project_arn)
    for run in swept.runs:
        notification.notify(
            s.sns, s.events, variable("TOPIC_ARN"), variable("DEPLOYMENT"), variable("CONSOLE_ADDRESS"), run
        )
    return {
        "leases": swept.leases,
        "stopped": [version.name for version in swept.stopped],
        "runs": [run.id for run in swept.runs],
    }


def _resend() -> dict[str, Any]:
    s = services()
    queue, after = variable("REGISTER_QUEUE_URL"), s.tuning().resend_event_after_seconds
    return {"resent": lost_events.resend_lost_events(s.s3, s.sqs, s.bucket, queue, after)}


def _request_run() -> dict[str, Any]:
    s = services()
    machine = variable("RETRAIN_MACHINE_ARN")
    requested = requests.request_run_if_due(s.catalogue, s.loop_state, s.stepfunctions, machine, s.tuning())
    return {"requested_run": requested}


def _tend_reviews() -> dict[str, Any]:
    s, tuning = services(), services().tuning()
    opener = Opener(s.reviews, s.catalogue, s.stepfunctions, variable("REVIEW_MACHINE_ARN"), tuning)
    tended = reviews.reconcile(review_routes.routes(), opener, s.catalogue)
    return {"reviews": {name: count for name, count in asdict(tended).items() if count}}
