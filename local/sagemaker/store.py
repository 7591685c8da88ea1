"""What must not be forgotten: resources by kind and name, what waits for workers, and what they answered.

One SQLite file. Times are seconds since the epoch. Each method is one transaction and may be called from any
thread; `transaction` joins several.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

Kind = Literal["human-task-ui", "flow-definition", "human-loop", "labeling-job", "training-job"]
WorkState = Literal["waiting", "answered", "expired", "stopped"]

_TABLES = """
CREATE TABLE IF NOT EXISTS resources (
    kind TEXT NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
    created REAL NOT NULL, changed REAL NOT NULL, status TEXT NOT NULL, event_sent INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, account, region, name));
CREATE INDEX IF NOT EXISTS resources_by_status ON resources (status);
CREATE INDEX IF NOT EXISTS unsent ON resources (created) WHERE event_sent=0;
CREATE TABLE IF NOT EXISTS work (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL,
    name TEXT NOT NULL, position INTEGER NOT NULL, state TEXT NOT NULL, expires REAL NOT NULL,
    wanted INTEGER NOT NULL, form TEXT NOT NULL, UNIQUE (kind, account, region, name, position));
CREATE INDEX IF NOT EXISTS work_by_state ON work (state, id);
CREATE TABLE IF NOT EXISTS responses (
    work INTEGER NOT NULL REFERENCES work (id) ON DELETE CASCADE, worker TEXT NOT NULL,
    accepted REAL NOT NULL, submitted REAL NOT NULL, content TEXT NOT NULL, PRIMARY KEY (work, worker));
"""
_IS = "kind=? AND account=? AND region=? AND name=?"


@dataclass(frozen=True)
class Resource:
    kind: Kind
    account: str
    region: str
    name: str
    created: float
    changed: float
    status: str
    body: Mapping[str, Any]
    """What the resource was created with, and what became of it."""
    event_sent: bool = True
    """Whether the event of its last status was sent."""

    @property
    def arn(self) -> str:
        return f"arn:aws:sagemaker:{self.region}:{self.account}:{self.kind}/{self.name}"


@dataclass(frozen=True)
class Response:
    """What one worker answered."""

    worker: str
    accepted: float
    submitted: float
    content: Mapping[str, Any]


@dataclass(frozen=True)
class Work:
    """One image that is put before workers."""

    id: int
    kind: Kind
    account: str
    region: str
    name: str
    """The name of the human loop or labeling job."""
    position: int
    """The position in the job's input; 0 in a loop."""
    state: WorkState
    expires: float
    wanted: int
    """The number of workers that are to answer."""
    form: Mapping[str, Any]
    """The form that workers see: see `local.sagemaker.workers.forms`."""
    responses: tuple[Response, ...] = ()


