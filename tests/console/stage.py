"""A deployment in use: images, tasks in every state, labels, runs, model versions, an image to try."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.dynamodb.models import dynamodb_backends

from lambdas.domain.reviews import desk, labels, settling
from lambdas.domain.reviews.desk import Reviewer
from lambdas.domain.reviews.tasks import Task
from lambdas.domain.services import services
from tests.register.pictures import picture
from tests.retrain.fake_rekognition import ACCOUNT, REGION, label
from tests.retrain.world import BUCKET
from tests.review.conftest import CLAIM_SECONDS, Executions, Reviews, refusal

RITA, BEN = Reviewer("sub-rita", "rita"), Reviewer("sub-ben", "ben")
TRIED = "0123456789abcdef" * 2
BOX = {"label": "cat", "left": 5, "top": 6, "width": 30, "height": 20}


@dataclass
class Histories(Executions):
    """With the histories of executions, a page of two events at a time."""

    histories: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def get_paginator(self, operation: str) -> Histories:
        assert operation == "get_execution_history"
        return self

    def paginate(self, *, executionArn: str, includeExecutionData: bool) -> Iterator[dict[str, Any]]:
        if executionArn not in self.histories:
            raise refusal("ExecutionDoesNotExist")
        events = self.histories[executionArn]
        for start in range(0, len(events), 2):
            yield {"events": events[start : start + 2]}


class Stage:
    def __init__(self, reviews: Reviews) -> None:
        self.reviews, self.world = reviews, reviews.world
        self.executions = Histories()
        reviews.executions = self.executions
        services().__dict__["stepfunctions"] = self.executions
        for name in ("cat", "dog"):
            labels.put(reviews.table, name, {"instruction": f"every {name}"})
        for who in (RITA, BEN):
            settling.note_reviewer(reviews.table, who.sub, who.name)
        self.open = reviews.task("open")
        self.mine = self._claimed("mine", RITA)
        self.others = self._claimed("others", BEN)
        self.done = self._answered("done", BEN)
        self.deleted = desk.delete(reviews.table, reviews.task("deleted").id, "ann")
        given_back = reviews.settler().give_back(reviews.task("given back").id, "nobody came")
        assert given_back is not None
        self.given_back = given_back
        self._runs()
        self.world.champion(
            "v1",
            f1=0.9,
            labels=[{"label": "cat", "f1": 0.9, "precision": 0.91, "recall": 0.89}],
            run="run-1",
            verdicts=[{"gate": "evaluation", "passed": True}],
            hours=0.5,
        )
        self.tuned = False
        self.world.fake.finds = lambda version, key: [label("cat", 88.5, (0.1, 0.2, 0.5, 0.25))]
        self.put_image(TRIED, picture())
        self._kept = copy.deepcopy((_tables(), self.world.fake.versions))
        self._untouched = self.dump()

    def restore(self) -> None:
        """Make it as it was, if a test has changed anything: that is quicker than to make another."""
        if self.dump() == self._untouched:
            return
        items, self.world.fake.versions = copy.deepcopy(self._kept)
        for name, table in dynamodb_backends[ACCOUNT][REGION].tables.items():
            table.items = items[name]
        for key in set(self.world.keys()) - {f"try/{TRIED}"}:
            self.world.s3.delete_object(Bucket=BUCKET, Key=key)
        self.executions.inputs.clear()
        self.executions.told.clear()
        self.tune()
        self.tuned = False
        assert self.dump() == self._untouched

    def put_image(self, id: str, data: bytes) -> None:
        self.world.s3.put_object(Bucket=BUCKET, Key=f"try/{id}", Body=data)

    def tune(self, **values: Any) -> None:
        self.world.tune(**values)
        self.tuned = True

    def dump(self) -> str:
        """Everything that is kept anywhere."""
        fake, executions = self.world.fake, self.executions
        others = [self.world.keys(), fake.statuses(), sorted(executions.inputs), executions.told]
        return json.dumps([_items(), others, self.tuned])

    def task(self, name: str) -> Task:
        """The task of this name as it is now."""
        found: Task = getattr(self, name)
        return self.reviews.read(found)

    def _claimed(self, name: str, who: Reviewer) -> Task:
        task = self.reviews.task(name)
        desk.renew(self.reviews.table, task.id, who, CLAIM_SECONDS)
        return self.reviews.read(task)

    def _answered(self, name: str, who: Reviewer) -> Task:
        task = self._claimed(name, who)
        said = {"verdict": "labelled", "boxes": [BOX], "seconds": 2}
        desk.answer(self.reviews.table, task.id, who, said, {"cat"})
        self.reviews.settler().settle(task.id)
        return self.reviews.read(task)

    def _runs(self) -> None:
        records, start = self.world.records, datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
        prefix = self.world.machines["retrain"].replace(":stateMachine:", ":execution:")
        begun = {"trigger": "images", "outcome": "running"}
        for name, begins in (("run-1", "2026-01-01T03:04:00Z"), ("run-2", "2026-01-02T03:04:00Z")):
            records.note_run(name, execution=f"{prefix}:{name}", started_at=begins, **begun)
        records.note_run(
            "run-1",
            outcome="promoted",
            reason="good enough",
            ended_at="2026-01-01T04:04:00Z",
            version="v1",
            f1=0.9,
            estimated_usd=1.25,
            snapshot="s1",
            data_report="fine",
            images={"train_images": 80, "test_images": 20},
            steps=[{"step": "Settle", "seconds": 1.5}, {"step": "Train", "seconds": 2.5}],
        )
        self.executions.histories[f"{prefix}:run-2"] = [
            entered("Settle", start),
            entered("TakeLease", start + timedelta(seconds=5)),
        ]


def entered(state: str, at: datetime) -> dict[str, Any]:
    """https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html"""
    details = {"name": state}
    return {"type": "TaskStateEntered", "timestamp": at, "stateEnteredEventDetails": details}


def _tables() -> dict[str, Any]:
    return {name: table.items for name, table in dynamodb_backends[ACCOUNT][REGION].tables.items()}


def _items() -> list[str]:
    """Of every table, read from moto itself: hundreds of scans would take a minute."""
    tables = dynamodb_backends[ACCOUNT][REGION].tables
    return sorted(
        f"{name} {json.dumps(item.to_json(), sort_keys=True)}"
        for name, table in tables.items()
        for item in table.all_items()
    )
