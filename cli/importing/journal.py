"""What of an import has been sent, so that it can be cut off anywhere and gone on with."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from pathlib import Path

from cli.importing.sources import File
from cli.output import CommandError
from lambdas.domain.shared import clock

COMMIT_SECONDS = 1.0
"""What a machine that loses its power may make an import send again."""
LOCK_SECONDS = 30.0
"""Patience with another import of the same data set."""

_TABLES = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS sent (
    key TEXT PRIMARY KEY, size INTEGER NOT NULL, modified TEXT NOT NULL, content TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


def folder() -> Path:
    """Where journals lie: https://specifications.freedesktop.org/basedir-spec/latest/"""
    state = os.environ.get("XDG_STATE_HOME", "")
    home = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    return home / "labelloop" / "imports"


class Journal:
    """By key in the bucket: the file that was sent there, and what its content was."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=LOCK_SECONDS)
            self._database.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise CommandError(
                f"the journal {path} cannot be used: {error}; set XDG_STATE_HOME to a folder that can be"
                " written to, or delete the file to send everything again"
            ) from error
        self._committed = time.monotonic()
        self._sent = {
            key: (File(size, modified), content)
            for key, size, modified, content in self._database.execute("SELECT * FROM sent")
        }
        self._database.execute("INSERT OR IGNORE INTO facts VALUES ('began', ?)", (clock.now(),))
        self._database.commit()

    @classmethod
    def of(cls, bucket: str, name: str, where: str) -> Journal:
        """The journal of a data set's import into a deployment's bucket."""
        which = hashlib.sha256("\n".join((bucket, name, where)).encode()).hexdigest()[:16]
        return cls(folder() / f"{name}-{which}.sqlite")

    @property
    def began(self) -> str:
        """When the import was first started, as the tables hold times."""
        row = self._database.execute("SELECT value FROM facts WHERE name = 'began'").fetchone()
        return str(row[0])

    def has(self, key: str, file: File) -> bool:
        """Whether just this state of the file was sent."""
        return key in self._sent and self._sent[key][0] == file

    def content(self, key: str) -> str | None:
        """What was sent there last."""
        return self._sent[key][1] if key in self._sent else None

    def note(self, key: str, file: File, content: str) -> None:
        """Note what was sent; on disk within COMMIT_SECONDS, or with the next `commit`."""
        self._sent[key] = (file, content)
        self._database.execute(
            "INSERT OR REPLACE INTO sent VALUES (?, ?, ?, ?)", (key, file.size, file.modified, content)
        )
        if time.monotonic() - self._committed >= COMMIT_SECONDS:
            self.commit()

    def forget(self) -> None:
        """Everything is to be sent again."""
        self._sent = {}
        self._database.execute("DELETE FROM sent")

    def commit(self) -> None:
        self._database.commit()
        self._committed = time.monotonic()

    def close(self) -> None:
        self._database.commit()
        self._database.close()
