"""The loop's own memory, in one DynamoDB table: leases, runs, model versions, the champion.

Items are keyed by (`kind`, `id`). Every write that two callers could make at once is conditional.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, Key

from lambdas.domain.shared import clock, records
from lambdas.domain.shared.dynamodb import delete_if, put_if, query_pages
from lambdas.domain.shared.records import (
    Champion,
    DatasetSync,
    Lease,
    LeaseName,
    ModelVersion,
    Progress,
    Run,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from boto3.dynamodb.conditions import ConditionBase
    from mypy_boto3_dynamodb.service_resource import Table

    from lambdas.domain.shared.annotation import DatasetType

CLOSED = "closed"
"""Holder of the leases of a deployment that is being destroyed."""


class ChampionChangedError(RuntimeError):
    """Another promotion switched the champion in the meantime; nothing was changed."""


class LoopState:
    """The table with the loop's records, which are read and written here alone."""

    def __init__(self, table: Table) -> None:
        self._table = table

    # Leases

    def take_lease(self, name: LeaseName, holder: str) -> Lease:
        """The lease as it stands after trying to take it: taken if its holder is `holder`."""
        self._put("LEASE", name, Lease(name, holder, clock.now()), Attr("id").not_exists())
        held = self.lease(name)
        return held if held else self.take_lease(name, holder)

    def lease(self, name: LeaseName) -> Lease | None:
        """The lease as it stands; None if nobody has it."""
        item = self._get("LEASE", name)
        return records.read(Lease, item) if item else None

    def release_lease(self, name: LeaseName, holder: str) -> bool:
        """Give the lease back; False if `holder` does not have it, and then nothing changes."""
        return delete_if(self._table, {"kind": "LEASE", "id": name}, Attr("holder").eq(holder))

    def close(self) -> None:
        """Let no run and no promotion begin any more; whoever had a lease has lost it."""
        names: tuple[LeaseName, ...] = ("retrain", "promote")
        for name in names:
            self._put("LEASE", name, Lease(name, CLOSED, clock.now()))

    # Progress

    def progress(self) -> Progress:
        """The progress, with a ticket for the next automatic run."""
        progress = self.known_progress()
        if progress.ticket:
            return progress
        self._put("PROGRESS", "retrain", Progress(ticket=_ticket()), Attr("id").not_exists())
        return self.progress()

    def known_progress(self) -> Progress:
        """The progress, without a ticket before the first run was asked for."""
        return records.read(Progress, self._get("PROGRESS", "retrain") or {})

    def advance(self, *, cutoff: str | None = None, stopped: bool = False) -> None:
        """After a run: a new ticket, and how far it came if it made a snapshot.

        Args:
            stopped: something in the snapshot has to be corrected before it can be trained on.
        """
        old = self.progress()
        new = replace(old, ticket=_ticket())
        if cutoff and stopped:
            new = replace(new, stopped_at=cutoff)
        elif cutoff:
            new = replace(new, cutoff=cutoff, stopped_at="")
        self._put("PROGRESS", "retrain", new, Attr("ticket").eq(old.ticket))

    # Runs and model versions

    def update_run(self, run: Run) -> None:
        """Write the members of the run that are set; those on record already stay as they are."""
        self._update("RUN", run.id, records.attributes(run))

    def run(self, id: str) -> Run | None:
        """The run's record, however much of it is there."""
        item = self._get("RUN", id)
        return records.read(Run, item) if item else None

    def runs(self) -> list[Run]:
        """Every run, newest first."""
        runs = [records.read(Run, item) for item in self._all("RUN")]
        return sorted(runs, key=lambda run: run.started_at or "", reverse=True)

    def update_version(self, version: ModelVersion) -> None:
        """Write the members of the version that are set; those on record already stay as they are."""
        self._update("VERSION", version.id, records.attributes(version))

    def version(self, id: str) -> ModelVersion | None:
        """The model version's record, however much of it is there."""
        item = self._get("VERSION", id)
        return records.read(ModelVersion, item) if item else None

    def versions(self) -> list[ModelVersion]:
        """Every model version, newest first."""
        versions = [records.read(ModelVersion, item) for item in self._all("VERSION")]
        return sorted(versions, key=lambda version: version.created_at or "", reverse=True)

    def version_number(self, run_id: str) -> int:
        """The number of the version this run trains: the same however often it is asked for."""
        run = self.run(run_id)
        if run and run.version_number is not None:
            return run.version_number
        counted = self._table.update_item(
            Key={"kind": "COUNTER", "id": "versions"},
            UpdateExpression="ADD #value :one",
            ExpressionAttributeNames={"#value": "value"},
            ExpressionAttributeValues={":one": 1},
            ReturnValues="UPDATED_NEW",
        )
        number = int(str(counted["Attributes"]["value"]))
        self.update_run(Run(run_id, version_number=number))
        return number

    # Datasets

    def dataset_sync(self, dataset_type: DatasetType) -> DatasetSync:
        """What is known of a dataset's content."""
        return records.read(DatasetSync, self._get("DATASET", dataset_type) or {})

    def record_synced(self, dataset_type: DatasetType, snapshot_id: str) -> None:
        """Record that the dataset holds just this snapshot; empty: nobody knows what it holds."""
        self._put("DATASET", dataset_type, DatasetSync(snapshot_id))

    def record_sent(self, dataset_type: DatasetType, target: str, sent: int) -> None:
        """Record how many entries of the changes that lead to snapshot `target` were sent."""
        self._update("DATASET", dataset_type, {"target": target, "sent": sent})

    # The champion

    def champion(self) -> Champion | None:
        """The version that serves; None before the first promotion."""
        item = self._get("CHAMPION", "champion")
        return records.read(Champion, item) if item else None

    def switch_champion(self, old: Champion | None, version_arn: str, version_name: str) -> Champion:
        """Make a version the champion, in one write.

        Raises:
            ChampionChangedError: `old` is not the champion any more.
        """
        new = Champion(
            version_arn=version_arn,
            version_name=version_name,
            since=clock.now(),
            previous_version_arn=old.version_arn if old else "",
            previous_version_name=old.version_name if old else "",
        )
        unchanged = Attr("version_arn").eq(old.version_arn) if old else Attr("id").not_exists()
        if not self._put("CHAMPION", "champion", new, unchanged):
            raise ChampionChangedError(
                f"{version_name} was not made champion: another version has become it meanwhile"
            )
        return new

    # Items

    def _get(self, kind: str, id: str) -> dict[str, Any] | None:
        return self._table.get_item(Key={"kind": kind, "id": id}, ConsistentRead=True).get("Item")

    def _all(self, kind: str) -> Iterator[dict[str, Any]]:
        for page in query_pages(self._table, {"KeyConditionExpression": Key("kind").eq(kind)}):
            yield from page["Items"]

    def _put(
        self,
        kind: str,
        id: str,
        record: Lease | Progress | DatasetSync | Champion,
        condition: ConditionBase | None = None,
    ) -> bool:
        """Replace the item, if the condition holds: whether it did."""
        return put_if(self._table, {**records.attributes(record), "kind": kind, "id": id}, condition)

    def _update(self, kind: str, id: str, attributes: Mapping[str, Any]) -> None:
        changes = {name: value for name, value in attributes.items() if name != "id"}
        if not changes:
            return
        self._table.update_item(
            Key={"kind": kind, "id": id},
            UpdateExpression="SET " + ", ".join(f"#{i} = :{i}" for i in range(len(changes))),
            ExpressionAttributeNames={f"#{i}": name for i, name in enumerate(changes)},
            ExpressionAttributeValues={f":{i}": value for i, value in enumerate(changes.values())},
        )


def _ticket() -> str:
    return uuid.uuid4().hex[:12]
