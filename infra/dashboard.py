"""The dashboard: images, reviews, runs, the champion, detections, their latency, errors, queues and cost.

It has no more than 50 metrics: with more it costs 3 USD a month (https://aws.amazon.com/cloudwatch/pricing/).
"""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.deployment import Deployment
from infra.event_queue import EventQueue
from infra.handler import Handler, metric_namespace
from infra.http_api import HttpApi
from infra.workflow import Workflow
from lambdas.metrics import GIVEN

_PERIOD = cdk.Duration.minutes(15)
"""As often as the sweeper runs, which gives one of the metrics."""
_COLUMNS = 4
_WIDTH, _HEIGHT = 24 // _COLUMNS, 6


class Dashboard(Construct):
    """One page in CloudWatch that says how the deployment fares."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        queues: Sequence[EventQueue],
        workflows: Sequence[Workflow],
        handlers: Sequence[Handler],
        detect: Handler,
        api: HttpApi,
    ) -> None:
        super().__init__(scope, id)
        self._deployment = deployment
        graphs = [
            self._graph("Images and annotations", self._sums("register")),
            self._graph("Reviews", [*self._sums("review", "desk"), self._gauge("sweep", "OpenTasks")]),
            self._graph("Runs by outcome", self._sums("retrain")),
            self._graph("F1 of the champion", [self._gauge("serve", "ChampionF1")], most=1),
            self._graph("Images under detect/", self._sums("detect", without=("AnswerSeconds",))),
            self._graph("From arrival to answer, seconds", self._seconds()),
            self._graph("Answer of the detect function, milliseconds", [_p95(detect)]),
            self._graph("Answer of the HTTP API, milliseconds", [api.latency("p95")]),
            self._graph(
                "Errors of functions, parts of pages that could not be read",
                [*(_errors(handler) for handler in handlers), *self._sums("console")],
            ),
            self._graph(
                "Errors of the HTTP API, failed executions",
                [api.responses("4xx"), api.responses("5xx"), *(workflow.failures for workflow in workflows)],
            ),
            self._graph("Age of the oldest message, seconds", [queue.age for queue in queues]),
            self._graph("Dead letters", [queue.dead for queue in queues]),
            self._graph("Changes of what arrives", [self._gauge("drift", "DriftedFeatures")]),
            self._graph("USD of this month", [self._gauge("serve", "MonthUsd")]),
            self._graph("USD an hour of what runs", [self._gauge("serve", "UsdPerHour")]),
            self._graph("Inference units that run", [self._gauge("serve", "InferenceUnits")]),
        ]
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=deployment.named_worldwide("dashboard"),
            default_interval=cdk.Duration.days(7),
            widgets=[graphs[first : first + _COLUMNS] for first in range(0, len(graphs), _COLUMNS)],
        )

    def _graph(
        self, title: str, metrics: Sequence[cloudwatch.IMetric], most: float | None = None
    ) -> cloudwatch.IWidget:
        return cloudwatch.GraphWidget(
            title=title,
            left=list(metrics),
            left_y_axis=cloudwatch.YAxisProps(min=0, max=most, show_units=False),
            width=_WIDTH,
            height=_HEIGHT,
        )

    def _sums(self, *services: str, without: Sequence[str] = ()) -> list[cloudwatch.IMetric]:
        """How many of each there were, of everything that these functions count."""
        return [
            self._own(service, name, "Sum")
            for service in services
            for name in GIVEN[service]
            if name not in without
        ]

    def _gauge(self, service: str, name: str) -> cloudwatch.IMetric:
        return self._own(service, name, "Average")

    def _seconds(self) -> list[cloudwatch.IMetric]:
        return [self._own("detect", "AnswerSeconds", statistic) for statistic in ("p50", "p95")]

    def _own(self, service: str, name: str, statistic: str) -> cloudwatch.IMetric:
        """A metric of the deployment's own functions.

        Raises:
            ValueError: the function does not give it.
        """
        if name not in GIVEN[service]:
            raise ValueError(f"{service} gives no metric {name}")
        return cloudwatch.Metric(
            namespace=metric_namespace(self._deployment),
            metric_name=name,
            dimensions_map={"service": service},
            statistic=statistic,
            period=_PERIOD,
            label=name if statistic in ("Sum", "Average") else f"{name} {statistic}",
        )


def _errors(handler: Handler) -> cloudwatch.IMetric:
    return handler.function.metric_errors(period=_PERIOD, label=handler.node.id)


def _p95(handler: Handler) -> cloudwatch.IMetric:
    return handler.function.metric_duration(period=_PERIOD, statistic="p95", label=f"{handler.node.id} p95")
