"""CopyProjectVersion: a model and its training results, copied to another project.

https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/md-copy-model-overview.html

Whether the caller may copy the source is decided before: by IAM and the source project's policies
(`local.engine.access.authorization`).
"""

from __future__ import annotations

import copy
import functools
import logging
import shutil
from pathlib import PurePosixPath
from typing import Any

from local.engine import arns, faults
from local.engine.access.s3 import NoObjectError, Objects
from local.engine.api.context import Answer, Caller, Context, Request
from local.engine.api.versions import add_version
from local.engine.errors import InvalidParameterException, ResourceInUseException, ResourceNotFoundException
from local.engine.manifests.errors import CANNOT_WRITE_OUTPUT
from local.engine.model_directory import version_directory
from local.engine.storage.store import RUNS, Project, Version

logger = logging.getLogger("labelloop.engine.copies")

COPYABLE = {"TRAINING_COMPLETED", "COPYING_COMPLETED", "STOPPED", "FAILED", *RUNS}
"""States of a version that has a model."""
RESULTS = ("EvaluationResult", "ManifestSummary", "TrainingDataResult", "TestingDataResult")


class CopyError(Exception):
    """The copy cannot be made; the message becomes the version's StatusMessage."""


class Copies:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store

    def copy_project_version(self, request: Request, caller: Caller, *, outcome: str = "") -> Answer:
        self._context.check_output(request)
        source = self._source(request, caller)
        project = self._context.project(request["DestinationProjectArn"], caller)
        self._context.check_key(request, caller)
        name, now = request["VersionName"], self._context.clock.now()
        arn = arns.version(caller.region, caller.account, project.name, name, now)
        version = self._new(arn, project, source, request, now)
        # Asked now: the caller's credentials are known as long as the request is under way.
        keys = [_output_key(version, s3_object) for s3_object in _s3_objects(_results(source))]
        may_write = self._context.may_write(caller, request["OutputConfig"]["S3Bucket"], keys)
        add_version(self._context, version, request, caller, trains=False)
        output = self._context.objects(caller) if may_write else None
        failure = faults.MESSAGE if outcome else ""
        self._context.begin(functools.partial(self._copy, source, version, output, failure))
        return {"ProjectVersionArn": arn}

    def _source(self, request: Request, caller: Caller) -> Version:
        project_arn, version_arn = request["SourceProjectArn"], request["SourceProjectVersionArn"]
        for member in ("SourceProjectArn", "SourceProjectVersionArn", "DestinationProjectArn"):
            parts = arns.parse(request[member])
            if parts is None or parts.region != caller.region:
                raise InvalidParameterException(f"{member} must be of the Region {caller.region}")
        if self._store.project(project_arn) is None:
            raise ResourceNotFoundException(f"SourceProjectArn: there is no {project_arn}")
        source = self._store.version(version_arn)
        if source is None:
            raise ResourceNotFoundException(f"SourceProjectVersionArn: there is no {version_arn}")
        if source.project_arn != project_arn:
            raise InvalidParameterException("SourceProjectVersionArn is not a version of SourceProjectArn")
        if source.status not in COPYABLE:
            raise ResourceInUseException(
                f"SourceProjectVersionArn: a version that is {source.status} cannot be copied"
            )
        return source

    def _new(self, arn: str, project: Project, source: Version, request: Request, now: int) -> Version:
        details = {
            "OutputConfig": request["OutputConfig"],
            "Feature": project.feature,
            "SourceProjectVersionArn": source.arn,
            **{key: request[key] for key in ("KmsKeyId",) if key in request},
            **{key: source.details[key] for key in ("VersionDescription",) if key in source.details},
        }
        message = "The model is being copied."
        return Version(
            arn, project.arn, request["VersionName"], "COPYING_IN_PROGRESS", message, now / 1000, details
        )

    def _copy(self, source: Version, version: Version, output: Objects | None, failure: str) -> None:
        details: dict[str, Any] = {}
        try:
            status, message = "COPYING_COMPLETED", "The model copy is ready to run."
            if failure or output is None:
                raise CopyError(failure or CANNOT_WRITE_OUTPUT)
            details = self._copy_results(source, version, output)
            self._copy_model(source, version)
        except (CopyError, NoObjectError) as error:
            logger.warning("copy of %s: %s", source.arn, error)
            status, message = "COPYING_FAILED", str(error)
        except Exception as error:
            logger.exception("copy of %s", source.arn)
            status, message = "COPYING_FAILED", f"The engine failed: {error!r}"
        self._store.move_version(
            version.arn, status, when={"COPYING_IN_PROGRESS"}, message=message, details=details
        )

    def _copy_model(self, source: Version, version: Version) -> None:
        """Copy the model's directory; it is there whole or not at all, whenever the engine ends."""
        there = version_directory(self._context.state, source.arn)
        here = version_directory(self._context.state, version.arn)
        partial = here.with_name(f"{here.name}.copying")
        try:
            shutil.copytree(there, partial, ignore=shutil.ignore_patterns("*.log", "images", "job.json"))
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise CopyError("The source model was deleted before it was copied.") from error
        partial.rename(here)

    def _copy_results(self, source: Version, version: Version, output: Objects) -> dict[str, Any]:
        """Copy the training output of the source to the OutputConfig; its members of the description."""
        bucket, key_id = version.details["OutputConfig"]["S3Bucket"], version.details.get("KmsKeyId", "")
        owner = arns.parse(source.arn)
        assert owner is not None  # noqa: S101 - the engine made it
        from_objects = self._context.objects_of(owner.account, owner.region)
        results = _results(source)
        for s3_object in _s3_objects(results):
            body, key = _get(from_objects, s3_object), _output_key(version, s3_object)
            s3_object.clear()
            s3_object.update({"Bucket": bucket, "Name": key})
            try:
                output.put(bucket, key, body, "application/json", kms_key_id=key_id)
            except NoObjectError as error:
                raise CopyError(CANNOT_WRITE_OUTPUT) from error
        return results


def _results(source: Version) -> dict[str, Any]:
    """The members of the source's description that say where its training output is."""
    results = {key: copy.deepcopy(source.details[key]) for key in RESULTS if key in source.details}
    for result in results.values():
        result.pop("Input", None)
    return results


def _output_key(version: Version, s3_object: Request) -> str:
    """Where the copy has that file of the source."""
    prefix = version.details["OutputConfig"].get("S3KeyPrefix", "").strip("/")
    return f"{prefix}/{PurePosixPath(s3_object['Name']).name}".lstrip("/")


def _get(objects: Objects, s3_object: Request) -> bytes:
    try:
        return objects.get(s3_object["Bucket"], s3_object["Name"], s3_object.get("Version"))
    except NoObjectError as error:
        raise CopyError(f"The training output of the source cannot be read: {error}") from error


def _s3_objects(value: Any) -> list[dict[str, Any]]:
    """Every S3Object within a description."""
    if isinstance(value, list):
        return [location for item in value for location in _s3_objects(item)]
    if not isinstance(value, dict):
        return []
    here = [value["S3Object"]] if "S3Object" in value else []
    return here + [
        location for name, item in value.items() if name != "S3Object" for location in _s3_objects(item)
    ]
