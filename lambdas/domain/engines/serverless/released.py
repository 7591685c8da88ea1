"""Models that another deployment has trained and that were released to this one.

Their files lie in this deployment's bucket as a training job leaves them, but SageMaker has no job of them
here. The name says all there is to know: such a version is put on record once its files are complete.
"""

from __future__ import annotations

from lambdas.domain.engines.port import Version
from lambdas.domain.engines.serverless.training_jobs import SUMMARY_FILE


def prefix(name: str) -> str:
    """Where in the deployment's bucket the files of a version are."""
    return f"training/{name}/"


def describe(bucket: str, name: str, partition: str) -> Version:
    """A version that was released to the deployment with this bucket: it answers, and costs nothing at rest.

    No file says how it did about each test image: those are the other deployment's.
    """
    return Version(
        arn=f"arn:{partition}:s3:::{bucket}/{prefix(name).rstrip('/')}",
        name=name,
        status="RUNNING",
        message="",
        f1=None,
        summary=(bucket, f"{prefix(name)}{SUMMARY_FILE}"),
        billable_seconds=0,
        is_always_on=True,
    )
