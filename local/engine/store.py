"""What the engine must not forget, in one SQLite file: projects, datasets, entries, model versions, tags.

Times are seconds since the epoch. Each method is one transaction and may be called from any thread.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS projects (
    arn TEXT PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
    feature TEXT NOT NULL, status TEXT NOT NULL, created REAL NOT NULL, auto_update TEXT,
    UNIQUE (account, region, name));
CREATE TABLE IF NOT EXISTS datasets (
    arn TEXT PRIMARY KEY, project_arn TEXT NOT NULL, type TEXT NOT NULL, status TEXT NOT NULL,
    message TEXT NOT NULL, code TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL,
    UNIQUE (project_arn, type));
CREATE TABLE IF NOT EXISTS entries (
    dataset_arn TEXT NOT NULL, position INTEGER NOT NULL, source_ref TEXT NOT NULL, line TEXT NOT NULL,
    labels TEXT NOT NULL, boxed TEXT NOT NULL, errors INTEGER NOT NULL,
    PRIMARY KEY (dataset_arn, source_ref));
CREATE INDEX IF NOT EXISTS entries_in_order ON entries (dataset_arn, position);
CREATE TABLE IF NOT EXISTS versions (
    arn TEXT PRIMARY KEY, project_arn TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL,
    message TEXT NOT NULL, created REAL NOT NULL, details TEXT NOT NULL,
    UNIQUE (project_arn, name));
CREATE TABLE IF NOT EXISTS tags (
    resource_arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (resource_arn, key));
"""


@dataclass(frozen=True)
class Project:
    arn: str
    account: str
    region: str
    name: str
    feature: str
    status: str
    created: float
    auto_update: str | None = None


@dataclass(frozen=True)
class Dataset:
    arn: str
    project_arn: str
    type: str
    status: str
    message: str
    code: str
    created: float
    updated: float


@dataclass(frozen=True)
class Entry:
    """One image of a dataset: its manifest line, with the errors found in it written into it."""

    source_ref: str
    line: str
    labels: tuple[str, ...]
    boxed: tuple[str, ...]
    """The labels that some box of the image has."""
    errors: int


@dataclass(frozen=True)
class Version:
    arn: str
    project_arn: str
    name: str
    status: str
    message: str
    created: float
    details: Mapping[str, Any]
    """The other members of botocore's ProjectVersionDescription; times as seconds since the epoch."""


class AlreadyThereError(Exception):
    """A resource of that name exists."""


