"""An alarm that a person can act on: docs/troubleshooting.md says under its name what to do."""

from __future__ import annotations

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.deployment import Deployment

RUNBOOK = "docs/troubleshooting.md"


class Alarm(cloudwatch.Alarm):
    """An alarm of the deployment, named in its mails by `name`.

    Args:
        name: under which docs/troubleshooting.md has it.
        what: one sentence for the mail.
        below: whether it is too little that raises the alarm, nothing at all included; by default too much.
        periods: of the metric, in a row.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        name: str,
        what: str,
        metric: cloudwatch.IMetric,
        threshold: float = 1,
        periods: int = 1,
        below: bool = False,
    ) -> None:
        comparison, missing = cloudwatch.ComparisonOperator, cloudwatch.TreatMissingData
        super().__init__(
            scope,
            id,
            alarm_name=deployment.named(name),
            alarm_description=f"{what}. What to do: {RUNBOOK}, {name}",
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=comparison.LESS_THAN_THRESHOLD
            if below
            else comparison.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=missing.BREACHING if below else missing.NOT_BREACHING,
        )
