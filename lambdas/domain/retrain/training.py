"""A run's training: Rekognition's datasets brought to its snapshot, a version trained on them and watched."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lambdas.domain.rekognition import custom_labels
from lambdas.domain.rekognition.custom_labels import CustomLabelsError, Version
from lambdas.domain.rekognition.dataset_sync import Datasets, Step
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import ModelVersion, Run
from lambdas.domain.shared.state import FencedState

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient


def sync_datasets(datasets: Datasets, run_id: str, snapshot_id: str) -> Step:
    """Bring the project's datasets a step closer to the snapshot; to be called until they are ready."""
    step = datasets.sync(snapshot_id)
    if step.ready:
        datasets.loop_state.update_run(Run(run_id, flagged_entries=datasets.flagged()))
    elif step.error:
        datasets.loop_state.update_run(Run(run_id, stopped=True))
    return step


def begin_training(
    rekognition: RekognitionClient,
    loop_state: FencedState,
    *,
    project_arn: str,
    bucket: str,
    run_id: str,
    snapshot_id: str,
) -> Version:
    """Begin to train a version on the project's datasets; the one that the run began before, if it did.

    Raises:
        LeaseLostError: the run has ended meanwhile. The sweeper records how its training ends.
    """
    number = loop_state.version_number(run_id)
    name = f"v{number}-{snapshot_id}"
    # First, so that the sweeper knows what to settle if this stops in between.
    loop_state.update_run(Run(run_id, version=name))
    begun = ModelVersion(name, number=number, snapshot=snapshot_id, run=run_id, state="training")
    loop_state.update_version(replace(begun, created_at=clock.now()))
    version = custom_labels.train(
        rekognition,
        project_arn,
        name,
        bucket=bucket,
        tags={"labelloop:snapshot": snapshot_id, "labelloop:run": run_id},
    )
    loop_state.update_version(ModelVersion(name, arn=version.arn))
    return version


def watch_training(
    rekognition: RekognitionClient, loop_state: FencedState, project_arn: str, name: str
) -> Version:
    """The version as Rekognition describes it now; a training that failed is recorded.

    Raises:
        CustomLabelsError: the version was deleted.
    """
    version = describe(rekognition, project_arn, name)
    if version.status == "TRAINING_FAILED":
        loop_state.update_version(ModelVersion(name, state="failed", reason=version.message))
    return version


def describe(rekognition: RekognitionClient, project_arn: str, name: str) -> Version:
    """A run's version as Rekognition describes it.

    Raises:
        CustomLabelsError: it was deleted.
    """
    version = custom_labels.describe_version(rekognition, project_arn, name)
    if version is None:
        raise CustomLabelsError(f"model version {name} was deleted")
    return version
