"""The way of an event to a Lambda function: rule, queue, dead-letter queue and alarm."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.alarm import Alarm
from infra.deployment import Deployment
from infra.handler import Handler

MAX_RECEIVES = 5
"""Deliveries of a message before it becomes a dead letter; those that fail are delivered again within minutes
(lambdas/sqs_batch.py). AWS recommends five or more, as a delivery counts also when the function is throttled:
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""

MAX_AGE_SECONDS = 2 * 3600
"""Of the oldest message. What fails is tried for minutes, and a burst is worked off by then."""
_AGE_PERIODS = 3
"""Of five minutes each."""


class EventQueue(Construct):
    """Delivers events to a handler at least once and in batches, and keeps those that cannot be processed.

    Events that match `pattern` are delivered, and messages that functions send to the queue.

    Args:
        name: of its alarms.
        visibility_seconds: how long a message is hidden whose function was killed, or could not be called;
            what fails otherwise comes back sooner. At least the function's timeout; by default six times
            that, as AWS recommends, so that Lambda can try to call a function that is throttled for as long.
            https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        name: str,
        pattern: events.EventPattern | None,
        handler: Handler,
        batch_size: int,
        max_concurrency: int,
        visibility_seconds: int = 0,
    ) -> None:
        super().__init__(scope, id)
        self.handler = handler
        self.dead_letters = sqs.Queue(
            self,
            "DeadLetters",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(14),
        )
        self.queue = sqs.Queue(
            self,
            "Queue",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(14),
            visibility_timeout=cdk.Duration.seconds(visibility_seconds or handler.timeout * 6),
            dead_letter_queue=sqs.DeadLetterQueue(max_receive_count=MAX_RECEIVES, queue=self.dead_letters),
        )
        if pattern:
            events.Rule(self, "Rule", event_pattern=pattern, targets=[targets.SqsQueue(self.queue)])  # pyrefly: ignore[bad-argument-type]
        handler.function.add_environment("QUEUE_URL", self.queue.queue_url)
        handler.function.add_environment("RETRY_SECONDS", str(deployment.settings.retry_seconds))
        handler.function.add_environment("MAX_RECEIVES", str(MAX_RECEIVES))
        handler.allow(
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ChangeMessageVisibility",
            on=[self.queue.queue_arn],
        )
        handler.function.add_event_source(
            sources.SqsEventSource(
                self.queue,
                batch_size=batch_size,
                max_concurrency=max_concurrency,
                report_batch_item_failures=True,
            )
        )
        self.name = name
        self.age = self.queue.metric_approximate_age_of_oldest_message()
        self.dead = self.dead_letters.metric_approximate_number_of_messages_visible()
        self.alarms = [
            Alarm(
                self,
                "DeadLettersAlarm",
                deployment,
                name=f"{name}-dead-letters",
                what=f"Messages of the {name} queue could not be processed, and are kept aside",
                metric=self.dead,
            ),
            Alarm(
                self,
                "AgeAlarm",
                deployment,
                name=f"{name}-queue-old",
                what=f"The {name} queue does not get through: its oldest message waits for hours",
                metric=self.age,
                threshold=MAX_AGE_SECONDS,
                periods=_AGE_PERIODS,
            ),
        ]

    def grant_send(self, handler: Handler) -> None:
        """Allow to send messages to the queue."""
        handler.allow("sqs:SendMessage", on=[self.queue.queue_arn])

    def grant_count(self, handler: Handler) -> None:
        """Allow to count the messages of the queue."""
        handler.allow("sqs:GetQueueAttributes", on=[self.queue.queue_arn])

    def grant_redrive(self, handler: Handler) -> None:
        """Allow to move messages from the dead-letter queue to the queue, or to send them to it anew."""
        handler.allow(
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:SendMessage",
            on=[self.dead_letters.queue_arn],
        )
        self.grant_send(handler)
