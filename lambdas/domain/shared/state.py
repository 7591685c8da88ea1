"""The loop's own memory, in one DynamoDB table: leases, runs, model versions, the champion.

Items are keyed by (`kind`, `id`). Every write that two callers could make at once is conditional, and what a
run or a promotion writes is written only while it holds its lease.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from lambdas.domain.shared import clock, records
from lambdas.domain.shared.dynamodb import (
    PASSING,
    TRANSACTION_ATTEMPTS,
    UNMET,
    cancellation_reasons,
    delete_if,
    put_if,
    query_pages,
    wait_after,
)
from lambdas.domain.shared.records import (
    AnyRecord,
    AwaitedTraining,
    Batch,
    Champion,
    ClassIds,
    DatasetSync,
    Hold,
    Incident,
    Lease,
    LeaseName,
    LedgerEntry,
    LedgerHead,
    ModelVersion,
    NeededImages,
    PendingApproval,
    Progress,
    Run,
    Serving,
    SnapshotSummary,
    WaitingImage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from boto3.dynamodb.conditions import ConditionBase
    from mypy_boto3_dynamodb.service_resource import Table

    from lambdas.domain.shared.annotation import DatasetType

CLOSED = "closed"
"""Holder of the leases of a deployment that is being destroyed."""
TAKEN_OVER = "sweep:"
"""Begins the holder of a lease that the sweeper took from an execution that has ended; its ARN follows."""
SERVE = "serve:"
"""Begins the holder of a promotion's lease that the step serve has for a moment, while it starts or stops the
champion; the id of its request follows."""
SERVE_SECONDS = 180
"""Longer than the step serve needs once it has the lease; one that has it for longer was killed."""
_SENT = "sent"
_OF_AN_END = ("ended_at", "reason", "seconds", "steps", "estimated_usd")
"""Members of a run's record that its end writes."""
_HEAD = "head"
"""The id of the ledger's end; those of its entries begin with a month."""
_CLAIM = timedelta(minutes=2)
"""Longer than a function needs to tell of a run once it has claimed to."""


class ChampionChangedError(RuntimeError):
    """Another promotion switched the champion in the meantime; nothing was changed."""


class ServingChangedError(RuntimeError):
    """Others kept changing the record of the champion's running; nothing was changed."""


class ClassesChangedError(RuntimeError):
    """Others kept numbering labels; nothing was changed."""


class LeaseLostError(RuntimeError):
    """The writer's execution does not hold its lease any more, as it has ended; nothing was changed."""


