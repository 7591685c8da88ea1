"""What a version is trained and tested with: the project's datasets, or manifests that the request names.

A manifest that cannot be read fails the training, not the request:
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/tm-terminal-errors-reference.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from local.engine import manifests
from local.engine.api.context import Answer, Caller, Context, Request
from local.engine.api.datasets import BUSY
from local.engine.api.filling import TOO_LARGE, TOO_MANY_ROWS, FillError, manifest_lines
from local.engine.errors import InvalidParameterException, ResourceInUseException
from local.engine.objects import NoObjectError
from local.engine.store import Dataset, Project

UNREADABLE = "The manifest file extension or contents are invalid."
NO_PERMISSION = "The S3 bucket permissions are incorrect."


@dataclass(frozen=True)
class TrainingData:
    training: Sequence[str] = ()
    testing: Sequence[str] = ()
    """Manifest lines."""
    source_refs: Sequence[str] = ()
    """Locations of all images."""
    inputs: Answer = field(default_factory=dict)
    """The members of the version's description that say where it came from."""
    auto_create: bool = False
    failure: str = ""
    """Why the training must fail, if it must."""

    @classmethod
    def of(cls, context: Context, project: Project, request: Request, caller: Caller) -> TrainingData:
        """Raises InvalidParameterException or ResourceInUseException."""
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
        train, test = datasets["TRAIN"].arn, datasets["TEST"].arn
        source_refs = {*entries.source_refs(train), *entries.source_refs(test)}
        return cls(entries.lines(train), entries.lines(test), sorted(source_refs))


def may_read_images(source_refs: Iterable[str], caller: Caller) -> bool:
    locations = (manifests.location(source) for source in source_refs)
    return caller.may("s3:GetObject", *(f"arn:aws:s3:::{bucket}/{key}" for bucket, key in locations))


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
    except FillError as error:
        return TrainingData(inputs=inputs, auto_create=auto_create, failure=str(error))
    source_refs = {manifests.parse(line).source_ref for found in lines.values() for line in found} - {""}
    return TrainingData(lines["TrainingData"], lines["TestingData"], sorted(source_refs), inputs, auto_create)


def _manifest_object(request: Request, member: str) -> Request:
    assets = request[member].get("Assets", [])
    if len(assets) != 1:
        raise InvalidParameterException(f"{member}.Assets needs exactly one asset, and has {len(assets)}")
    found: Request = assets[0].get("GroundTruthManifest", {}).get("S3Object", {})
    if not found.get("Bucket") or not found.get("Name"):
        raise InvalidParameterException(
            f"{member}.Assets[0].GroundTruthManifest.S3Object needs a Bucket and a Name"
        )
    return found


def _read(context: Context, s3_object: Request, caller: Caller, most: int) -> list[str]:
    bucket, key, version = s3_object["Bucket"], s3_object["Name"], s3_object.get("Version")
    action = "s3:GetObjectVersion" if version else "s3:GetObject"
    if not caller.may(action, f"arn:aws:s3:::{bucket}/{key}"):
        raise FillError(NO_PERMISSION)
    try:
        manifest = context.objects(caller).get(bucket, key, version)
    except NoObjectError as error:
        raise FillError(UNREADABLE) from error
    if len(manifest) > context.quotas.manifest_bytes:
        raise FillError(TOO_LARGE)
    # What is not UTF-8 becomes half a surrogate pair, which makes the line an invalid one.
    lines = [line.decode(errors="surrogateescape") for line in manifest_lines(manifest)]
    if len(lines) > most:
        raise FillError(TOO_MANY_ROWS)
    return lines
