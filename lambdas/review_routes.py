"""The routes to people that the deployment has, for the review's functions and the sweeper."""

from __future__ import annotations

import os

from lambdas.domain.review.desk import labels
from lambdas.domain.review.results.resolution import Resolver
from lambdas.domain.review.routing import Routes
from lambdas.domain.review.workforce.ground_truth import JobSettings
from lambdas.services import services, variable


def routes() -> Routes:
    """The routes as the function's environment and the settings say."""
    s = services()
    tuning = s.tuning()
    flow_definition_arn = os.environ.get("A2I_FLOW_DEFINITION_ARN", "")
    jobs = _jobs(tuning.review_workers_per_task)
    return Routes(
        resolver=Resolver(s.reviews, s.catalogue, s.stepfunctions, tuning),
        s3=s.s3,
        deployment=variable("DEPLOYMENT"),
        bucket=s.bucket,
        labels=_labels,
        # A client takes a while to make: its model of SageMaker is large.
        a2i=s.a2i if flow_definition_arn else None,
        sagemaker=s.sagemaker if jobs else None,
        flow_definition_arn=flow_definition_arn,
        jobs=jobs,
    )


def _labels() -> list[str]:
    s = services()
    return sorted(labels.usable(labels.offered(s.reviews, s.loop_state, s.catalogue)))


def _jobs(workers: int) -> JobSettings | None:
    """None unless the deployment has a work team for labeling jobs."""
    workteam = os.environ.get("GROUNDTRUTH_WORKTEAM_ARN", "")
    if not workteam:
        return None
    return JobSettings(
        region=variable("AWS_REGION"),
        deployment=variable("DEPLOYMENT"),
        bucket=services().bucket,
        role_arn=variable("GROUNDTRUTH_ROLE_ARN"),
        workteam_arn=workteam,
        workers=workers,
    )
