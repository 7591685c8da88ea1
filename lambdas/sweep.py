"""sweep: puts right what a crash, a timeout or an abort left behind."""

from __future__ import annotations

import json
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas import review_routes
from lambdas.domain.costs import answers
from lambdas.domain.retrain.notification import Notifier
from lambdas.domain.review.task_opening import Opener
from lambdas.domain.shared import clock
from lambdas.domain.sweep import reviews
from lambdas.domain.sweep.reviews import Reconciled
from lambdas.domain.sweep.sweeper import Sweeper
from lambdas.metrics import gauge, with_metrics
from lambdas.services import services, variable

logger = Logger()
_RESERVE_SECONDS = 240
"""Of the function's time, for all that is not waiting."""
_COUNTED = 10_000
"""Open tasks are counted no further than to this."""


@logger.inject_lambda_context
@with_metrics
def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Runs by schedule, and whenever a state machine of the loop ends other than by itself."""
    s = services()
    sweeper = Sweeper(
        engine=s.engine,
        s3=s.s3,
        sqs=s.sqs,
        stepfunctions=s.stepfunctions,
        catalogue=s.catalogue,
        loop_state=s.loop_state,
        notifier=Notifier(
            s.sns, s.events, variable("TOPIC_ARN"), variable("DEPLOYMENT"), variable("CONSOLE_ADDRESS")
        ),
        bucket=s.bucket,
        register_queue_urls=variable("REGISTER_QUEUE_URLS").split(),
        retrain_machine_arn=variable("RETRAIN_MACHINE_ARN"),
        tuning=s.tuning,
        book_answers=_book_answers,
        summarise_batch=_summarise_batch,
        reconcile_reviews=_reconcile_reviews,
        detection_queues=[
            (variable("DETECT_DEAD_LETTERS_URL"), variable("DETECT_QUEUE_URL")),
            (variable("VIDEO_DEAD_LETTERS_URL"), variable("VIDEO_QUEUE_URL")),
        ],
        ended_execution=event.get("detail", {}).get("executionArn", ""),
        waits_seconds=context.get_remaining_time_in_millis() / 1000 - _RESERVE_SECONDS,
    )
    return sweeper.sweep()


def _book_answers() -> int:
    s = services()
    if not s.serving_function:
        return 0
    return answers.book(s.cloudwatch, s.loop_state, s.serving_function, s.engine.region, clock.now())


def _summarise_batch(name: str, execution_arn: str) -> None:
    payload = json.dumps({"batch": name, "execution": execution_arn, "ended": True})
    services().functions.invoke(
        FunctionName=variable("BATCH_MERGE_FUNCTION"), InvocationType="Event", Payload=payload.encode()
    )


def _reconcile_reviews() -> Reconciled:
    s, tuning = services(), services().tuning()
    opener = Opener(s.reviews, s.catalogue, s.stepfunctions, variable("REVIEW_MACHINE_ARN"), tuning)
    reconciled = reviews.reconcile(review_routes.routes(), opener, s.catalogue)
    gauge("OpenTasks", s.reviews.count("open", limit=_COUNTED))
    return reconciled
