"""Trainings as SageMaker training jobs: begun, described and listed.

A model version's job is called after the deployment and the version. SageMaker forgets no job.
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from botocore.exceptions import ClientError

from lambdas.domain.engines.port import (
    DEPLOYMENT_TAG,
    EngineError,
    LimitReachedError,
    NotYetError,
    Version,
)
from lambdas.domain.shared import clock
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.records import SERVERLESS_SUFFIX

SUMMARY_FILE, TESTED_FILE, HELD_OUT_FILE = "evaluation.json", "evaluation.manifest", "held-out.manifest"
"""What the script leaves beside the model."""
CHECKPOINTS = "/opt/ml/checkpoints"
"""The folder that SageMaker keeps in S3 while a job runs, and fills again for the next machine:
https://docs.aws.amazon.com/sagemaker/latest/dg/model-checkpoints.html"""
_SOURCE_CHANNEL = "code"
"""The channel that brings the script's source. An isolated container can fetch nothing by itself:
https://docs.aws.amazon.com/sagemaker/latest/dg/mkt-algo-model-internet-free.html"""
_SOURCE_FOLDER = f"/opt/ml/input/data/{_SOURCE_CHANNEL}"
"""Where the container finds it:
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html"""
NOT_FOUND = ("ValidationException", "ResourceNotFound")
"""What DescribeTrainingJob fails with where there is no such job: its model has ResourceNotFound, and what
comes is a ValidationException: https://github.com/aws/aws-sdk/issues/165"""
_STATUSES = {
    "InProgress": "TRAINING_IN_PROGRESS",
    "Stopping": "TRAINING_IN_PROGRESS",
    # From then on it can be asked: there is nothing to start.
    "Completed": "RUNNING",
    "Failed": "TRAINING_FAILED",
    "Stopped": "TRAINING_FAILED",
    "Deleting": "DELETING",
}
_ENDED = ("Completed", "Failed", "Stopped")
_WORDS = {
    "Starting": "it waits for a machine",
    "Pending": "it waits for a machine",
    "LaunchingMLInstances": "it waits for a machine",
    "PreparingTrainingStack": "it waits for a machine",
    "DownloadingTrainingImage": "the machine fetches its container",
    "Downloading": "the machine fetches the images",
    "Training": "it is being trained",
    "Updating": "it is being trained",
    "Restarting": "it begins again on another machine",
    "Interrupted": "the spot machine was taken away; the next one goes on from the last checkpoint",
    "Uploading": "it is trained, and its model is being stored",
    "Stopping": "the training job is being stopped",
    "Stopped": "the training job was stopped",
    "Failed": "the training job failed, and SageMaker does not say why",
    "MaxRuntimeExceeded": "it took longer than it may, and was stopped",
    "MaxWaitTimeExceeded": "no spot machine came for it in time",
}
"""What SageMaker's secondary statuses mean for a version; that of a job that is complete says nothing more.
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_SecondaryStatusTransition.html"""


@frozen
class TrainingSettings:
    """How the deployment trains."""

    deployment: str
    role_arn: str
    """Of the jobs."""
    image: str
    """AWS's container for PyTorch."""
    source: str
    """URI of the script's source, a tar archive that is packed with gzip."""
    instance_type: str
    seconds: int
    """That the learning may take."""
    volume_gb: int
    """Of the machine, for the snapshot's images and what is made of them."""
    is_spot: bool
    bucket: str


def job_name(deployment: str, version: str) -> str:
    """The name of a version's training job: 63 characters at most, for any deployment's name."""
    return f"{deployment}-{version.removesuffix(SERVERLESS_SUFFIX)}"


def version_name(deployment: str, job: str) -> str:
    """The name of the version that a training job trains."""
    return job.removeprefix(f"{deployment}-") + SERVERLESS_SUFFIX


