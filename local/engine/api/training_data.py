"""What a version is trained and tested with: the project's datasets, or manifests that the request names.

A manifest that cannot be read fails the training, not the request:
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/tm-terminal-errors-reference.html
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

from local.engine.access.s3 import NoObjectError, ObjectTooLargeError
from local.engine.api.context import Answer, Caller, Context, Request
from local.engine.api.datasets import BUSY
from local.engine.errors import InvalidParameterException, ResourceInUseException
from local.engine.manifests import errors as manifest_errors
from local.engine.manifests import lines as manifest_lines
from local.engine.storage.store import Dataset, Project


class UnreadableError(Exception):
    """The manifest cannot be used; the message becomes the version's StatusMessage."""


@dataclass(frozen=True)
class TrainingData:
    training: Sequence[str] = ()
    testing: Sequence[str] = ()
    """The lines of the testing manifest."""
    inputs: Answer = field(default_factory=dict)
    """The members of the version's description that say where it came from."""
    auto_create: bool = False
    failure: str = ""
    """Why the training must fail, if it must."""

    @classmethod
    def of(cls, context: Context, project: Project, request: Request, caller: Caller) -> TrainingData:
        """The data of a CreateProjectVersion request.

        Raises:
            InvalidParameterException: the request cannot be understood so.
            ResourceInUseException: a dataset of it is being changed.
        """
        # No image can be in both datasets because it was moved meanwhile.
        with context.store.snapshot():
            return cls._of(context, project, request, caller)

    @classmethod
    def _of(cls, context: Context, project: Project, request: Request, caller: Caller) -> TrainingData:
        datasets = {dataset.type: dataset for dataset in context.store.datasets(project.arn)}
        if "TrainingData" in request or "TestingData" in request:
            return _from_manifests(context, datasets, request, caller)
        if missing := {"TRAIN", "TEST"} - set(datasets):
            raise InvalidParameterException(
                f"ProjectArn: the project has no {' and no '.join(sorted(missing))} dataset"
            )
        for dataset in datasets.values():
            if dataset.status in BUSY or dataset.status == "CREATE_FAILED":
                raise ResourceInUseException(
                    f"ProjectArn: the project's {dataset.type} dataset is {dataset.status}"
                )
        entries = context.store.entries
        return cls(entries.lines(datasets["TRAIN"].arn), entries.lines(datasets["TEST"].arn))


def _from_manifests(
    context: Context, datasets: dict[str, Dataset], request: Request, caller: Caller
) -> TrainingData:
    if datasets or "TrainingData" not in request or "TestingData" not in request:
        raise InvalidParameterException(
            "TrainingData and TestingData go together, and only in a project without datasets"
        )
    auto_create = bool(request["TestingData"].get("AutoCreate"))
    if auto_create and request["TestingData"].get("Assets"):
        raise InvalidParameterException("TestingData needs either Assets or AutoCreate, not both")
    named = {"TrainingData": _manifest_object(request, "TrainingData")}
    if not auto_create:
        named["TestingData"] = _manifest_object(request, "TestingData")
    inputs = {f"{member}Result": {"Input": request[member]} for member in ("TrainingData", "TestingData")}
    lines: dict[str, list[str]] = {"TestingData": []}
    try:
        for member, s3_object in named.items():
            kind = "TRAIN" if member == "TrainingData" else "TEST"
            lines[member] = _read(context, s3_object, caller, context.quotas.images_in(caller.region, kind))
    except UnreadableError as error:
        return TrainingData(inputs=inputs, auto_create=auto_create, failure=str(error))
    return TrainingData(lines["TrainingData"], lines["TestingData"], inputs, auto_create)


def _manifest_object(request: Request, member: str) -> Request:
    assets = request[member].get("Assets", [])
    if len(assets) != 1:
        raise InvalidParameterException(f"{member}.Assets needs exactly one asset, and has {len(assets)}")
    location: Request = assets[0].get("GroundTruthManifest", {}).get("S3Object", {})
    if not location.get("Bucket") or not location.get("Name"):
        raise InvalidParameterException(
            f"{member}.Assets[0].GroundTruthManifest.S3Object needs a Bucket and a Name"
        )
    return location


def _read(context: Context, s3_object: Request, caller: Caller, most: int) -> list[str]:
    bucket, key, version = s3_object["Bucket"], s3_object["Name"], s3_object.get("Version")
    action = "s3:GetObjectVersion" if version else "s3:GetObject"
    if not caller.may(action, f"arn:aws:s3:::{bucket}/{key}"):
        raise UnreadableError(manifest_errors.MANIFEST_FORBIDDEN)
    try:
        limit = context.quotas.manifest_bytes
        manifest = context.objects(caller).get(bucket, key, version, limit=limit)
    except NoObjectError as error:
        raise UnreadableError(manifest_errors.UNSUPPORTED_MANIFEST) from error
    except ObjectTooLargeError as error:
        raise UnreadableError(manifest_errors.MANIFEST_TOO_LARGE) from error
    # What is not UTF-8 becomes half a surrogate pair, which makes the line an invalid one.
    lines = [line.decode(errors="surrogateescape") for line in manifest_lines.lines_of(io.BytesIO(manifest))]
    if len(lines) > most:
        raise UnreadableError(manifest_errors.TOO_MANY_ROWS)
    return lines