class Store:
    """Projects, datasets, entries, versions and tags in the SQLite file `path`."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def recover(self) -> list[Version]:
        """Settle what was under way when the engine ended; returns the versions to be started again."""
        with self._transaction() as db:
            db.execute(
                "UPDATE versions SET status='TRAINING_FAILED', message=? WHERE status='TRAINING_IN_PROGRESS'",
                ("The engine ended before the training did. Train a new version.",),
            )
            db.execute("UPDATE versions SET status='STOPPED', message='' WHERE status='STOPPING'")
            db.execute("UPDATE versions SET status='STARTING' WHERE status='RUNNING'")
            for doing, done in (
                ("CREATE_IN_PROGRESS", "CREATE_FAILED"),
                ("UPDATE_IN_PROGRESS", "UPDATE_FAILED"),
            ):
                db.execute(
                    "UPDATE datasets SET status=?, code='SERVICE_ERROR', message=? WHERE status=?",
                    (done, "The engine ended before this was done. Try again.", doing),
                )
        return [self._version(row) for row in self._rows("SELECT * FROM versions WHERE status='STARTING'")]

    # Projects

    def add_project(self, project: Project) -> None:
        with self._unique(f"project {project.name}"):
            self._insert("projects", vars(project))

    def project(self, arn: str) -> Project | None:
        return next((Project(**row) for row in self._rows("SELECT * FROM projects WHERE arn=?", arn)), None)

    def projects(self, account: str, region: str) -> list[Project]:
        """Oldest first."""
        query = "SELECT * FROM projects WHERE account=? AND region=? ORDER BY created, arn"
        return [Project(**row) for row in self._rows(query, account, region)]

    def delete_project(self, arn: str) -> None:
        self._delete(arn, "DELETE FROM projects WHERE arn=?")

    # Datasets and their entries

    def add_dataset(self, dataset: Dataset) -> None:
        with self._unique(f"{dataset.type} dataset"):
            self._insert("datasets", vars(dataset))

    def dataset(self, arn: str) -> Dataset | None:
        return next((Dataset(**row) for row in self._rows("SELECT * FROM datasets WHERE arn=?", arn)), None)

    def datasets(self, project_arn: str) -> list[Dataset]:
        query = "SELECT * FROM datasets WHERE project_arn=? ORDER BY type DESC"
        return [Dataset(**row) for row in self._rows(query, project_arn)]

    def move_dataset(self, arn: str, to: str, *, message: str, code: str) -> None:
        with self._transaction() as db:
            db.execute(
                "UPDATE datasets SET status=?, message=?, code=?, updated=? WHERE arn=?",
                (to, message, code, time.time(), arn),
            )

    def claim_dataset(self, arn: str, *, to: str, unless: Collection[str]) -> bool:
        """Set the status, unless it is one of `unless`; whether it was set."""
        marks = ",".join("?" * len(unless))
        with self._transaction() as db:
            query = f"UPDATE datasets SET status=? WHERE arn=? AND status NOT IN ({marks})"  # noqa: S608
            return db.execute(query, (to, arn, *unless)).rowcount == 1

    def put_entries(self, dataset_arn: str, entries: Iterable[Entry]) -> None:
        """Add the entries; one with a source-ref that is there already takes its place."""
        with self._transaction() as db:
            query = "SELECT COALESCE(MAX(position), 0) FROM entries WHERE dataset_arn=?"
            (last,) = db.execute(query, (dataset_arn,)).fetchone()
            db.executemany(
                "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " line=excluded.line, labels=excluded.labels, boxed=excluded.boxed, errors=excluded.errors",
                (
                    (
                        dataset_arn,
                        last + number,
                        entry.source_ref,
                        entry.line,
                        json.dumps(entry.labels),
                        json.dumps(entry.boxed),
                        entry.errors,
                    )
                    for number, entry in enumerate(entries, start=1)
                ),
            )

    def entries(self, dataset_arn: str) -> list[Entry]:
        """In the order in which they were added."""
        rows = self._rows("SELECT * FROM entries WHERE dataset_arn=? ORDER BY position", dataset_arn)
        return [
            Entry(
                row["source_ref"],
                row["line"],
                tuple(json.loads(row["labels"])),
                tuple(json.loads(row["boxed"])),
                row["errors"],
            )
            for row in rows
        ]

    def delete_dataset(self, arn: str) -> None:
        self._delete(arn, "DELETE FROM entries WHERE dataset_arn=?", "DELETE FROM datasets WHERE arn=?")

    # Model versions

    def add_version(self, version: Version) -> None:
        with self._unique(f"version {version.name}"):
            self._insert("versions", {**vars(version), "details": json.dumps(dict(version.details))})

    def version(self, arn: str) -> Version | None:
        return next(
            (self._version(row) for row in self._rows("SELECT * FROM versions WHERE arn=?", arn)), None
        )

    def versions(self, project_arn: str) -> list[Version]:
        """Latest first, as DescribeProjectVersions lists them."""
        query = "SELECT * FROM versions WHERE project_arn=? ORDER BY created DESC, arn DESC"
        return [self._version(row) for row in self._rows(query, project_arn)]

    def move_version(
        self,
        arn: str,
        to: str,
        *,
        when: Collection[str],
        message: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> bool:
        """Set the status if it is one of `when`, and merge `details` with those there; whether it was set."""
        with self._transaction() as db:
            row = db.execute("SELECT * FROM versions WHERE arn=?", (arn,)).fetchone()
            if row is None or row["status"] not in when:
                return False
            merged = _merged(json.loads(row["details"]), details or {})
            db.execute(
                "UPDATE versions SET status=?, message=?, details=? WHERE arn=?",
                (to, message, json.dumps(merged), arn),
            )
            return True

    def delete_version(self, arn: str) -> None:
        self._delete(arn, "DELETE FROM versions WHERE arn=?")

    # Tags

    def tags(self, resource_arn: str) -> dict[str, str]:
        rows = self._rows("SELECT * FROM tags WHERE resource_arn=? ORDER BY key", resource_arn)
        return {row["key"]: row["value"] for row in rows}

    def put_tags(self, resource_arn: str, tags: Mapping[str, str]) -> None:
        with self._transaction() as db:
            db.executemany(
                "INSERT OR REPLACE INTO tags VALUES (?, ?, ?)",
                [(resource_arn, k, v) for k, v in tags.items()],
            )

    def delete_tags(self, resource_arn: str, keys: Iterable[str]) -> None:
        with self._transaction() as db:
            db.executemany(
                "DELETE FROM tags WHERE resource_arn=? AND key=?", [(resource_arn, k) for k in keys]
            )

    # SQLite

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def _unique(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError as error:
            raise AlreadyThereError(what) from error

    def _insert(self, table: str, values: Mapping[str, Any]) -> None:
        columns, marks = ", ".join(values), ", ".join("?" * len(values))
        with self._transaction() as db:
            db.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", tuple(values.values()))  # noqa: S608

    def _delete(self, arn: str, *statements: str) -> None:
        with self._transaction() as db:
            for statement in (*statements, "DELETE FROM tags WHERE resource_arn=?"):
                db.execute(statement, (arn,))

    def _rows(self, query: str, *parameters: Any) -> list[sqlite3.Row]:
        with self._lock:
            return list(self._db.execute(query, parameters))

    @staticmethod
    def _version(row: sqlite3.Row) -> Version:
        return Version(**{**dict(row), "details": json.loads(row["details"])})


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Structures are merged member by member: a result adds its Output to the Input that stands there."""
    both = {key: {**old[key], **new[key]} for key in old.keys() & new.keys() if isinstance(old[key], dict)}
    return {**old, **new, **both}