def begin(
    sagemaker: Any,
    settings: TrainingSettings,
    name: str,
    snapshot_id: str,
    images_manifest: str,
    *,
    tags: Mapping[str, str],
) -> Version:
    """Begin the training of a version.

    Args:
        images_manifest: URI of the list of the snapshot's images.
        tags: of the job, beside the deployment's.

    Raises:
        LimitReachedError: the account has no such machine free for a training.
        EngineError: a job of this name was begun for something else.
    """
    try:
        created = sagemaker.create_training_job(
            **_request(settings, name, snapshot_id, images_manifest),
            Tags=[
                {"Key": key, "Value": value}
                for key, value in {DEPLOYMENT_TAG: settings.deployment, **tags}.items()
            ],
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceLimitExceeded":
            # The message names the quota, and how to have it raised.
            raise LimitReachedError(f"a machine to train on: {_message(error)}") from error
        if error.response["Error"]["Code"] == "ResourceInUse":
            raise EngineError(
                f"the training job {job_name(settings.deployment, name)} exists already, of an earlier"
                " deployment of this name: `labelloop train --force` begins one of another name"
            ) from error
        raise
    return Version(created["TrainingJobArn"], name, "TRAINING_IN_PROGRESS", "", None, None, 0)


def _request(settings: TrainingSettings, name: str, snapshot_id: str, images_manifest: str) -> dict[str, Any]:
    # What the learning takes beside its own time: to read, test and export.
    runtime = 2 * settings.seconds + 3600
    stopping = {"MaxRuntimeInSeconds": runtime}
    if settings.is_spot:
        stopping["MaxWaitTimeInSeconds"] = runtime + 24 * 3600
    parameters = {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": f"{_SOURCE_FOLDER}/{settings.source.rpartition('/')[2]}",
        "version": name,
        "seconds": settings.seconds,
    }
    return {
        "TrainingJobName": job_name(settings.deployment, name),
        "RoleArn": settings.role_arn,
        "AlgorithmSpecification": {"TrainingImage": settings.image, "TrainingInputMode": "File"},
        # As the toolkit in the container reads them, each is a JSON document.
        "HyperParameters": {key: json.dumps(value) for key, value in parameters.items()},
        "InputDataConfig": [
            _channel(_SOURCE_CHANNEL, "S3Prefix", settings.source),
            _channel("images", "ManifestFile", images_manifest),
            _channel("manifests", "S3Prefix", f"s3://{settings.bucket}/datasets/{snapshot_id}/"),
        ],
        "OutputDataConfig": {
            "S3OutputPath": f"s3://{settings.bucket}/training",
            "CompressionType": "NONE",
        },
        "ResourceConfig": {
            "InstanceType": settings.instance_type,
            "InstanceCount": 1,
            "VolumeSizeInGB": settings.volume_gb,
        },
        "StoppingCondition": stopping,
        # Where a spot machine is taken away, the next one goes on from here.
        "CheckpointConfig": {
            "S3Uri": f"s3://{settings.bucket}/training/{job_name(settings.deployment, name)}/checkpoints",
            "LocalPath": CHECKPOINTS,
        },
        "Environment": {"CHECKPOINTS": CHECKPOINTS},
        # No network and no credentials for what runs in the container: it has the channels, and SageMaker
        # takes away what it leaves. So a job reads no more than its snapshot, and writes no other's model.
        "EnableNetworkIsolation": True,
        "EnableManagedSpotTraining": settings.is_spot,
    }


def _channel(name: str, kind: str, uri: str) -> dict[str, Any]:
    source = {"S3DataType": kind, "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def describe(sagemaker: Any, deployment: str, bucket: str, name: str) -> Version | None:
    """The version of that name; None if there is none.

    A job that has left its model in another bucket was an earlier deployment's of the same name.
    """
    try:
        described = sagemaker.describe_training_job(TrainingJobName=job_name(deployment, name))
    except ClientError as error:
        if error.response["Error"]["Code"] in NOT_FOUND:
            return None
        raise
    is_own = described["OutputDataConfig"]["S3OutputPath"].startswith(f"s3://{bucket}/")
    return _version(described, deployment) if is_own else None


@lru_cache(maxsize=1000)
def model_folder(sagemaker: Any, job: str) -> str:
    """URI of the folder in which a job has left its model, by the job's own word.

    Raises:
        botocore.exceptions.ClientError: there is no such job.
        NotYetError: it is not complete, and has left none.
    """
    described = sagemaker.describe_training_job(TrainingJobName=job)
    if described["TrainingJobStatus"] != "Completed":
        raise NotYetError(f"the training job {job} is {described['TrainingJobStatus']} and has left no model")
    return _artifacts(described)


def versions(sagemaker: Any, deployment: str, bucket: str) -> Iterator[Version]:
    """Every version of the deployment, the newest first.

    What has ended is described once in a function's life: it changes no more.
    """
    own = re.compile(rf"{re.escape(deployment)}-v\d+-[0-9a-f]+")
    pages = sagemaker.get_paginator("list_training_jobs").paginate(NameContains=f"{deployment}-v")
    for page in pages:
        for job in page["TrainingJobSummaries"]:
            if own.fullmatch(job["TrainingJobName"]):
                name = job["TrainingJobName"].removeprefix(f"{deployment}-")
                read = _ended if job["TrainingJobStatus"] in _ENDED else describe
                if version := read(sagemaker, deployment, bucket, name):
                    yield version


@lru_cache(maxsize=1000)
def _ended(sagemaker: Any, deployment: str, bucket: str, name: str) -> Version | None:
    return describe(sagemaker, deployment, bucket, name)


def stop(sagemaker: Any, deployment: str, bucket: str) -> list[Version]:
    """Begin to stop the deployment's jobs: the versions of those that have not ended yet.

    What a job has cost until then is billed. One that stops may take two minutes to do so:
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StopTrainingJob.html
    """
    under_way = [
        version
        for version in versions(sagemaker, deployment, bucket)
        if version.status == "TRAINING_IN_PROGRESS"
    ]
    for version in under_way:
        stop_job(sagemaker, job_name(deployment, version.name))
    return under_way


def stop_job(sagemaker: Any, job: str) -> None:
    """Begin to stop a job; nothing if it stops already, or has ended: the next look shows which."""
    try:
        sagemaker.stop_training_job(TrainingJobName=job)
    except ClientError as error:
        if error.response["Error"]["Code"] not in NOT_FOUND:
            raise


def _version(described: Any, deployment: str) -> Version:
    status, secondary = described["TrainingJobStatus"], described["SecondaryStatus"]
    bucket, _, prefix = _artifacts(described).removeprefix("s3://").partition("/")
    is_trained = status == "Completed"
    return Version(
        arn=described["TrainingJobArn"],
        name=version_name(deployment, described["TrainingJobName"]),
        status=_STATUSES[status],
        message=described.get("FailureReason", "") or _words(secondary),
        f1=None,
        summary=(bucket, f"{prefix}/{SUMMARY_FILE}") if is_trained else None,
        tested=(bucket, f"{prefix}/{TESTED_FILE}") if is_trained else None,
        held_out=(bucket, f"{prefix}/{HELD_OUT_FILE}") if is_trained else None,
        # A job that has failed is billed, too. Of a spot machine these are fewer than it took: times the full
        # price they are what it cost.
        billable_seconds=described.get("BillableTimeInSeconds", 0) if status in _ENDED else 0,
        training_began_at=_iso(described.get("TrainingStartTime") or described["CreationTime"]),
        training_ended_at=_iso(described.get("TrainingEndTime")),
        is_always_on=True,
    )


def _artifacts(described: Any) -> str:
    """URI of the folder that a job has left; empty as long as there is none.

    The API's model has it in every answer, and yet SageMaker is seen to leave it out:
    https://github.com/aws/sagemaker-python-sdk/pull/6091
    """
    return str((described.get("ModelArtifacts") or {}).get("S3ModelArtifacts") or "").rstrip("/")


def _words(secondary: str) -> str:
    return _WORDS.get(secondary, "")


def _iso(moment: Any) -> str:
    return clock.to_iso(moment) if moment else ""


def _message(error: ClientError) -> str:
    return error.response["Error"].get("Message", "") or str(error)
