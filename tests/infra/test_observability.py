"""The dashboard shows, and alarms watch, only what something really gives; people know what to do."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from lambdas.metrics import GIVEN
from tests.fixtures import built

ROOT = Path(__file__).parents[2]
AWS_METRICS = {
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    "AWS/Lambda": ({"Invocations", "Errors", "Throttles", "Duration"}, "FunctionName"),
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    "AWS/SQS": ({"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"}, "QueueName"),
    # https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
    "AWS/States": ({"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"}, "StateMachineArn"),
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
    "AWS/ApiGateway": ({"4xx", "5xx", "Count", "Latency", "IntegrationLatency"}, "ApiId"),
}
"""Metrics as AWS documents them, and the one dimension that each is asked by here."""
TYPES = {
    "FunctionName": "AWS::Lambda::Function",
    "QueueName": "AWS::SQS::Queue",
    "StateMachineArn": "AWS::StepFunctions::StateMachine",
    "ApiId": "AWS::ApiGatewayV2::Api",
}


def resources() -> dict[str, Any]:
    template: dict[str, Any] = built.template()["Resources"]
    return template


def alarms() -> dict[str, Any]:
    """Properties by name, without the deployment's."""
    every = [r["Properties"] for r in resources().values() if r["Type"] == "AWS::CloudWatch::Alarm"]
    return {alarm["AlarmName"].removeprefix("labelloop-"): alarm for alarm in every}


def dashboard() -> dict[str, Any]:
    """The dashboard's body; where something is filled in at deployment is its logical name in braces."""
    (properties,) = (
        r["Properties"] for r in resources().values() if r["Type"] == "AWS::CloudWatch::Dashboard"
    )
    body: dict[str, Any] = json.loads(_reference(properties["DashboardBody"]))
    return body


def _reference(value: Any) -> str:
    """A value with the logical names that it refers to in braces."""
    if isinstance(value, str):
        return value
    ((function, of),) = value.items()
    if function == "Fn::Join":
        return str(of[0]).join(_reference(part) for part in of[1])
    return f"{{{of if function == 'Ref' else of[0]}}}"


def shown() -> list[tuple[str, str, dict[str, str]]]:
    """Namespace, name and dimensions of every metric of the dashboard."""
    metrics = [m for widget in dashboard()["widgets"] for m in widget["properties"]["metrics"]]
    plain = [[part for part in metric if isinstance(part, str)] for metric in metrics]
    return [(m[0], m[1], dict(zip(m[2::2], m[3::2], strict=True))) for m in plain]


def watched() -> list[tuple[str, str, dict[str, str]]]:
    return [
        (a["Namespace"], a["MetricName"], {d["Name"]: _reference(d["Value"]) for d in a["Dimensions"]})
        for a in alarms().values()
    ]


def services() -> set[str]:
    """Values of the dimension `service`, of functions that give metrics to this deployment's namespace."""
    variables = [
        r["Properties"]["Environment"]["Variables"]
        for r in resources().values()
        if r["Type"] == "AWS::Lambda::Function" and "Environment" in r["Properties"]
    ]
    ours = [v for v in variables if v.get("POWERTOOLS_METRICS_NAMESPACE") == "LabelLoop/labelloop"]
    return {v["POWERTOOLS_SERVICE_NAME"] for v in ours}


def test_every_metric_is_given_by_something() -> None:
    for namespace, name, dimensions in [*shown(), *watched()]:
        ((dimension, value),) = dimensions.items()
        if namespace == "LabelLoop/labelloop":
            assert dimension == "service", name
            assert value in services(), name
            assert name in GIVEN[value]
            continue
        names, documented = AWS_METRICS[namespace]
        assert name in names
        assert dimension == documented, name
        # A state machine is named by its ARN, which holds its name.
        assert TYPES[dimension] in _types(value), (name, value)


def _types(value: str) -> set[str]:
    """The types of the resources that a text refers to, or names."""
    return {
        resource["Type"]
        for logical_name, resource in resources().items()
        if f"{{{logical_name}}}" in value
        or str(resource.get("Properties", {}).get("StateMachineName", "?")) in value
    }


