"""The operations on model versions: CreateProjectVersion, DescribeProjectVersions, DeleteProjectVersion,
StartProjectVersion, StopProjectVersion."""

from __future__ import annotations

import shutil

from local.engine import arns, faults
from local.engine.api.context import Answer, Caller, Context, Request
from local.engine.api.training_data import TrainingData
from local.engine.errors import (
    InvalidParameterException,
    LimitExceededException,
    ResourceInUseException,
    ResourceNotFoundException,
)
from local.engine.model_directory import version_directory
from local.engine.quotas import PAGE
from local.engine.storage.store import AlreadyThereError, NotThereError, TooManyError, Version
from local.engine.training import progress
from local.engine.training.output import output_keys
from local.engine.training.trainer import TrainingRequest

STARTABLE = {"TRAINING_COMPLETED", "COPYING_COMPLETED", "STOPPED", "FAILED"}
DELETABLE = {*STARTABLE, "TRAINING_FAILED", "COPYING_FAILED"}


class Versions:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store

    def recover(self) -> None:
        versions = self._context.state / "versions"
        for images_of_a_lost_training in versions.glob("*/images"):
            shutil.rmtree(images_of_a_lost_training, ignore_errors=True)
        to_start = self._store.recover()
        known = {version_directory(self._context.state, arn) for arn in self._store.version_arns()}
        for directory in versions.glob("*"):
            if directory not in known:
                shutil.rmtree(directory, ignore_errors=True)
        for version in to_start:
            self._context.endpoints.start(version.arn)

    def create_project_version(self, request: Request, caller: Caller, *, outcome: str = "") -> Answer:
        project = self._context.project(request["ProjectArn"], caller)
        if "FeatureConfig" in request:
            raise InvalidParameterException("FeatureConfig is for projects of the feature CONTENT_MODERATION")
        self._context.check_output(request)
        self._context.check_key(request, caller)
        data = TrainingData.of(self._context, project, request, caller)
        name, now = request["VersionName"], self._context.clock.now()
        arn = arns.version(caller.region, caller.account, project.name, name, now)
        details = {
            "OutputConfig": request["OutputConfig"],
            "Feature": project.feature,
            **data.inputs,
            **{key: request[key] for key in ("KmsKeyId", "VersionDescription") if key in request},
        }
        message = "The model is being trained."
        version = Version(arn, project.arn, name, "TRAINING_IN_PROGRESS", message, now / 1000, details)
        add_version(self._context, version, request, caller, trains=True)
        bucket, prefix = request["OutputConfig"]["S3Bucket"], request["OutputConfig"].get("S3KeyPrefix", "")
        self._context.trainer.submit(
            TrainingRequest(
                version_arn=arn,
                training=data.training,
                testing=data.testing,
                bucket=bucket,
                prefix=prefix,
                objects=self._context.objects(caller),
                may_read=caller.permission("s3:GetObject"),
                may_write_output=self._context.may_write(caller, bucket, output_keys(arn, prefix)),
                fail_with=faults.MESSAGE if outcome else data.failure,
                auto_create=data.auto_create,
                kms_key_id=request.get("KmsKeyId", ""),
            )
        )
        return {"ProjectVersionArn": arn}

    def describe_project_versions(self, request: Request, caller: Caller) -> Answer:
        project = self._context.project(request["ProjectArn"], caller)
        names = request.get("VersionNames")
        versions = self._store.versions(project.arn)
        page, more = self._context.pages.page(
            "DescribeProjectVersions",
            request,
            [version for version in versions if names is None or version.name in names],
            lambda version: -version.created,
            size=PAGE,
        )
        return {"ProjectVersionDescriptions": [self._describe(version) for version in page], **more}

    def delete_project_version(self, request: Request, caller: Caller) -> Answer:
        version = self._context.version(request["ProjectVersionArn"], caller)
        if not self._store.move_version(version.arn, "DELETING", when=DELETABLE):
            raise ResourceInUseException(
                f"ProjectVersionArn: a version that is {self._status(version)} cannot be deleted"
            )
        shutil.rmtree(version_directory(self._context.state, version.arn), ignore_errors=True)
        self._store.delete_version(version.arn)
        return {"Status": "DELETING"}

    def start_project_version(self, request: Request, caller: Caller, *, outcome: str = "") -> Answer:
        version = self._context.version(request["ProjectVersionArn"], caller)
        min_units, max_units = request["MinInferenceUnits"], request.get("MaxInferenceUnits")
        quotas = self._context.quotas
        for member in ("MinInferenceUnits", "MaxInferenceUnits"):
            if request.get(member, 0) > quotas.inference_units:
                raise LimitExceededException(f"{member}: a model has up to {quotas.inference_units} units")
        if max_units is not None and max_units < min_units:
            raise InvalidParameterException("MaxInferenceUnits must not be less than MinInferenceUnits")
        units = {"MinInferenceUnits": min_units, "MaxInferenceUnits": max_units}
        try:
            with self._store.transaction():
                if not self._store.move_version(
                    version.arn, "STARTING", when=STARTABLE, message="The model is starting.", details=units
                ):
                    raise ResourceInUseException(
                        f"ProjectVersionArn: a version that is {self._status(version)} cannot be started"
                    )
                self._store.check_running(caller.account, caller.region, limit=quotas.running_versions)
        except TooManyError as error:
            raise LimitExceededException(f"{error} models run in this account; stop one first") from error
        self._context.endpoints.start(version.arn, fail_with=faults.MESSAGE if outcome else "")
        return {"Status": "STARTING"}

    def stop_project_version(self, request: Request, caller: Caller) -> Answer:
        version = self._context.version(request["ProjectVersionArn"], caller)
        if not self._store.move_version(
            version.arn, "STOPPING", when={"RUNNING"}, message="The model is stopping."
        ):
            raise ResourceInUseException(
                f"ProjectVersionArn: a version that is {self._status(version)} cannot be stopped"
            )
        self._context.endpoints.stop(version.arn)
        return {"Status": "STOPPING"}

    def _describe(self, version: Version) -> Answer:
        message = version.message
        if version.status == "TRAINING_IN_PROGRESS":
            state = progress.read(version_directory(self._context.state, version.arn))
            message = state.message() if state else message
        return {
            "ProjectVersionArn": version.arn,
            "CreationTimestamp": version.created,
            "Status": version.status,
            "StatusMessage": message,
            **version.details,
        }

    def _status(self, version: Version) -> str:
        """The version's status now, which may be another than when the operation began."""
        current = self._store.version(version.arn)
        return current.status if current else "deleted"


def add_version(
    context: Context, version: Version, request: Request, caller: Caller, *, trains: bool
) -> None:
    """Keep a new version with the request's tags, or raise what CreateProjectVersion and CopyProjectVersion
    answer when the name is taken or a limit is reached."""
    trainings = context.quotas.trainings_in(caller.region)
    versions = context.quotas.versions_per_project
    try:
        context.store.add_version(
            version, tags=request.get("Tags", {}), limit=versions, busy_limit=trainings if trains else None
        )
    except AlreadyThereError as error:
        raise ResourceInUseException(
            f"VersionName: the project already has a version named {version.name}"
        ) from error
    except TooManyError as error:
        raise LimitExceededException(
            f"A project has up to {versions} models, and an account up to {trainings} trainings at a time;"
            f" {error} are there"
        ) from error
    except NotThereError as error:
        raise ResourceNotFoundException(f"{version.project_arn} was deleted") from error
