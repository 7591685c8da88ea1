"""The SQLite file: one connection writes, each thread reads by one of its own, nothing acknowledged is lost.

With a write-ahead log readers see the last committed state and never wait for a writer; `synchronous=FULL`
has a commit on the disk before it returns (https://www.sqlite.org/wal.html, https://www.sqlite.org/pragma.html).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

VERSION = 5
"""The version of the schema; kept in SQLite's user_version. Earlier ones are read and brought up to it."""

_TABLES = """
CREATE TABLE projects (
    arn TEXT PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
    feature TEXT NOT NULL, status TEXT NOT NULL, created REAL NOT NULL,
    UNIQUE (account, region, name));
CREATE TABLE datasets (
    id INTEGER PRIMARY KEY, arn TEXT NOT NULL UNIQUE, project_arn TEXT NOT NULL REFERENCES projects (arn),
    type TEXT NOT NULL, status TEXT NOT NULL, message TEXT NOT NULL, code TEXT NOT NULL,
    created REAL NOT NULL, updated REAL NOT NULL,
    total INTEGER NOT NULL DEFAULT 0, labelled INTEGER NOT NULL DEFAULT 0,
    erroneous INTEGER NOT NULL DEFAULT 0,
    UNIQUE (project_arn, type));
CREATE TABLE entries (
    dataset INTEGER NOT NULL REFERENCES datasets (id) ON DELETE CASCADE, position INTEGER NOT NULL,
    source_ref TEXT NOT NULL, line TEXT NOT NULL, labelled INTEGER NOT NULL, errors INTEGER NOT NULL,
    UNIQUE (dataset, source_ref), UNIQUE (dataset, position));
CREATE INDEX erroneous_entries ON entries (dataset, position) WHERE errors > 0;
CREATE INDEX unlabelled_entries ON entries (dataset, position) WHERE labelled = 0;
CREATE TABLE entry_labels (
    dataset INTEGER NOT NULL REFERENCES datasets (id) ON DELETE CASCADE, label TEXT NOT NULL,
    position INTEGER NOT NULL, boxed INTEGER NOT NULL,
    PRIMARY KEY (dataset, label, position)) WITHOUT ROWID;
CREATE INDEX labels_of_entry ON entry_labels (dataset, position);
CREATE TABLE dataset_labels (
    dataset INTEGER NOT NULL REFERENCES datasets (id) ON DELETE CASCADE, label TEXT NOT NULL,
    entries INTEGER NOT NULL, boxed INTEGER NOT NULL, PRIMARY KEY (dataset, label)) WITHOUT ROWID;
CREATE TABLE versions (
    arn TEXT PRIMARY KEY, project_arn TEXT NOT NULL REFERENCES projects (arn), name TEXT NOT NULL,
    status TEXT NOT NULL, message TEXT NOT NULL, created REAL NOT NULL, details TEXT NOT NULL,
    UNIQUE (project_arn, name));
CREATE TABLE policies (
    project_arn TEXT NOT NULL REFERENCES projects (arn) ON DELETE CASCADE, name TEXT NOT NULL,
    revision TEXT NOT NULL, document TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL,
    PRIMARY KEY (project_arn, name));
CREATE TABLE tags (
    resource_arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (resource_arn, key));
CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL);
INSERT INTO secrets VALUES ('pages', randomblob(32));
"""
_PERIODS = "CREATE TABLE periods (arn TEXT NOT NULL, since REAL NOT NULL, until REAL, units INTEGER)"
_WORK = "CREATE TABLE work (id INTEGER PRIMARY KEY, details TEXT NOT NULL)"

_FROM_VERSION_1 = """
INSERT INTO projects
    SELECT arn, account, region, name, feature, status, created FROM old_projects;
INSERT INTO datasets (arn, project_arn, type, status, message, code, created, updated)
    SELECT arn, project_arn, type, status, message, code, created, updated FROM old_datasets;
INSERT INTO entries SELECT d.id, e.position, e.source_ref, e.line, e.labels <> '[]', e.errors
    FROM old_entries e JOIN datasets d ON d.arn = e.dataset_arn;
INSERT INTO entry_labels SELECT d.id, l.value, e.position,
        EXISTS (SELECT 1 FROM json_each(e.boxed) b WHERE b.value = l.value)
    FROM old_entries e JOIN datasets d ON d.arn = e.dataset_arn, json_each(e.labels) l;
INSERT INTO versions SELECT arn, project_arn, name, status, message, created, details FROM old_versions;
INSERT INTO tags SELECT resource_arn, key, value FROM old_tags;
"""
_OLD_TABLES = ("projects", "datasets", "entries", "versions", "tags")

