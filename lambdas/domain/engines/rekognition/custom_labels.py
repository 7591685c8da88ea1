"""Amazon Rekognition Custom Labels as the loop uses it: datasets brought to a snapshot, model versions
trained, started, stopped and asked. Nothing here waits; what takes long is started and looked at again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain.engines.port import (
    BUSY,
    EngineError,
    InferenceUnitsError,
    LimitReachedError,
    NotYetError,
    Version,
)
from lambdas.domain.shared import clock

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_rekognition.type_defs import (
        DatasetMetadataTypeDef,
        ImageTypeDef,
        ProjectVersionDescriptionTypeDef,
    )

    from lambdas.domain.shared.annotation import DatasetType


MAX_UPDATE_BYTES = 3_700_000
"""Changes that one UpdateDatasetEntries is sent: less than 5 MB also once they are encoded as Base64.

"The size of Changes must be less than 5MB" does not say which of the two is counted:
https://docs.aws.amazon.com/rekognition/latest/APIReference/API_UpdateDatasetEntries.html
"""
AT_A_LIMIT = {"LimitExceededException", "ServiceQuotaExceededException"}
"""Errors of an account that has used a quota up. They do not say which."""
_MAX_TRAININGS = {"ap-southeast-2": 1}
"""Quota "Maximum number of concurrent Amazon Rekognition Custom Labels training jobs per account" where it is
not 2."""
MAX_RUNNING_MODELS = 2
"""Quota "Maximum number of concurrently running Amazon Rekognition Custom Labels models per account"."""
MAX_INFERENCE_UNITS = 5
"""Quota "Maximum inference units per started model". AWS raises all of them on request.