class LoopState:
    """The table with the loop's records, which are read and written here alone.

    What a run or a promotion writes, only a FencedState can write.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def fenced(self, *, promote: str = "", retrain: str = "") -> FencedState:
        """The state as it is written by who holds these leases: while they hold them, and no longer.

        Args:
            promote, retrain: holders, which are executions' ARNs; empty: that lease does not matter.
        """
        holders: dict[LeaseName, str] = {"promote": promote, "retrain": retrain}
        return FencedState(self._table, {name: holder for name, holder in holders.items() if holder})

    # Leases

    def take_lease(self, name: LeaseName, holder: str) -> Lease:
        """The lease as it stands after trying to take it: taken if its holder is `holder`.

        One that the step serve has for longer than SERVE_SECONDS is nobody's: its function was killed.
        """
        mine = Lease(name, holder, clock.now())
        self._put("LEASE", name, mine, Attr("id").not_exists())
        held = self.lease(name)
        if held and held.holder != holder and is_abandoned(held):
            self._put("LEASE", name, mine, Attr("holder").eq(held.holder))
            held = self.lease(name)
        return held if held else self.take_lease(name, holder)

    def lease(self, name: LeaseName) -> Lease | None:
        """The lease as it stands; None if nobody has it."""
        item = self._get("LEASE", name)
        return records.read(Lease, item) if item else None

    def take_for_serving(self, request_id: str) -> str | None:
        """Take a promotion's lease to start or stop the champion: its holder, None if it is another's."""
        holder = f"{SERVE}{request_id}"
        return holder if self.take_lease("promote", holder).holder == holder else None

    def release_lease(self, name: LeaseName, holder: str) -> bool:
        """Give the lease back; False if `holder` does not have it, and then nothing changes."""
        return delete_if(self._table, {"kind": "LEASE", "id": name}, Attr("holder").eq(holder))

    def take_over(self, lease: Lease) -> str:
        """Take the lease from an execution that has ended: the holder that has it now.

        A function of that execution may still run; from here on it can write nothing. Whoever takes over
        what was taken over already goes on with it.

        Raises:
            LeaseLostError: another took it over, and has given it back.
        """
        if lease.holder.startswith(TAKEN_OVER):
            return lease.holder
        holder = f"{TAKEN_OVER}{lease.holder}"
        taken = replace(lease, holder=holder)
        if not self._put("LEASE", lease.id, taken, Attr("holder").is_in([lease.holder, holder])):
            raise LeaseLostError(f"the lease of {lease.id} is not {lease.holder}'s any more")
        return holder

    def close(self) -> None:
        """Let no run and no promotion begin any more; whoever had a lease has lost it."""
        names: tuple[LeaseName, ...] = ("retrain", "promote")
        for name in names:
            self._put("LEASE", name, Lease(name, CLOSED, clock.now()))

    # Progress

    def progress(self) -> Progress:
        """The progress, begun if it was not: with a ticket for the next automatic run."""
        progress = self.known_progress()
        if progress.ticket:
            return progress
        self._put("PROGRESS", "retrain", Progress(ticket=_ticket()), Attr("id").not_exists())
        return self.progress()

    def known_progress(self) -> Progress:
        """The progress, without a ticket before it was begun."""
        return records.read(Progress, self._get("PROGRESS", "retrain") or {})

    # Runs and model versions

    def run(self, id: str) -> Run | None:
        """The run's record, however much of it is there."""
        item = self._get("RUN", id)
        return records.read(Run, item) if item else None

    def run_images(self, id: str) -> SnapshotSummary | None:
        """The images of a run's snapshot, with those of each label; None if it has none."""
        item = self._get("RUN", id, ("id", "images"))
        return records.read(Run, item).images if item else None

    def runs(self) -> list[Run]:
        """Every run, newest first."""
        return _newest_runs(self._all("RUN"))

    def run_outlines(self) -> list[Run]:
        """The same without labels, verdicts and steps, which are most of what there is to read."""
        return _newest_runs(self._all("RUN", records.RUN_OUTLINE))

    def version(self, id: str) -> ModelVersion | None:
        """The model version's record, however much of it is there."""
        item = self._get("VERSION", id)
        return records.read(ModelVersion, item) if item else None

    def versions(self) -> list[ModelVersion]:
        """Every model version, newest first."""
        return _newest_versions(self._all("VERSION"))

    def version_outlines(self) -> list[ModelVersion]:
        """The same without labels, verdicts and settings, which are most of what there is to read."""
        return _newest_versions(self._all("VERSION", records.VERSION_OUTLINE))

    def add_version(self, version: ModelVersion) -> ModelVersion:
        """Record a version that no run has trained, with the next number; if it is on record, that stays."""
        while True:
            if known := self.version(version.id):
                return known
            counter = self._get("COUNTER", "versions") or {}
            number = int(str(counter.get("value", 0))) + 1
            counted = self._update_action(
                "COUNTER", "versions", {"value": number}, {"value": counter.get("value")}
            )
            added = self._put_action("VERSION", version.id, replace(version, number=number), {"arn": None})
            self._transact([counted, added])

    def note_unbegun_run(self, run: Run) -> None:
        """Record when and why a run started that does not get the lease, unless it has ended already."""
        self._transact([self._update_action("RUN", run.id, records.attributes(run), {"outcome": None})])

    def end_unbegun_run(self, run: Run) -> None:
        """Record the end of a run that never had the lease, unless a record of it is there already.

        One that has failed uses up its ticket: the name of an execution cannot be used again.
        """
        record = self._update_action("RUN", run.id, records.attributes(run), {"outcome": None})
        actions = [record, self._notice(run.id)]
        if run.outcome == "failed" and run.id == self.progress().next_run:
            actions.append(self._advanced(None, False))
        self._transact(actions)

    def settle_version(self, version: ModelVersion, before: ModelVersion) -> bool:
        """Record what has become of a version that nobody works on, unless somebody does: whether it was."""
        attributes = records.attributes(version)
        no_promotion = {**self._key("LEASE", "promote"), **_condition({"holder": None})}
        settled = self._update_action("VERSION", version.id, attributes, {"state": before.state})
        return not self._transact([{"ConditionCheck": no_promotion}, settled])

    # Test images

    def needed_images(self) -> NeededImages:
        """The test images that the last challenger was not decided about for want of."""
        return records.read(NeededImages, self._get("NEEDED", "test-images") or {})

    # Approvals

    def approval(self, version: str) -> PendingApproval | None:
        """What is asked about a version; None if nobody is asked about it."""
        item = self._get("APPROVAL", version)
        return records.read(PendingApproval, item) if item else None

    def approvals(self) -> list[PendingApproval]:
        """Everything that people are asked to approve, oldest first."""
        pending = [records.read(PendingApproval, item) for item in self._all("APPROVAL")]
        return sorted(pending, key=lambda approval: approval.asked_at)

    def update_approval(self, execution: str, version: str, **members: Any) -> bool:
        """Write members of what is asked about a version: False if this execution does not ask about it."""
        return self._take(self._update_action("APPROVAL", version, members, {"execution": execution}))

    def drop_approval(self, pending: PendingApproval, version: ModelVersion) -> bool:
        """Ask no more about a version whose promotion has ended, and record what has become of it: False if
        that has happened already.

        Of a version that does not wait any more, as another promotion has taken it up, nothing is recorded.
        """
        attributes, delete = records.attributes(version), self._delete_approval(pending)
        settled = self._update_action("VERSION", version.id, attributes, {"state": "pending"})
        return not self._transact([delete, settled]) or not self._transact([delete])

    def _delete_approval(self, pending: PendingApproval) -> dict[str, Any]:
        expected = _condition({"execution": pending.execution})
        return {"Delete": {**self._key("APPROVAL", pending.id), **expected}}

    # Trainings

    def awaited_training(self, version: str) -> AwaitedTraining | None:
        """That a run waits for the end of this version's training; None if none does."""
        item = self._get("AWAITED", version)
        return records.read(AwaitedTraining, item) if item else None

    def forget_awaited(self, awaited: AwaitedTraining) -> None:
        """Forget that a run waited, unless it waits anew."""
        mine = Attr("token").eq(awaited.token)
        delete_if(self._table, {"kind": "AWAITED", "id": awaited.id}, mine)

    # The ledger

    def ledger_head(self) -> LedgerHead:
        """The end of the ledger; empty before the first look at Rekognition."""
        return records.read(LedgerHead, self._get("LEDGER", _HEAD) or {})

    def ledger_entries(self, month: str = "") -> list[LedgerEntry]:
        """What is in the ledger and not under way any more, oldest month first.

        Args:
            month: only what counts for this month, such as 2026-11.
        """
        key = Key("kind").eq("LEDGER") & (
            Key("id").begins_with(f"{month}#") if month else Key("id").lt(_HEAD)
        )
        pages = query_pages(self._table, {"KeyConditionExpression": key, "ConsistentRead": True})
        return [records.read(LedgerEntry, item) for page in pages for item in page["Items"]]

    def write_ledger(self, head: LedgerHead, entries: Sequence[LedgerEntry]) -> bool:
        """Move the ledger's end to its next revision, and add entries: False if somebody else has moved it.

        All of it happens, or nothing.
        """
        moved = self._put_action("LEDGER", _HEAD, head, {"revision": head.revision - 1 or None})
        return not self._transact([moved, *(self._put_action("LEDGER", e.id, e, {}) for e in entries)])

    def write_answers(self, entries: Iterable[LedgerEntry]) -> None:
        """Write entries of days, in the place of what they came to before."""
        for entry in entries:
            self._transact([self._put_action("LEDGER", entry.id, entry, {})])

    # Classes

    def class_ids(self) -> ClassIds:
        """The number of every label that a version was ever evaluated on."""
        return records.read(ClassIds, self._get("CLASSES", "labels") or {})

    # Effects that happen once

    def notices(self) -> list[str]:
        """Ids of the runs that have ended, and whose end was not told to everybody yet."""
        return [str(item["id"]) for item in self._all("NOTICE")]

    def claim_notice(self, run_id: str, effect: str) -> bool:
        """Take it upon oneself to tell of a run's end: False if it was told, or somebody is about to.

        Whoever is about to and does not come to it, as a function that was killed, has lost its claim after
        some minutes.
        """
        lost = clock.to_iso(clock.parse(clock.now()) - _CLAIM)
        return self._set_notice(
            run_id,
            effect,
            clock.now(),
            "attribute_exists(#id) AND (attribute_not_exists(#effect) OR #effect < :lost)",
            lost,
        )

    def settle_notice(self, run_id: str, effect: str, *, is_sent: bool) -> None:
        """Record that it was told, or that it could not be; the notice is gone once all effects were told."""
        if is_sent:
            self._set_notice(run_id, effect, _SENT, "attribute_exists(#id)")
            everything = Attr("letter").eq(_SENT) & Attr("event").eq(_SENT)
            delete_if(self._table, {"kind": "NOTICE", "id": run_id}, everything)
        else:
            # Older than any claim may be, so that the next one takes it.
            self._set_notice(run_id, effect, "0", "attribute_exists(#id)")

    def _set_notice(self, run_id: str, effect: str, value: str, condition: str, lost: str = "") -> bool:
        update = {
            **self._key("NOTICE", run_id),
            "UpdateExpression": "SET #effect = :value",
            "ConditionExpression": condition,
            "ExpressionAttributeNames": {"#id": "id", "#effect": effect},
            "ExpressionAttributeValues": {":value": value, **({":lost": lost} if lost else {})},
        }
        return not self._transact([{"Update": update}])

    def _notice(self, run_id: str) -> dict[str, Any]:
        return {"Put": {"TableName": self._table.name, "Item": {"kind": "NOTICE", "id": run_id}}}

    def open_incident(self, id: str, text: str) -> bool:
        """Record that something is wrong: False if that is on record already."""
        incident = {"kind": "INCIDENT", "id": id, "since": clock.now(), "text": text}
        return put_if(self._table, incident, Attr("id").not_exists())

    def incident(self, id: str) -> Incident | None:
        """What is wrong, if it is on record that something is."""
        item = self._get("INCIDENT", id)
        return records.read(Incident, item) if item else None

    def incidents(self) -> list[Incident]:
        """Everything that is on record to be wrong."""
        return [records.read(Incident, item) for item in self._all("INCIDENT")]

    def close_incident(self, id: str) -> bool:
        """Record that it is right again: whether anything was wrong."""
        return delete_if(self._table, {"kind": "INCIDENT", "id": id}, Attr("id").exists())

    # Datasets

    def dataset_sync(self, dataset_type: DatasetType) -> DatasetSync:
        """What is known of a dataset's content."""
        return records.read(DatasetSync, self._get("DATASET", dataset_type) or {})

    # The champion

    def champion(self) -> Champion | None:
        """The version that serves; None before the first promotion."""
        item = self._get("CHAMPION", "champion")
        return records.read(Champion, item) if item else None

    def serving(self) -> Serving:
        """Whether the champion is to run, and what was done about it."""
        return records.read(Serving, self._get("SERVING", "champion") or {})

    def change_serving(self, change: Callable[[Serving], Serving]) -> Serving:
        """Change the record of the champion's running: what it has become. Others may change it at once.

        Args:
            change: what to make of the record; called again if another was ahead.

        Raises:
            ServingChangedError: others were ahead every time.
        """
        for attempt in range(TRANSACTION_ATTEMPTS):
            before = self.serving()
            after = change(before)
            if after == before:
                return before
            after = replace(after, revision=before.revision + 1)
            action = self._put_action("SERVING", "champion", after, {"revision": before.revision or None})
            if self._take(action):
                return after
            wait_after(attempt)
        raise ServingChangedError("others keep changing the record of the champion's running")

    # Batches

    def batch(self, id: str) -> Batch | None:
        """The batch of that name; None if it was never started."""
        item = self._get("BATCH", id)
        return records.read(Batch, item) if item else None

    def batches(self) -> list[Batch]:
        """Every batch, newest first."""
        batches = [records.read(Batch, item) for item in self._all("BATCH")]
        return sorted(batches, key=lambda batch: batch.created_at, reverse=True)

    def begin_batch(self, batch: Batch, hold: Hold, before: Batch | None) -> bool:
        """Record that an execution works on a batch from now on, and holds its version: both, or nothing.

        Args:
            before: the batch as its last execution left it; None if this is the first one.

        Returns:
            False if another execution was ahead.
        """
        expected = {"execution_arn": before.execution_arn if before else None}
        record = self._put_action("BATCH", batch.id, batch, expected)
        return not self._transact([record, self._put_action("HOLD", hold.id, hold, {})])

    def update_batch(self, id: str, execution_arn: str, **members: Any) -> bool:
        """Write members of a batch: False, with nothing written, if it is not this execution's any more."""
        expected = {"execution_arn": execution_arn}
        return self._take(self._update_action("BATCH", id, members, expected))

    def end_batch(self, id: str, execution_arn: str, **members: Any) -> bool:
        """Record how an execution's work on a batch has ended, and let go of its version: both, or nothing.

        Returns:
            False if the batch is not this execution's any more.
        """
        record = self._update_action("BATCH", id, members, {"execution_arn": execution_arn})
        return not self._transact([record, {"Delete": self._key("HOLD", id)}])

    def release_hold(self, id: str, execution_arn: str) -> bool:
        """Let go of a batch's version: False if this execution does not hold it."""
        mine = Attr("execution_arn").eq(execution_arn)
        return delete_if(self._table, {"kind": "HOLD", "id": id}, mine)

    def holds(self) -> list[Hold]:
        """Model versions that go on running for a batch."""
        query = {"KeyConditionExpression": Key("kind").eq("HOLD"), "ConsistentRead": True}
        return [
            records.read(Hold, item) for page in query_pages(self._table, query) for item in page["Items"]
        ]

    def hold_on(self, version_arn: str) -> Hold | None:
        """The hold of a batch on a model version, the one with the most units; None if nobody holds it."""
        holds = [hold for hold in self.holds() if hold.version_arn == version_arn]
        return max(holds, key=lambda hold: hold.units, default=None)

    def count_answers(self, id: str, *, answered: int, failed: int) -> None:
        """Count images of a batch that have an answer now; merging its results sets right what was missed."""
        self._table.update_item(
            Key={"kind": "BATCH", "id": id},
            UpdateExpression="ADD answered :answered, failed :failed",
            ConditionExpression="attribute_exists(id)",
            ExpressionAttributeValues={":answered": answered, ":failed": failed},
        )

    def take_proposal(self, id: str) -> bool:
        """Count an unsure image of a batch that is proposed for review: False if it has as many as it may."""
        action = {
            "Update": {
                **self._key("BATCH", id),
                "UpdateExpression": "ADD proposed :one",
                "ConditionExpression": "review_limit > :none AND proposed < review_limit",
                "ExpressionAttributeValues": {":one": 1, ":none": 0},
            }
        }
        return self._take(action)

    # Images that wait for a champion

    def keep_waiting(self, image: WaitingImage) -> None:
        """Keep an image until a champion serves, once however often it is kept."""
        kept = replace(image, kept=uuid.uuid4().hex)
        self._table.put_item(Item={**records.attributes(kept), "kind": "WAITING"})

    def waiting_images(self, limit: int) -> list[WaitingImage]:
        """The images that have waited for longest, oldest first."""
        waiting = self._table.query(
            KeyConditionExpression=Key("kind").eq("WAITING"), Limit=limit, ConsistentRead=True
        )
        return [records.read(WaitingImage, item) for item in waiting["Items"]]

    def count_waiting(self, limit: int) -> int:
        """How many images wait for a champion; of more than `limit` just that there are as many."""
        query = {"KeyConditionExpression": Key("kind").eq("WAITING"), "Select": "COUNT", "Limit": limit}
        count = 0
        for page in query_pages(self._table, query):
            count += page["Count"]
            if count >= limit:
                break
        return min(count, limit)

    def end_waiting(self, images: Sequence[WaitingImage]) -> None:
        """Forget images that wait no longer, unless they were kept once more since they were read."""
        for image in images:
            delete_if(self._table, {"kind": "WAITING", "id": image.id}, Attr("kept").eq(image.kept))

    def count_use(self, images: int) -> None:
        """Count images that the champion has answered for: that somebody uses it."""
        self._table.update_item(
            Key={"kind": "USE", "id": "champion"},
            UpdateExpression="ADD images :images",
            ExpressionAttributeValues={":images": images},
        )

    def used_images(self) -> int:
        """Images that champions have answered for since the deployment began."""
        return int(str((self._get("USE", "champion") or {}).get("images", 0)))

    # Items

    def _take(self, action: dict[str, Any]) -> bool:
        """Take an action: whether its condition held."""
        return not self._transact([action])

    def _get(self, kind: str, id: str, members: Sequence[str] = ()) -> dict[str, Any] | None:
        """An item, with these members only, if any are given."""
        key = {"kind": kind, "id": id}
        return self._table.get_item(Key=key, ConsistentRead=True, **_projection(members)).get("Item")

    def _all(self, kind: str, members: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
        """Every item of a kind, with these members only, if any are given."""
        query = {"KeyConditionExpression": Key("kind").eq(kind), **_projection(members)}
        for page in query_pages(self._table, query):
            yield from page["Items"]

    def _put(
        self, kind: str, id: str, record: Lease | Progress, condition: ConditionBase | None = None
    ) -> bool:
        """Replace the item, if the condition holds: whether it did."""
        return put_if(self._table, {**records.attributes(record), "kind": kind, "id": id}, condition)

    def _transact(self, actions: Sequence[dict[str, Any]]) -> list[int]:
        """Take all of the actions at once, or none: the numbers of those whose conditions do not hold."""
        for attempt in range(TRANSACTION_ATTEMPTS):
            try:
                self._table.meta.client.transact_write_items(TransactItems=actions)  # pyrefly: ignore[bad-argument-type]
            except ClientError as error:
                reasons = cancellation_reasons(error)
                if UNMET in reasons:
                    return [number for number, reason in enumerate(reasons) if reason == UNMET]
                if attempt == TRANSACTION_ATTEMPTS - 1 or not PASSING & set(reasons):
                    raise
                wait_after(attempt)
            else:
                break
        return []

    def _advanced(self, cutoff: str | None, stopped: bool, needs_usd: float = 0.0) -> dict[str, Any]:
        old = self.progress()
        new = replace(old, ticket=_ticket(), needs_usd=needs_usd)
        if cutoff and stopped:
            new = replace(new, stopped_at=cutoff)
        elif cutoff:
            new = replace(new, cutoff=cutoff, stopped_at="")
        return self._put_action("PROGRESS", "retrain", new, {"ticket": old.ticket})

    def _put_action(
        self, kind: str, id: str, record: AnyRecord, expected: Mapping[str, Any]
    ) -> dict[str, Any]:
        item = {**records.attributes(record), "kind": kind, "id": id}
        return {"Put": {"TableName": self._table.name, "Item": item, **_condition(expected)}}

    def _update_action(
        self, kind: str, id: str, attributes: Mapping[str, Any], expected: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        changes = {name: value for name, value in attributes.items() if name != "id"}
        update: dict[str, Any] = _condition(expected or {})
        update["UpdateExpression"] = "SET " + ", ".join(f"#{i} = :{i}" for i in range(len(changes)))
        update.setdefault("ExpressionAttributeNames", {}).update(
            {f"#{i}": name for i, name in enumerate(changes)}
        )
        update.setdefault("ExpressionAttributeValues", {}).update(
            {f":{i}": value for i, value in enumerate(changes.values())}
        )
        return {"Update": {**self._key(kind, id), **update}}

    def _key(self, kind: str, id: str) -> dict[str, Any]:
        return {"TableName": self._table.name, "Key": {"kind": kind, "id": id}}


class FencedState(LoopState):
    """The loop's records, written while leases are held.

    Each write is one transaction with a look at the leases: a function that wakes up after its execution was
    stopped, and the sweeper took its lease, writes nothing.

    Args:
        holders: who has to hold which lease. Without any, everything is written: for tests.

    Every method that writes raises LeaseLostError if a lease is another's, or nobody's.
    """

    def __init__(self, table: Table, holders: Mapping[LeaseName, str] | None = None) -> None:
        super().__init__(table)
        self._holders = dict(holders or {})

    def check(self) -> None:
        """Make sure that the leases are held: before an effect that no transaction can hold, and after it.

        Raises:
            LeaseLostError: one is not.
        """
        for name, holder in self._holders.items():
            lease = self.lease(name)
            if lease is None or lease.holder != holder:
                raise LeaseLostError(_lost(name, holder))

    # Runs and model versions

    def update_run(self, run: Run) -> None:
        """Write the members of the run that are set; those on record already stay as they are."""
        self._update("RUN", run.id, records.attributes(run))

    def reopen_run(self, run_id: str) -> None:
        """Let a run that has ended go on: what its record says of its end is taken out."""
        action = self._update_action("RUN", run_id, {"outcome": "running"})
        update, names = action["Update"], {f"#end{i}": name for i, name in enumerate(_OF_AN_END)}
        update["UpdateExpression"] += " REMOVE " + ", ".join(names)
        update["ExpressionAttributeNames"] |= names
        self._write(action)

    def update_version(self, version: ModelVersion) -> None:
        """Write the members of the version that are set; those on record already stay as they are."""
        self._update("VERSION", version.id, records.attributes(version))

    def number_classes(self, labels: Iterable[str]) -> ClassIds:
        """Give those of the labels a number that have none: the numbers of all."""
        named = list(labels)
        for attempt in range(TRANSACTION_ATTEMPTS):
            before = self.class_ids()
            after = before.with_labels(named)
            if after == before:
                return before
            after = replace(after, revision=before.revision + 1)
            if self._write(
                self._put_action("CLASSES", "labels", after, {"revision": before.revision or None})
            ):
                return after
            wait_after(attempt)
        raise ClassesChangedError("others keep numbering labels")

    def version_number(self, run_id: str) -> int:
        """The number of the version this run trains: the same however often it is asked for."""
        run = self.run(run_id)
        if run and run.version_number is not None:
            return run.version_number
        counter = self._get("COUNTER", "versions") or {}
        number = int(str(counter.get("value", 0))) + 1
        counted = self._update_action(
            "COUNTER", "versions", {"value": number}, {"value": counter.get("value")}
        )
        numbered = self._update_action("RUN", run_id, {"version_number": number}, {"version_number": None})
        self._write(counted, numbered)
        # Whoever was first: this one, or another attempt of the same step.
        return self.version_number(run_id)

    def advance(self, *, cutoff: str | None = None, stopped: bool = False) -> None:
        """After a run: a new ticket, and how far it came if it made a snapshot.

        Args:
            stopped: the snapshot was not trained on and judged: something in it has to be corrected, or the
                run has failed.
        """
        self._write(self._advanced(cutoff, stopped))

    def end_run(self, run: Run, *, cutoff: str | None, stopped: bool, needs_usd: float = 0.0) -> None:
        """Complete the run's record, advance, give its lease back, and note that people are to be told.

        All of it happens, or nothing.

        Args:
            cutoff, stopped: as of `advance`.
            needs_usd: what it was going to cost, if that held it back.
        """
        record = self._update_action("RUN", run.id, records.attributes(run))
        advanced = self._advanced(cutoff, stopped, needs_usd)
        self._write(record, advanced, self._notice(run.id), released="retrain")

    def end_promotion(self, version: ModelVersion | None) -> None:
        """Record what has become of a promotion's version, and give the lease back, all at once."""
        record = version and self._update_action("VERSION", version.id, records.attributes(version))
        self._write(*([record] if record else []), released="promote")

    # Test images

    def record_needed(self, needed: NeededImages) -> None:
        """Record which test images the gates could not decide without."""
        self._write(self._put_action("NEEDED", "test-images", needed, {}))

    # Approvals

    def ask_approval(self, pending: PendingApproval, version: ModelVersion) -> None:
        """Record that people are asked about a version, and give the promotion's lease back, all at once."""
        asked = self._put_action("APPROVAL", pending.id, pending, {})
        recorded = self._update_action("VERSION", version.id, records.attributes(version))
        self._write(asked, recorded, released="promote")

    def end_approval(self, pending: PendingApproval, version: ModelVersion) -> bool:
        """Record what was decided, and ask no more: False if that has happened already."""
        recorded = self._update_action("VERSION", version.id, records.attributes(version))
        return self._write(self._delete_approval(pending), recorded)

    # Trainings

    def await_training(self, awaited: AwaitedTraining) -> None:
        """Record that the run waits for the end of a training."""
        self._write(self._put_action("AWAITED", awaited.id, awaited, {}))

    # Datasets

    def record_synced(
        self, dataset_type: DatasetType, snapshot_id: str, *, arn: str = "", changed_at: str = ""
    ) -> None:
        """Record that the dataset holds just this snapshot; empty: nobody knows what it holds.

        Args:
            arn: the dataset.
            changed_at: when it was created, if it just was.
        """
        synced = DatasetSync(snapshot_id, arn=arn, changed_at=changed_at)
        self._write(self._put_action("DATASET", dataset_type, synced, {}))

    def record_sent(self, dataset_type: DatasetType, target: str, sent: int, updated_before: str) -> None:
        """Record how many entries of the changes that lead to snapshot `target` were sent.

        Args:
            updated_before: when Rekognition had last updated the dataset before.
        """
        sending = {
            "target": target,
            "sent": sent,
            "changed_at": clock.now(),
            "updated_before": updated_before,
        }
        self._update("DATASET", dataset_type, sending)

    # The champion

    def switch_champion(self, old: Champion | None, version_arn: str, version_name: str) -> Champion:
        """Make a version the champion and retire the one before it, in one write.

        Raises:
            ChampionChangedError: `old` is not the champion any more.
        """
        now = clock.now()
        new = Champion(
            version_arn=version_arn,
            version_name=version_name,
            since=now,
            previous_version_arn=old.version_arn if old else "",
            previous_version_name=old.version_name if old else "",
        )
        promoted = ModelVersion(version_name, state="champion", reason="", promoted_at=now)
        actions = [
            self._put_action("CHAMPION", "champion", new, {"version_arn": old.version_arn if old else None}),
            self._update_action("VERSION", version_name, records.attributes(promoted)),
        ]
        if old and old.version_name != version_name:
            retired = ModelVersion(old.version_name, state="retired", retired_at=now)
            actions.append(self._update_action("VERSION", old.version_name, records.attributes(retired)))
        if not self._write(*actions):
            raise ChampionChangedError(
                f"{version_name} was not made champion: another version has become it meanwhile"
            )
        return new

    # Items

    def _take(self, action: dict[str, Any]) -> bool:
        return self._write(action)

    def _update(self, kind: str, id: str, attributes: Mapping[str, Any]) -> None:
        if set(attributes) - {"id"}:
            self._write(self._update_action(kind, id, attributes))

    def _write(self, *actions: dict[str, Any], released: LeaseName | None = None) -> bool:
        """Take all of the actions if the leases are held: whether the actions' own conditions held.

        Args:
            released: a lease of this writer that is given back with them.

        Raises:
            LeaseLostError: a lease is not held.
        """
        fences = [self._fence(name, holder, name == released) for name, holder in self._holders.items()]
        unmet = self._transact([*fences, *actions])
        for number, (name, holder) in enumerate(self._holders.items()):
            if number in unmet:
                raise LeaseLostError(_lost(name, holder))
        return not unmet

    def _fence(self, name: LeaseName, holder: str, released: bool) -> dict[str, Any]:
        action = "Delete" if released else "ConditionCheck"
        return {action: {**self._key("LEASE", name), **_condition({"holder": holder})}}


def is_promotion(lease: Lease | None) -> bool:
    """Whether a promotion has its lease, rather than nobody, the step serve, or the end of the deployment."""
    return lease is not None and lease.holder != CLOSED and not lease.holder.startswith(SERVE)


def is_abandoned(lease: Lease) -> bool:
    """Whether the step serve has a promotion's lease for so long that its function must have been killed.

    A lease from the future is one, too: a clock was wrong, and nobody can wait for that moment.
    """
    age = clock.seconds_between(lease.since, clock.now())
    return lease.holder.startswith(SERVE) and not -SERVE_SECONDS <= age <= SERVE_SECONDS


def _condition(expected: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of an action that needs attributes to have these values; None: not to be there."""
    if not expected:
        return {}
    terms = [
        f"attribute_not_exists(#if{i})" if value is None else f"#if{i} = :if{i}"
        for i, value in enumerate(expected.values())
    ]
    values = {f":if{i}": value for i, value in enumerate(expected.values()) if value is not None}
    return {
        "ConditionExpression": " AND ".join(terms),
        "ExpressionAttributeNames": {f"#if{i}": name for i, name in enumerate(expected)},
        **({"ExpressionAttributeValues": values} if values else {}),
    }


def _projection(members: Sequence[str]) -> dict[str, Any]:
    """Members of a request that reads these members of items only; none without any."""
    if not members:
        return {}
    # Many of them are reserved words.
    steps = {step: f"#{step}" for member in members for step in member.split(".")}
    return {
        "ExpressionAttributeNames": {alias: step for step, alias in steps.items()},
        "ProjectionExpression": ", ".join(
            ".".join(steps[step] for step in member.split(".")) for member in members
        ),
    }


def _lost(name: LeaseName, holder: str) -> str:
    return f"nothing was changed: {holder.rsplit(':', 1)[-1]} does not have the lease of {name} any more"


def _ticket() -> str:
    return uuid.uuid4().hex[:12]


def _newest_runs(items: Iterable[dict[str, Any]]) -> list[Run]:
    runs = [records.read(Run, item) for item in items]
    return sorted(runs, key=lambda run: run.started_at or "", reverse=True)


def _newest_versions(items: Iterable[dict[str, Any]]) -> list[ModelVersion]:
    versions = [records.read(ModelVersion, item) for item in items]
    return sorted(versions, key=lambda version: version.created_at or "", reverse=True)
