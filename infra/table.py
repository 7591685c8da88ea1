"""The DynamoDB tables of a deployment: paid for by request, encrypted, and restorable to any time."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from infra.deployment import Deployment


def text(name: str) -> dynamodb.Attribute:
    """A key attribute that holds text."""
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)


def make_table(
    scope: Construct, id: str, deployment: Deployment, *, partition_key: str, sort_key: str = ""
) -> dynamodb.Table:
    """Make a table whose keys are text; without `sort_key` it has none."""
    return dynamodb.Table(
        scope,
        id,
        partition_key=text(partition_key),
        sort_key=text(sort_key) if sort_key else None,
        billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        encryption=dynamodb.TableEncryption.AWS_MANAGED,
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
            point_in_time_recovery_enabled=True
        ),
        removal_policy=deployment.removal_policy,
    )