class Store:
    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._depth = 0
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(_TABLES)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction, all or nothing; one that begins within another is part of it."""
        with self._lock:
            if self._depth == 0:
                self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
                if self._depth == 1:
                    self._db.execute("COMMIT")
            except BaseException:
                if self._depth == 1:
                    self._db.execute("ROLLBACK")
                raise
            finally:
                self._depth -= 1

    # Resources

    def put(self, resource: Resource) -> None:
        """Write a resource, in the place of one of its name."""
        values = (*_key(resource), resource.created, resource.changed, resource.status, resource.event_sent)
        with self.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO resources VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*values, json.dumps(resource.body)),
            )

    def get(self, kind: Kind, account: str, region: str, name: str) -> Resource | None:
        query = f"SELECT * FROM resources WHERE {_IS}"  # noqa: S608
        rows = self._rows(query, kind, account, region, name)
        return _resource(rows[0]) if rows else None

    def resources(self, kind: Kind, account: str, region: str) -> list[Resource]:
        """The resources of a kind, in the order of their creation."""
        query = "SELECT * FROM resources WHERE kind=? AND account=? AND region=? ORDER BY created, name"
        return [_resource(row) for row in self._rows(query, kind, account, region)]

    def all_of(self, kind: Kind) -> list[Resource]:
        """The resources of a kind, whosever they are."""
        return [_resource(row) for row in self._rows("SELECT * FROM resources WHERE kind=?", kind)]

    def unresolved(self) -> list[Resource]:
        """Loops and jobs that wait for no worker any more, and those whose last event was not sent yet."""
        query = (
            "SELECT * FROM resources r WHERE event_sent=0 OR (status='InProgress'"
            " AND kind <> 'training-job' AND NOT EXISTS ("
            " SELECT 1 FROM work w WHERE w.kind=r.kind AND w.account=r.account AND w.region=r.region"
            " AND w.name=r.name AND w.state='waiting')) ORDER BY created, name"
        )
        return [_resource(row) for row in self._rows(query)]

    def delete(self, resource: Resource) -> None:
        with self.transaction():
            for table in ("work", "resources"):
                self._db.execute(f"DELETE FROM {table} WHERE {_IS}", _key(resource))  # noqa: S608

    # Work

    def add_work(
        self, resource: Resource, forms: list[Mapping[str, Any]], wanted: int, expires: float
    ) -> None:
        rows = [
            (*_key(resource), position, "waiting", expires, wanted, json.dumps(form))
            for position, form in enumerate(forms)
        ]
        with self.transaction():
            self._db.executemany(
                "INSERT INTO work (kind, account, region, name, position, state, expires, wanted, form)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )

    def work(self, id: int) -> Work | None:
        rows = self._rows("SELECT * FROM work WHERE id=?", id)
        return self._work(rows[0]) if rows else None

    def work_of(self, resource: Resource) -> list[Work]:
        """The work of a loop or job, in the order of the input."""
        query = f"SELECT * FROM work WHERE {_IS} ORDER BY position"  # noqa: S608
        return [self._work(row) for row in self._rows(query, *_key(resource))]

    def waiting(self, worker: str, limit: int, name: str = "") -> list[Work]:
        """The oldest work that waits for an answer, and was not answered by this worker.

        Args:
            name: of the human loop or labeling job, if those of one are meant.
        """
        query = (
            "SELECT * FROM work WHERE state='waiting' AND name=ifnull(nullif(?, ''), name)"
            " AND id NOT IN (SELECT work FROM responses WHERE worker=?) ORDER BY id LIMIT ?"
        )
        return [self._work(row) for row in self._rows(query, name, worker, limit)]

    def respond(self, work: Work, response: Response) -> Work:
        """The work with this response; answered if it was the last that was wanted."""
        done = len(work.responses) + 1 >= work.wanted
        with self.transaction():
            self._db.execute(
                "INSERT INTO responses VALUES (?, ?, ?, ?, ?)",
                (
                    work.id,
                    response.worker,
                    response.accepted,
                    response.submitted,
                    json.dumps(response.content),
                ),
            )
            if done:
                self._db.execute("UPDATE work SET state='answered' WHERE id=?", (work.id,))
        state: WorkState = "answered" if done else work.state
        return replace(work, state=state, responses=(*work.responses, response))

    def end_work(self, resource: Resource, state: WorkState) -> None:
        """End the work of a loop or job that still waits."""
        with self.transaction():
            self._db.execute(
                f"UPDATE work SET state=? WHERE {_IS} AND state='waiting'",  # noqa: S608
                (state, *_key(resource)),
            )

    def expire(self, now: float) -> None:
        with self.transaction():
            self._db.execute("UPDATE work SET state='expired' WHERE state='waiting' AND expires<=?", (now,))

    def _work(self, row: sqlite3.Row) -> Work:
        answers = self._rows("SELECT * FROM responses WHERE work=? ORDER BY submitted, worker", row["id"])
        responses = tuple(
            Response(answer["worker"], answer["accepted"], answer["submitted"], json.loads(answer["content"]))
            for answer in answers
        )
        return Work(**{**dict(row), "form": json.loads(row["form"])}, responses=responses)

    def _rows(self, query: str, *parameters: Any) -> list[sqlite3.Row]:
        with self._lock:
            return list(self._db.execute(query, parameters))


def _key(resource: Resource) -> tuple[str, str, str, str]:
    return resource.kind, resource.account, resource.region, resource.name


def _resource(row: sqlite3.Row) -> Resource:
    columns: dict[str, Any] = dict(row)
    columns |= {"body": json.loads(row["body"]), "event_sent": bool(row["event_sent"])}
    return Resource(**columns)
