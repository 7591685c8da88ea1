"""The loop's own memory, in one DynamoDB table: leases, runs, model versions, the champion.

Items are keyed by (`kind`, `id`). Every write that two callers could make at once is conditional.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from lambdas.domain.shared import clock
from lambdas.domain.shared.dynamodb import from_item, is_condition_failure, to_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


CLOSED = "closed"
"""Holder of the leases of a deployment that is being destroyed."""
LeaseName = Literal["retrain", "promote"]


Facts = Mapping[str, Any]


class ChampionChangedError(RuntimeError):
    """Another promotion switched the champion in the meantime; nothing was changed."""


@dataclass(frozen=True)
class Lease:
    """Who may change a thing at present: the ARN of a state machine execution."""

    name: str
    holder: str
    since: str


@dataclass(frozen=True)
class Champion:
    """The model version that serves."""

    version_arn: str
    version_name: str
    since: str
    previous_version_arn: str = ""
    previous_version_name: str = ""


@dataclass(frozen=True)
class Progress:
    """How far the loop has come: what was changed after `cutoff` has not been trained on.

    `ticket` names the next automatic run, so that any number of requests start it once. `stopped_at`: up to
    here changes are known not to be enough, for the last run was stopped by what they left wrong; empty if
    it was not.
    """

    cutoff: str
    ticket: str
    stopped_at: str = ""


@dataclass(frozen=True)
class Synced:
    """What the project's dataset holds: a snapshot (empty: nobody knows), or something on the way to another.

    Of the changes that lead to snapshot `target`, the first `sent` entries were sent; an empty target: none.
    """

    snapshot: str
    target: str
    sent: int


class LoopState:
    def __init__(self, table: Table) -> None:
        self._table = table

    # Leases

    def take_lease(self, name: LeaseName, holder: str) -> Lease:
        """The lease as it stands after trying to take it: taken if its holder is `holder`."""
        item = {"kind": "LEASE", "id": name, "holder": holder, "since": clock.now()}
        try:
            self._table.put_item(Item=item, ConditionExpression=Attr("id").not_exists())
        except ClientError as error:
            if not is_condition_failure(error):
                raise
        held = self.lease(name)
        return held if held else self.take_lease(name, holder)

    def lease(self, name: LeaseName) -> Lease | None:
        item = self._get("LEASE", name)
        return Lease(name, item["holder"], item["since"]) if item else None

    def release_lease(self, name: LeaseName, holder: str) -> bool:
        """Give the lease back; False if `holder` does not have it, and then nothing changes."""
        try:
            self._table.delete_item(
                Key={"kind": "LEASE", "id": name}, ConditionExpression=Attr("holder").eq(holder)
            )
        except ClientError as error:
            if not is_condition_failure(error):
                raise
            return False
        return True

    def close(self) -> None:
        """No run and no promotion begins any more; whoever had a lease has lost it."""
        for name in ("retrain", "promote"):
            self._table.put_item(Item={"kind": "LEASE", "id": name, "holder": CLOSED, "since": clock.now()})

    # Progress

    def progress(self) -> Progress:
        found = self.known_progress()
        if not found.ticket:
            self._put_progress(Progress(cutoff="", ticket=_ticket()), Attr("id").not_exists())
            return self.progress()
        return found

    def known_progress(self) -> Progress:
        """The progress, without a ticket before the first run was asked for."""
        item = self._get("PROGRESS", "retrain") or {"cutoff": "", "ticket": ""}
        return Progress(item["cutoff"], item["ticket"], item.get("stopped_at", ""))

    def advance(self, *, cutoff: str | None = None, stopped: bool = False) -> None:
        """After a run: a new ticket, and how far it came if it made a snapshot.

        Args:
            stopped: something in the snapshot has to be mended before it can be trained on.
        """
        old = self.progress()
        new = replace(old, ticket=_ticket())
        if cutoff and stopped:
            new = replace(new, stopped_at=cutoff)
        elif cutoff:
            new = replace(new, cutoff=cutoff, stopped_at="")
        self._put_progress(new, Attr("ticket").eq(old.ticket))

    def _put_progress(self, progress: Progress, condition: Any) -> None:
        try:
            self._table.put_item(
                Item={"kind": "PROGRESS", "id": "retrain", **asdict(progress)},
                ConditionExpression=condition,
            )
        except ClientError as error:
            if not is_condition_failure(error):
                raise

    # Runs and model versions

    def note_run(self, run_id: str, **facts: Any) -> None:
        """Add facts to the run's record, making it if there is none."""
        self._note("RUN", run_id, facts)

    def run(self, run_id: str) -> dict[str, Any] | None:
        return self._get("RUN", run_id)

    def runs(self) -> list[dict[str, Any]]:
        """Every run, newest first."""
        return sorted(self._all("RUN"), key=lambda run: str(run.get("started_at", "")), reverse=True)

    def note_version(self, name: str, **facts: Any) -> None:
        self._note("VERSION", name, facts)

    def version(self, name: str) -> dict[str, Any] | None:
        return self._get("VERSION", name)

    def versions(self) -> list[dict[str, Any]]:
        """Every model version, newest first."""
        return sorted(self._all("VERSION"), key=lambda v: str(v.get("created_at", "")), reverse=True)

    def version_number(self, run_id: str) -> int:
        """The number of the version this run trains: the same however often it is asked for."""
        run = self.run(run_id) or {}
        if "version_number" in run:
            return int(run["version_number"])
        counted = self._table.update_item(
            Key={"kind": "COUNTER", "id": "versions"},
            UpdateExpression="ADD #value :one",
            ExpressionAttributeNames={"#value": "value"},
            ExpressionAttributeValues={":one": 1},
            ReturnValues="UPDATED_NEW",
        )
        number = int(str(counted["Attributes"]["value"]))
        self.note_run(run_id, version_number=number)
        return number

    # Datasets

    def synced(self, dataset_type: str) -> Synced:
        item = self._get("DATASET", dataset_type) or {}
        return Synced(str(item.get("snapshot", "")), str(item.get("target", "")), int(item.get("sent", 0)))

    def note_synced(self, dataset_type: str, snapshot_id: str) -> None:
        """The dataset holds just this snapshot; empty: nobody knows what it holds."""
        self._note("DATASET", dataset_type, {"snapshot": snapshot_id, "target": "", "sent": 0})

    def note_syncing(self, dataset_type: str, target: str, sent: int) -> None:
        self._note("DATASET", dataset_type, {"target": target, "sent": sent})

    # The champion

    def champion(self) -> Champion | None:
        item = self._get("CHAMPION", "champion")
        if item is None:
            return None
        return Champion(**{k: str(v) for k, v in item.items() if k not in ("kind", "id")})

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
        try:
            self._table.put_item(
                Item={"kind": "CHAMPION", "id": "champion", **asdict(new)}, ConditionExpression=unchanged
            )
        except ClientError as error:
            if not is_condition_failure(error):
                raise
            raise ChampionChangedError(
                f"{version_name} was not made champion: another version has become it meanwhile"
            ) from error
        return new

    # Items

    def _get(self, kind: str, id: str) -> dict[str, Any] | None:
        found = self._table.get_item(Key={"kind": kind, "id": id}, ConsistentRead=True).get("Item")
        return from_item(found) if found else None

    def _note(self, kind: str, id: str, facts: Facts) -> None:
        names = {f"#{i}": name for i, name in enumerate(facts)}
        values = {f":{i}": to_item(value) for i, value in enumerate(facts.values())}
        self._table.update_item(
            Key={"kind": kind, "id": id},
            UpdateExpression="SET " + ", ".join(f"#{i} = :{i}" for i in range(len(facts))),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
        )

    def _all(self, kind: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        query: dict[str, Any] = {"KeyConditionExpression": Key("kind").eq(kind)}
        while True:
            page = self._table.query(**query)
            items += [from_item(item) for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                return items
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _ticket() -> str:
    return uuid.uuid4().hex[:12]
