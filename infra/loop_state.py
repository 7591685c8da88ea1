"""The state of the loop: its table, its tuning parameter and its notifications."""

from __future__ import annotations

import json
from collections.abc import Sequence

from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.deployment import Deployment
from infra.handler import Handler
from infra.table import make_table

_DELETED = ("LEASE", "INCIDENT", "NOTICE", "HOLD", "APPROVAL", "AWAITED")
"""Kinds of items that are deleted in time."""


class LoopState(Construct):
    """The table of runs, model versions and leases, the tuning parameter, and the topic of notifications."""

    def __init__(self, scope: Construct, id: str, deployment: Deployment) -> None:
        super().__init__(scope, id)
        self.table = make_table(self, "Loop", deployment, partition_key="kind", sort_key="id")
        self.tuning = ssm.StringParameter(
            self,
            "Tuning",
            parameter_name=f"/labelloop/{deployment.settings.name}/tuning",
            description="LabelLoop's thresholds and intervals; a change takes effect within seconds",
            string_value=json.dumps(deployment.settings.tuning.as_dict(), indent=2),
        )
        self.topic = sns.Topic(self, "Notifications", display_name="LabelLoop", enforce_ssl=True)
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sns:Publish"],
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],  # pyrefly: ignore[bad-argument-type]
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": deployment.stack.account}},
            )
        )
        if deployment.settings.notification_email:
            self.topic.add_subscription(
                subscriptions.EmailSubscription(deployment.settings.notification_email)  # pyrefly: ignore[bad-argument-type]
            )
        self._bus = events.EventBus.from_event_bus_name(self, "Bus", "default")

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of functions that work with the loop's state."""
        return {"LOOP_STATE_TABLE": self.table.table_name, "TUNING_PARAMETER": self.tuning.parameter_name}

    def grant_get(self, handler: Handler) -> None:
        """Allow to read the tuning, and single items of the loop's state."""
        handler.allow("ssm:GetParameter", on=[self.tuning.parameter_arn])
        handler.allow("dynamodb:GetItem", on=[self.table.table_arn])

    def grant_tune(self, handler: Handler) -> None:
        """Allow to change the tuning, on top of what others change."""
        arn = self.tuning.parameter_arn
        handler.allow("ssm:GetParameter", "ssm:PutParameter", on=[arn])
        handler.allow("ssm:GetParameter", on=[f"{arn}:*"], why="a version of a parameter is named behind it")

    def grant_read(self, handler: Handler) -> None:
        """Allow to read the tuning and the loop's state."""
        self.grant_get(handler)
        handler.allow("dynamodb:Query", on=[self.table.table_arn])

    def grant_write(self, handler: Handler, *kinds: str) -> None:
        """Allow to write items of these kinds, and to make a write conditional on a lease.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
        """
        self._allow(handler, kinds, "dynamodb:PutItem", "dynamodb:UpdateItem")
        self._allow(handler, ["LEASE"], "dynamodb:ConditionCheckItem")
        if deleted := [kind for kind in kinds if kind in _DELETED]:
            self._allow(handler, deleted, "dynamodb:DeleteItem")

    def grant_take_lease(self, handler: Handler) -> None:
        """Allow to take a lease that nobody has, and to give none back."""
        self._allow(handler, ["LEASE"], "dynamodb:PutItem")

    def grant_keep_waiting(self, handler: Handler) -> None:
        """Allow to keep images that wait for a champion."""
        self._allow(handler, ["WAITING"], "dynamodb:PutItem")

    def grant_count_use(self, handler: Handler) -> None:
        """Allow to count the images that the champion has answered for."""
        self._allow(handler, ["USE"], "dynamodb:UpdateItem")

    def grant_end_waiting(self, handler: Handler) -> None:
        """Allow to forget images that wait no longer."""
        self._allow(handler, ["WAITING"], "dynamodb:DeleteItem")

    def _allow(self, handler: Handler, kinds: Sequence[str], *actions: str) -> None:
        only = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": list(kinds)}}
        handler.allow(*actions, on=[self.table.table_arn], when=only)

    def grant_forget_awaited(self, handler: Handler) -> None:
        """Allow to forget that runs wait for trainings."""
        self._allow(handler, ["AWAITED"], "dynamodb:DeleteItem")

    def grant_notify(self, handler: Handler) -> None:
        """Allow to publish notifications to the topic and to the event bus."""
        handler.allow("sns:Publish", on=[self.topic.topic_arn])
        handler.allow("events:PutEvents", on=[self._bus.event_bus_arn])
