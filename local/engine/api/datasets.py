"""CreateDataset, DescribeDataset, DeleteDataset."""

from __future__ import annotations

from dataclasses import replace

from local.engine import arns, faults
from local.engine.access.s3 import ObjectTooLargeError
from local.engine.api.context import Answer, Caller, Context, Request
from local.engine.errors import (
    InvalidParameterException,
    InvalidS3ObjectException,
    ResourceAlreadyExistsException,
    ResourceInUseException,
    ResourceNotFoundException,
)
from local.engine.manifests import errors as manifest_errors
from local.engine.storage.store import AlreadyThereError, Dataset, NotThereError, Store, Work

BUSY = {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS"}


class Datasets:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store

    def create_dataset(self, request: Request, caller: Caller, *, outcome: str = "") -> Answer:
        project = self._context.project(request["ProjectArn"], caller)
        kind = request["DatasetType"]
        now = self._context.clock.now()
        arn = arns.dataset(caller.region, caller.account, project.name, kind, now)
        images = self._context.quotas.images_in(caller.region, kind)
        work = Work("CREATE", (arn,), images, failure=faults.MESSAGE if outcome else "")
        work, manifest = self._from_source(work, request.get("DatasetSource", {}), caller)
        message, seconds = "The dataset is being created.", now / 1000
        dataset = Dataset(arn, project.arn, kind, "CREATE_IN_PROGRESS", message, "SUCCESS", seconds, seconds)
        try:
            with self._context.filling.promised(work, manifest):
                self._store.add_dataset(dataset, tags=request.get("Tags", {}))
        except AlreadyThereError as error:
            raise ResourceAlreadyExistsException(
                f"DatasetType: {project.arn} already has a {kind} dataset"
            ) from error
        except NotThereError as error:
            raise ResourceNotFoundException(f"{project.arn} was deleted") from error
        return {"DatasetArn": arn}

    def describe_dataset(self, request: Request, caller: Caller) -> Answer:
        dataset = self._context.dataset(request["DatasetArn"], caller)
        return {
            "DatasetDescription": {
                "CreationTimestamp": dataset.created,
                "LastUpdatedTimestamp": dataset.updated,
                **described_status(dataset),
                "DatasetStats": {
                    "LabeledEntries": dataset.labelled,
                    "TotalEntries": dataset.total,
                    "TotalLabels": len(self._store.entries.labels(dataset.arn)),
                    "ErrorEntries": dataset.erroneous,
                },
            }
        }

    def delete_dataset(self, request: Request, caller: Caller) -> Answer:
        dataset = self._context.dataset(request["DatasetArn"], caller)
        if not self._store.delete_dataset(dataset.arn, unless=BUSY):
            raise in_use(self._store, dataset)
        return {}

    def _from_source(self, work: Work, source: Request, caller: Caller) -> tuple[Work, bytes | None]:
        """The work with its source, and the manifest if that is one; what can be refused, is."""
        if len(source) > 1:
            raise InvalidParameterException(
                "DatasetSource needs either a GroundTruthManifest or a DatasetArn, not both"
            )
        if "DatasetArn" in source:
            copied = self._context.dataset(source["DatasetArn"], caller)
            if copied.status in ("CREATE_IN_PROGRESS", "CREATE_FAILED"):
                raise InvalidParameterException(
                    f"DatasetSource.DatasetArn: that dataset is {copied.status} and cannot be copied"
                )
            return replace(work, copied=copied.arn), None
        if "GroundTruthManifest" not in source:
            return work, None
        where = "DatasetSource.GroundTruthManifest.S3Object"
        manifest = source["GroundTruthManifest"]
        if "S3Object" not in manifest:
            raise InvalidS3ObjectException(f"{where} is missing")
        limit = self._context.quotas.manifest_bytes
        try:
            return work, self._context.read(manifest["S3Object"], caller, where, limit=limit)
        except ObjectTooLargeError:
            return replace(work, failure=manifest_errors.MANIFEST_TOO_LARGE), None


def in_use(store: Store, dataset: Dataset) -> ResourceInUseException | ResourceNotFoundException:
    """The reason why a dataset cannot be changed: by what it is now, which may be another than when the
    operation began."""
    current = store.dataset(dataset.arn)
    if current is None:
        return ResourceNotFoundException(f"{dataset.arn} was deleted")
    if current.status == "CREATE_FAILED":
        return ResourceInUseException("DatasetArn: the dataset is CREATE_FAILED; delete it")
    return ResourceInUseException(f"DatasetArn: the dataset is {current.status}; wait for its end")


def described_status(dataset: Dataset) -> Answer:
    return {"Status": dataset.status, "StatusMessage": dataset.message, "StatusMessageCode": dataset.code}
