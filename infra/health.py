"""What AWS Health says about the services that the loop stands on: people hear early if one is to end.

Ground Truth and Amazon A2I were closed to new customers, and without Rekognition nothing here works. AWS
Health tells every account by events on its default bus, without a support plan:
https://docs.aws.amazon.com/health/latest/ug/cloudwatch-events-health.html
"""

from __future__ import annotations

from typing import Any

from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from infra.loop_state import LoopState

OWN_SERVICES = ["REKOGNITION", "SAGEMAKER"]
"""Services of which everything is told that is planned, or asked of the account."""
OTHER_SERVICES = [
    "APIGATEWAY",
    "CLOUDFRONT",
    "COGNITO",
    "DYNAMODB",
    "EVENTS",
    "LAMBDA",
    "S3",
    "SNS",
    "SQS",
    "SSM",
    "STATES",
]
"""Services of which the ends of versions are told: the account may use them for much else. A name that AWS
Health does not use for its service matches nothing."""
_NAMED = ("service", "eventTypeCode", "startTime", "eventRegion", "eventArn")
_EVENTS = "https://health.aws.amazon.com/health/home#/event-log?eventID="


class Health(Construct):
    """The rule that sends events of AWS Health to the notification topic.

    Args:
        name: of the deployment.
    """

    def __init__(self, scope: Construct, id: str, *, name: str, loop_state: LoopState) -> None:
        super().__init__(scope, id)
        topic = targets.SnsTopic(loop_state.topic, message=_message(name))  # pyrefly: ignore[bad-argument-type]
        self.rule = events.Rule(
            self,
            "Rule",
            description="Tells what AWS plans with the services of the loop, by AWS Health",
            event_pattern=events.EventPattern(
                source=["aws.health"], detail_type=["AWS Health Event"], detail=_detail()
            ),
            targets=[topic],  # pyrefly: ignore[bad-argument-type]
        )


def _detail() -> dict[str, Any]:
    """What of an event decides whether people hear of it; outages (category issue) are no news by mail.

    https://docs.aws.amazon.com/health/latest/ug/aws-health-events-eventbridge-schema.html
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
    """
    return {
        "$or": [
            {"service": OWN_SERVICES, "eventTypeCategory": ["scheduledChange", "accountNotification"]},
            {"service": OTHER_SERVICES, "eventTypeCode": [{"suffix": "_PLANNED_LIFECYCLE_EVENT"}]},
        ]
    }


def _message(name: str) -> events.RuleTargetInput:
    """The letter. Free text of the event is left to its page: quotes in it could break the template.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
    """
    field = events.EventField.from_path
    event = {name: field(f"$.detail.{name}") for name in _NAMED}
    return events.RuleTargetInput.from_text(
        f"LabelLoop {name}: AWS plans a change of {event['service']}, or asks something of this account"
        f" ({event['eventTypeCode']}, from {event['startTime']} on, in {event['eventRegion']}). If that"
        " service ends, or ends a version that the deployment uses, the loop stops working then: read what is"
        " planned, and save the dataset with `labelloop export` before Rekognition itself should end."
        f" {_EVENTS}{event['eventArn']}"
    )