COUNT_DATASET = """
UPDATE datasets SET
    total = (SELECT COUNT(*) FROM entries WHERE dataset = datasets.id),
    labelled = (SELECT COUNT(*) FROM entries WHERE dataset = datasets.id AND labelled),
    erroneous = (SELECT COUNT(*) FROM entries WHERE dataset = datasets.id AND errors > 0)
"""
COUNT_LABELS = """
INSERT INTO dataset_labels SELECT dataset, label, COUNT(*), SUM(boxed) FROM entry_labels
"""


class Database:
    """The database in the file at `path`, made if there is none."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.RLock()
        self._depth = 0
        self._mine = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._writer = self._connect()
        self._writer.execute("PRAGMA journal_mode=WAL")
        self._migrate()

    def close(self) -> None:
        with self._lock:
            self._writer.close()
            for reader in self._readers:
                reader.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction, all or nothing; one that begins within another is part of it."""
        with self._lock:
            if self._depth == 0:
                self._writer.execute("BEGIN IMMEDIATE")
            self._depth += 1
            self._mine.writing = True
            try:
                yield self._writer
                if self._depth == 1:
                    self._writer.execute("COMMIT")
            except BaseException:
                if self._depth == 1:
                    self._writer.execute("ROLLBACK")
                raise
            finally:
                self._depth -= 1
                self._mine.writing = self._depth > 0

    def rows(self, query: str, *parameters: Any, **named: Any) -> list[sqlite3.Row]:
        """The rows of a query: what is committed, and within a transaction what it has written."""
        if getattr(self._mine, "writing", False):
            return list(self._writer.execute(query, named or parameters))
        return list(self._reader().execute(query, named or parameters))

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """A block within which this thread reads one moment of the database."""
        reader = self._reader()
        reader.execute("BEGIN")
        try:
            yield
        finally:
            reader.execute("COMMIT")

    def insert(self, table: str, values: Mapping[str, Any]) -> None:
        columns, marks = ", ".join(values), ", ".join("?" * len(values))
        with self.transaction() as db:
            db.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", tuple(values.values()))  # noqa: S608

    def _reader(self) -> sqlite3.Connection:
        reader: sqlite3.Connection | None = getattr(self._mine, "reader", None)
        if reader is None:
            reader = self._mine.reader = self._connect()
            self._readers.append(reader)
        return reader

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=60, check_same_thread=False, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        return connection

    def _migrate(self) -> None:
        with self.transaction() as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == VERSION:
                return
            if version > VERSION:
                raise RuntimeError(f"{self._path} is of a later engine (schema {version}); use that one")
            if version < 2:
                _make_tables(db)
            elif version < 4:
                db.execute("ALTER TABLE projects DROP COLUMN auto_update")
            if version < 3:
                db.execute(_WORK)
            db.execute(_PERIODS)
            db.execute(f"PRAGMA user_version={VERSION}")


def _make_tables(db: sqlite3.Connection) -> None:
    """The tables of version 2, with what those of version 1 hold if there are any."""
    old = db.execute("SELECT 1 FROM sqlite_master WHERE name='projects'").fetchone() is not None
    for table in _OLD_TABLES if old else ():
        db.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    db.execute("DROP INDEX IF EXISTS entries_in_order")
    _run(db, _TABLES)
    if old:
        _run(db, _FROM_VERSION_1)
        db.execute(COUNT_DATASET)
        db.execute(f"{COUNT_LABELS} GROUP BY dataset, label")
        for table in reversed(_OLD_TABLES):
            db.execute(f"DROP TABLE old_{table}")


def _run(db: sqlite3.Connection, script: str) -> None:
    # Connection.executescript commits first; these statements belong to the transaction under way.
    for statement in script.split(";"):
        db.execute(statement)
