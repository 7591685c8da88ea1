"""ListDatasetEntries, ListDatasetLabels, UpdateDatasetEntries, DistributeDatasetEntries."""

from __future__ import annotations

from local.engine import faults
from local.engine.api.context import Answer, Caller, Context, Request
from local.engine.api.datasets import BUSY, in_use
from local.engine.errors import InvalidParameterException, ResourceNotReadyException
from local.engine.quotas import PAGE
from local.engine.storage.entries import Filters
from local.engine.storage.store import Dataset, Work

_UPDATING = "The dataset is being updated."


class DatasetEntries:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store

    def list_dataset_entries(self, request: Request, caller: Caller) -> Answer:
        dataset = self._ready(request["DatasetArn"], caller)
        pages, listing = self._context.pages, "ListDatasetEntries"
        filters = Filters(
            tuple(dict.fromkeys(request.get("ContainsLabels", ()))),
            request.get("Labeled"),
            request.get("HasErrors"),
            request.get("SourceRefContains", ""),
        )
        after = pages.after(listing, request, 0)
        limit = request.get("MaxResults", PAGE) + 1
        entries = self._store.entries.page(dataset.arn, filters, after=after, limit=limit)
        page, more = pages.cut(listing, request, entries, lambda entry: entry[0], size=PAGE)
        return {"DatasetEntries": [line for _, line in page], **more}

    def list_dataset_labels(self, request: Request, caller: Caller) -> Answer:
        dataset = self._ready(request["DatasetArn"], caller)
        numbered = list(enumerate(self._store.entries.labels(dataset.arn)))
        page, more = self._context.pages.page(
            "ListDatasetLabels", request, numbered, lambda item: item[0], size=PAGE
        )
        descriptions = [
            {
                "LabelName": statistics.label,
                "LabelStats": {"EntryCount": statistics.entries, "BoundingBoxCount": statistics.boxed},
            }
            for _, statistics in page
        ]
        return {"DatasetLabelDescriptions": descriptions, **more}

    def update_dataset_entries(self, request: Request, caller: Caller, *, outcome: str = "") -> Answer:
        dataset = self._context.dataset(request["DatasetArn"], caller)
        changes: bytes = request["Changes"]["GroundTruth"]
        if not changes.strip():
            raise InvalidParameterException("Changes.GroundTruth has no JSON Line")
        images = self._context.quotas.images_in(caller.region, dataset.type)
        work = Work("UPDATE", (dataset.arn,), images, failure=faults.MESSAGE if outcome else "")
        with self._context.filling.promised(work, changes):
            if not self._store.claim_datasets(
                dataset.arn, to="UPDATE_IN_PROGRESS", message=_UPDATING, unless={*BUSY, "CREATE_FAILED"}
            ):
                raise in_use(self._store, dataset)
        return {}

    def distribute_dataset_entries(self, request: Request, caller: Caller, *, outcome: str = "") -> Answer:
        given = [self._context.dataset(dataset["Arn"], caller) for dataset in request["Datasets"]]
        by_type = {dataset.type: dataset for dataset in given}
        if set(by_type) != {"TRAIN", "TEST"}:
            raise InvalidParameterException("Datasets needs a training dataset and a test dataset")
        training, testing = by_type["TRAIN"], by_type["TEST"]
        if training.project_arn != testing.project_arn:
            raise InvalidParameterException("Datasets must be the two datasets of one project")
        for dataset in given:
            if dataset.status in BUSY or dataset.status == "CREATE_FAILED":
                raise ResourceNotReadyException(f"Datasets: {dataset.arn} is {dataset.status}")
        images = self._context.quotas.images_per_dataset
        failure = faults.MESSAGE if outcome else ""
        work = Work("DISTRIBUTE", (training.arn, testing.arn), images, failure=failure)
        with self._context.filling.promised(work):
            if not self._store.claim_datasets(
                *work.datasets, to="UPDATE_IN_PROGRESS", message=_UPDATING, unless=BUSY
            ):
                raise ResourceNotReadyException("Datasets: one of them has begun to change; wait for its end")
            # Now that nothing else can add to it.
            if (current := self._context.dataset(testing.arn, caller)).total:
                raise InvalidParameterException(
                    f"Datasets: {testing.arn} must be empty; it has {current.total}"
                )
        return {}

    def _ready(self, arn: str, caller: Caller) -> Dataset:
        dataset = self._context.dataset(arn, caller)
        if dataset.status == "CREATE_IN_PROGRESS":
            raise ResourceNotReadyException("DatasetArn: the dataset is still being created")
        return dataset
