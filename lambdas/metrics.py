"""The metrics that the functions give: what CloudWatch cannot know by itself.

Each is a line of the function's log in the embedded metric format, from which CloudWatch takes it: no
request, and no permission. The namespace is the deployment's, the one dimension the function's file
(`service`).
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format.html
A metric is paid for by the hours in which it is given, so there are few (docs/operations.md).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar, cast

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

Handler = TypeVar("Handler", bound=Callable[..., Any])

GIVEN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "register": (
            "ObjectsRegistered",
            "ObjectsRejected",
            "ObjectsFailed",
            "AnnotationFilesTaken",
            "AnnotationsPending",
            "BrokenManifestLines",
        ),
        "review": ("TasksOpened",),
        "desk": ("AnswersGiven", "TasksSkipped"),
        "retrain": ("RunsPromoted", "RunsRejected", "RunsSkipped", "RunsFailed"),
        "detect": ("ImagesDetected", "ImagesUnusable", "ImagesWaiting", "AnswerSeconds"),
        "serve": ("ChampionF1", "InferenceUnits", "UsdPerHour", "MonthUsd"),
        "sweep": ("OpenTasks",),
        "drift": ("DriftedFeatures",),
        "console": ("PartsUnread",),
    }
)
"""Names of all metrics, by service."""

# Most requests have nothing to count.
warnings.filterwarnings("ignore", "No application metrics to publish")
_metrics = Metrics()


def with_metrics(handler: Handler) -> Handler:
    """The handler, which gives its metrics when it ends, however it ends."""
    return cast(Handler, _metrics.log_metrics(handler))


def count(name: str, number: int = 1) -> None:
    """Count things; none of them is not worth a line."""
    if number:
        _metrics.add_metric(name=name, unit=MetricUnit.Count, value=number)


def gauge(name: str, value: float, unit: MetricUnit = MetricUnit.NoUnit) -> None:
    """Say how large something is now."""
    _metrics.add_metric(name=name, unit=unit, value=value)
