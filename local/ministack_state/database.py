"""The SQLite file that MiniStack's state is kept in.

What is committed has been handed to the operating system, so it outlives the process however that ends. Only
checkpoints wait for the disk (`synchronous=NORMAL`): if the whole machine dies, the last transactions may be
missing, never a part of one (https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

DATABASE = "ministack.sqlite"
"""The file's name in the folder of the stack's state."""
SERVICE = "service"
"""The kind of the states of whole services."""
NOTE, RUNNING = "note", "running"
"""The record that is there while a server runs."""

_TABLE = """
CREATE TABLE IF NOT EXISTS state (
    kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID
"""


class Change(NamedTuple):
    """A record to write; to delete if it has no value, with all others of its kind if it has no key."""

    kind: str
    key: str | None
    value: str | None


class Database:
    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute(_TABLE)

    def write(self, changes: Iterable[Change]) -> None:
        """Write all changes, in their order, or none."""
        with self._lock:
            self._connection.execute("BEGIN")
            try:
                for change in changes:
                    self._write(change)
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _write(self, change: Change) -> None:
        if change.key is None:
            self._connection.execute("DELETE FROM state WHERE kind = ?", (change.kind,))
        elif change.value is None:
            self._connection.execute(
                "DELETE FROM state WHERE kind = ? AND key = ?", (change.kind, change.key)
            )
        else:
            self._connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", change)

    def read(self, kind: str) -> list[tuple[str, str]]:
        """Keys and values of a kind, in the order of their keys."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT key, value FROM state WHERE kind = ? ORDER BY key", (kind,)
            )
            return [(str(key), str(value)) for key, value in rows]

    def get(self, kind: str, key: str) -> str | None:
        with self._lock:
            query = "SELECT value FROM state WHERE kind = ? AND key = ?"
            row = self._connection.execute(query, (kind, key)).fetchone()
        return None if row is None else str(row[0])

    def close(self) -> None:
        with self._lock:
            self._connection.close()


def was_killed(file: Path) -> bool:
    """Whether the last server that kept its state there was killed, not stopped."""
    if not file.exists():
        return False
    database = Database(file)
    try:
        return database.get(NOTE, RUNNING) is not None
    finally:
        database.close()