def test_everything_that_functions_give_is_shown() -> None:
    own = {(d["service"], name) for namespace, name, d in shown() if namespace.startswith("LabelLoop")}
    assert own == {(service, name) for service, names in GIVEN.items() for name in names}


@pytest.mark.parametrize("service", GIVEN)
def test_a_function_gives_what_it_is_said_to(service: str) -> None:
    tree = ast.parse((ROOT / "lambdas" / f"{service}.py").read_text())
    texts = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    assert any(call.func.id in ("count", "gauge") for call in calls if isinstance(call.func, ast.Name))
    missing = {name for name in GIVEN[service] if name not in texts}
    assert missing <= {"RunsPromoted", "RunsRejected", "RunsSkipped", "RunsFailed"}, "made of the outcome"


def test_the_dashboard_is_free_of_charge() -> None:
    """It has up to 50 metrics, counted as they are drawn: https://aws.amazon.com/cloudwatch/pricing/"""
    assert len(shown()) <= 50


def test_the_price_that_people_read_is_that_of_what_is_there() -> None:
    names, every = sum(map(len, GIVEN.values())), len(alarms())
    idle, most = 0.1 * (every - 10), 0.1 * (every - 10) + 0.3 * (names - 10)
    text = " ".join((ROOT / "docs" / "operations.md").read_text().split())
    assert f"up to {names}, and has {every} alarms: {idle:.2f} USD a month when nothing goes on" in text
    assert f"{most:.2f} if everything goes on" in text


def test_the_dashboard_names_no_other_region() -> None:
    assert {widget["properties"]["region"] for widget in dashboard()["widgets"]} == {"{AWS::Region}"}


def test_every_alarm_is_sent_and_says_where_it_is_explained() -> None:
    for name, alarm in alarms().items():
        assert alarm["AlarmActions"], name
        assert alarm["AlarmDescription"].endswith(f"What to do: docs/troubleshooting.md, {name}")


AT_ONCE = (">=", 1, 300, 1, "notBreaching")
"""In the first five minutes in which there is one."""
GOES_OFF = {
    "dead-letters": ("Maximum", AT_ONCE),
    "queue-old": ("Maximum", (">=", 7200, 300, 3, "notBreaching")),
    "failing": ("Sum", (">=", 3, 300, 2, "notBreaching")),
    "serve-failed": ("Sum", (">=", 1, 60, 5, "notBreaching")),
    "serve-silent": ("Sum", ("<", 1, 300, 3, "breaching")),
    "failed": ("Sum", AT_ONCE),
    "drift": ("Maximum", (">=", 1, 3600, 1, "notBreaching")),
}
"""When alarms go off, by the ends of their names, as the runbook says: the statistic, and what it has to be
for how many periods of how many seconds. Where nothing is measured, nothing is wrong, but for the one that
hears of silence."""
_COMPARED = {"GreaterThanOrEqualToThreshold": ">=", "LessThanThreshold": "<"}


def test_alarms_go_off_when_the_runbook_says() -> None:
    for name, alarm in alarms().items():
        statistic, when = next(when for end, when in GOES_OFF.items() if name.endswith(end))
        assert alarm["Statistic"] == statistic, name
        assert alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"]) == alarm["EvaluationPeriods"], name
        assert when == (
            _COMPARED[alarm["ComparisonOperator"]],
            alarm["Threshold"],
            alarm["Period"],
            alarm["EvaluationPeriods"],
            alarm["TreatMissingData"],
        ), name


def test_the_runbook_has_a_line_for_every_alarm_and_for_no_other() -> None:
    rows = re.findall(r"^\| (`[^|]+) \| ([^|]+) \| ([^|]+) \|$", runbook(), re.MULTILINE)
    named = [name for names, _, _ in rows for name in re.findall(r"`([a-z-]+)`", names)]
    # These two only with A2I.
    assert sorted({*named} - {"loops-dead-letters", "loops-queue-old"}) == sorted(alarms())
    assert len(named) == len(set(named))


def runbook() -> str:
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    return text[text.index("## Alarms\n") :].split("\n## ")[0]