https://docs.aws.amazon.com/general/latest/gr/rekognition.html
"""
MAX_VERSIONS = 100
"""Quota "Maximum number of Amazon Rekognition Custom Labels models per project"."""


# Projects


def find_project(rekognition: RekognitionClient, name: str) -> str | None:
    projects = rekognition.describe_projects(ProjectNames=[name])["ProjectDescriptions"]
    return projects[0]["ProjectArn"] if projects else None


def projects(rekognition: RekognitionClient) -> Iterator[str]:
    """ARNs of every Custom Labels project that the account has in this Region."""
    for page in rekognition.get_paginator("describe_projects").paginate():
        yield from (project["ProjectArn"] for project in page["ProjectDescriptions"])


# Datasets


def dataset(
    rekognition: RekognitionClient, project_arn: str, dataset_type: DatasetType
) -> DatasetMetadataTypeDef | None:
    name = project_arn.split("/")[1]
    (project,) = rekognition.describe_projects(ProjectNames=[name])["ProjectDescriptions"]
    for dataset in project.get("Datasets", []):
        if dataset["DatasetType"] == dataset_type:
            return dataset
    return None


def create_dataset(
    rekognition: RekognitionClient,
    project_arn: str,
    dataset_type: DatasetType,
    bucket: str,
    manifest_key: str,
) -> str:
    """ARN of the new dataset, which is filled from the manifest in the background."""
    return rekognition.create_dataset(
        ProjectArn=project_arn,
        DatasetType=dataset_type,
        DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": bucket, "Name": manifest_key}}},
    )["DatasetArn"]


def last_updated(rekognition: RekognitionClient, dataset_arn: str) -> str:
    """When Rekognition has last updated the dataset; empty if it does not say so.

    https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DatasetDescription.html
    """
    described = rekognition.describe_dataset(DatasetArn=dataset_arn)["DatasetDescription"]
    return _iso(described.get("LastUpdatedTimestamp"))


def error_entries(rekognition: RekognitionClient, dataset_arn: str) -> int:
    """Entries of a dataset that Rekognition found errors in; it trains without them.

    https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DatasetStats.html
    """
    described = rekognition.describe_dataset(DatasetArn=dataset_arn)["DatasetDescription"]
    return described.get("DatasetStats", {}).get("ErrorEntries", 0)


# Model versions


def describe_version(rekognition: RekognitionClient, project_arn: str, name: str) -> Version | None:
    """The version of that name, None if the project has none."""
    try:
        answer = rekognition.describe_project_versions(ProjectArn=project_arn, VersionNames=[name])
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None
        raise
    descriptions = answer["ProjectVersionDescriptions"]
    return _version(descriptions[0]) if descriptions else None


def versions(rekognition: RekognitionClient, project_arn: str) -> list[Version]:
    pages = rekognition.get_paginator("describe_project_versions").paginate(ProjectArn=project_arn)
    return [_version(description) for page in pages for description in page["ProjectVersionDescriptions"]]


def account_versions(rekognition: RekognitionClient) -> Iterator[Version]:
    """Every version of every Custom Labels project that the account has in this Region: they share quotas."""
    for project_arn in projects(rekognition):
        # It may have been deleted since.
        with suppress(rekognition.exceptions.ResourceNotFoundException):
            yield from versions(rekognition, project_arn)


def train(
    rekognition: RekognitionClient, project_arn: str, name: str, *, bucket: str, tags: Mapping[str, str]
) -> Version:
    """Begin the training of a version from the project's datasets; the one begun before, if there is one.

    A version may not be described yet right after its training has begun.

    Raises:
        LimitReachedError: the account trains as many as it may, or the project is full.
        NotYetError: a dataset changes still, or the version was begun and is not described yet.
    """
    if existing := describe_version(rekognition, project_arn, name):
        return existing
    try:
        created = rekognition.create_project_version(
            ProjectArn=project_arn,
            VersionName=name,
            OutputConfig={"S3Bucket": bucket, "S3KeyPrefix": f"training/{name}"},
            Tags=tags,
        )
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in AT_A_LIMIT:
            raise _no_training_slot(rekognition, error) from error
        if code == "ResourceInUseException":
            raise NotYetError(f"{name} cannot be trained yet: {_message(error)}") from error
        raise
    return Version(created["ProjectVersionArn"], name, "TRAINING_IN_PROGRESS", "", None, None, 0)


def start(
    rekognition: RekognitionClient, version: Version, inference_units: int, max_inference_units: int = 0
) -> None:
    """Begin to start a version that does not run; nothing if it already does.

    Args:
        max_inference_units: up to which Rekognition adds units by itself while there are more detections,
            and takes them away again; if that is not more than `inference_units`, it does not.

    Raises:
        LimitReachedError: the account runs as many models as it may.
        NotYetError: it cannot be started in the state that it is in, such as STOPPING.
        InferenceUnitsError: no model of the account may have so many inference units.
    """
    if version.status in ("STARTING", "RUNNING"):
        return
    try:
        scaled: Any = (
            {"MaxInferenceUnits": max_inference_units} if max_inference_units > inference_units else {}
        )
        rekognition.start_project_version(
            ProjectVersionArn=version.arn, MinInferenceUnits=inference_units, **scaled
        )
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in AT_A_LIMIT:
            raise _no_endpoint(
                rekognition, version, max(inference_units, max_inference_units), error
            ) from error
        if code == "ResourceInUseException":
            raise NotYetError(f"{version.name} cannot be started yet: {_message(error)}") from error
        raise


def max_trainings(region: str) -> int:
    """Trainings that an account may have at once in a Region, unless AWS has raised the quota."""
    return _MAX_TRAININGS.get(region, 2)


def _no_training_slot(rekognition: RekognitionClient, error: ClientError) -> LimitReachedError:
    trained = [each.name for each in account_versions(rekognition) if each.status == "TRAINING_IN_PROGRESS"]
    if not trained:
        return LimitReachedError(f"room for another model version: {_message(error)}")
    under_way = "1 training runs" if len(trained) == 1 else f"{len(trained)} trainings run"
    return LimitReachedError(f"a free training slot: {under_way} in this account", trained)


def _no_endpoint(
    rekognition: RekognitionClient, version: Version, inference_units: int, error: ClientError
) -> EngineError:
    """Which quota it is: that of models if the account runs others, or that of inference units."""
    running = [
        each.name for each in account_versions(rekognition) if each.status in BUSY and each.arn != version.arn
    ]
    if inference_units > MAX_INFERENCE_UNITS and len(running) < MAX_RUNNING_MODELS:
        return InferenceUnitsError(
            f"{version.name} cannot be started with {inference_units} inference units: the quota 'Maximum"
            f" inference units per started model' of this account is lower ({MAX_INFERENCE_UNITS} unless AWS"
            " raised it). Use fewer, or ask for more in the Service Quotas console"
        )
    if not running:
        return LimitReachedError(f"room for another running model: {_message(error)}")
    models = "1 model runs" if len(running) == 1 else f"{len(running)} models run"
    return LimitReachedError(f"a running model to stop: {models} in this account", running)


def _message(error: ClientError) -> str:
    return error.response["Error"].get("Message", "") or str(error)


def delete(rekognition: RekognitionClient, version: Version) -> None:
    """Begin to delete a version; nothing if that is under way already and was described otherwise."""
    try:
        rekognition.delete_project_version(ProjectVersionArn=version.arn)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("ResourceInUseException", "ResourceNotFoundException"):
            raise


def stop(rekognition: RekognitionClient, version: Version) -> None:
    """Begin to stop a running version; nothing if it does not run.

    A version that is starting cannot be stopped yet: ResourceInUseException, to be tried again.
    """
    if version.status in ("STARTING", "RUNNING"):
        rekognition.stop_project_version(ProjectVersionArn=version.arn)


def detect(
    rekognition: RekognitionClient,
    version_arn: str,
    image: ImageTypeDef,
    *,
    min_confidence: float | None = None,
) -> list[dict[str, Any]]:
    """Labels found in the image: name, confidence (0 to 100) and, from a detection model, a box whose
    left, top, width and height are ratios of the image's size."""
    optional: Any = {} if min_confidence is None else {"MinConfidence": min_confidence}
    answer = rekognition.detect_custom_labels(ProjectVersionArn=version_arn, Image=image, **optional)
    return [_detection(label) for label in answer["CustomLabels"]]


