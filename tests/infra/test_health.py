"""Which events of AWS Health people hear of, by the rule as it is deployed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from moto.events.models import EventPattern

from tests.fixtures.cloudformation_template import Template


def rule(template: Template) -> dict[str, Any]:
    rules = template.resources.values()
    (health,) = [
        resource["Properties"]
        for resource in rules
        if resource["Type"] == "AWS::Events::Rule"
        and "aws.health" in resource["Properties"].get("EventPattern", {}).get("source", [])
    ]
    return dict(health)


@pytest.mark.parametrize(
    ("service", "code", "category", "is_told"),
    [
        ("REKOGNITION", "AWS_REKOGNITION_PLANNED_LIFECYCLE_EVENT", "scheduledChange", True),
        ("REKOGNITION", "AWS_REKOGNITION_OPERATIONAL_NOTIFICATION", "accountNotification", True),
        ("SAGEMAKER", "AWS_SAGEMAKER_PLANNED_LIFECYCLE_EVENT", "scheduledChange", True),
        ("LAMBDA", "AWS_LAMBDA_PLANNED_LIFECYCLE_EVENT", "scheduledChange", True),
        ("REKOGNITION", "AWS_REKOGNITION_OPERATIONAL_ISSUE", "issue", False),
        ("LAMBDA", "AWS_LAMBDA_OPERATIONAL_NOTIFICATION", "accountNotification", False),
        ("RDS", "AWS_RDS_PLANNED_LIFECYCLE_EVENT", "scheduledChange", False),
    ],
)
def test_people_hear_of_what_is_planned_with_the_loop_s_services(
    service: str, code: str, category: str, is_told: bool, template: Template
) -> None:
    pattern = EventPattern.load(json.dumps(rule(template)["EventPattern"]))
    event: Any = {
        "source": "aws.health",
        "detail-type": "AWS Health Event",
        "detail": {"service": service, "eventTypeCode": code, "eventTypeCategory": category},
    }
    assert pattern.matches_event(event) is is_told
    assert not pattern.matches_event({**event, "source": "labelloop"})


def test_the_letter_comes_by_the_notification_topic_and_has_no_free_text(template: Template) -> None:
    (target,) = rule(template)["Targets"]
    topics = template.find_resources("AWS::SNS::Topic")
    assert target["Arn"]["Ref"] in topics
    transformer = target["InputTransformer"]
    text = json.loads(transformer["InputTemplate"])
    assert text.startswith("LabelLoop labelloop: AWS plans a change of <")
    assert "eventDescription" not in json.dumps(transformer)
    (policy,) = template.find_resources("AWS::SNS::TopicPolicy").values()
    allowed = [
        statement["Principal"]["Service"]
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]
    assert "events.amazonaws.com" in allowed