def _detection(label: Any) -> dict[str, Any]:
    detection = {"label": label["Name"], "confidence": round(label["Confidence"], 3)}
    if box := label.get("Geometry", {}).get("BoundingBox"):
        detection["box"] = {side.lower(): round(box[side], 6) for side in ("Left", "Top", "Width", "Height")}
    return detection


def _version(description: ProjectVersionDescriptionTypeDef) -> Version:
    evaluation = description.get("EvaluationResult", {})
    summary = evaluation.get("Summary", {}).get("S3Object")
    return Version(
        arn=description["ProjectVersionArn"],
        name=description["ProjectVersionArn"].split("/")[3],
        status=description["Status"],
        message=description.get("StatusMessage", ""),
        f1=evaluation.get("F1Score"),
        summary=(summary["Bucket"], summary["Name"]) if summary else None,
        # A copy was trained, and billed, in the project that it was copied from.
        billable_seconds=0
        if "SourceProjectVersionArn" in description
        else description.get("BillableTrainingTimeInSeconds", 0),
        inference_units=description.get("MinInferenceUnits", 1),
        max_inference_units=description.get("MaxInferenceUnits", 0),
        tested=_tested(description),
        held_out=_held_out(_tested(description)),
        training_began_at=_iso(description.get("CreationTimestamp")),
        training_ended_at=_iso(description.get("TrainingEndTimestamp")),
    )


def _held_out(tested: tuple[str, str] | None) -> tuple[str, str] | None:
    """Where the embedded stack leaves what was seen in training images; Custom Labels leaves no such file."""
    if tested is None:
        return None
    bucket, key = tested
    folder, _, name = key.rpartition("/")
    return bucket, f"{folder}/{name.replace('TestingGroundTruth', 'HeldOutPredictions', 1)}"


def _iso(moment: datetime | None) -> str:
    return clock.to_iso(moment) if moment else ""


def _tested(description: ProjectVersionDescriptionTypeDef) -> tuple[str, str] | None:
    assets = description.get("TestingDataResult", {}).get("Output", {}).get("Assets", [])
    file = assets[0].get("GroundTruthManifest", {}).get("S3Object") if assets else None
    return (file["Bucket"], file["Name"]) if file else None
