"""A record of what an import has sent, so that it can be interrupted anywhere and resumed."""

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
"""Seconds between two commits; after a power cut, what was sent in that time is sent again."""
LOCK_SECONDS = 30.0
"""Seconds to wait for another import of the same dataset."""

_TABLES = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS sent (
    key TEXT PRIMARY KEY, size INTEGER NOT NULL, modified TEXT NOT NULL, content TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


def folder() -> Path:
    """The folder of the journals: https://specifications.freedesktop.org/basedir-spec/latest/"""
    state = os.environ.get("XDG_STATE_HOME", "")
    home = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    return home / "labelloop" / "imports"


class Journal:
    """Which file was sent to each key of the bucket, and a digest of its content."""

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
        """Open the journal of a dataset's import into a deployment's bucket."""
        digest = hashlib.sha256("\n".join((bucket, name, where)).encode()).hexdigest()[:16]
        return cls(folder() / f"{name}-{digest}.sqlite")

    @property
    def began(self) -> str:
        """When the import was first started, in ISO 8601."""
        row = self._database.execute("SELECT value FROM facts WHERE name = 'began'").fetchone()
        return str(row[0])

    def has(self, key: str, file: File) -> bool:
        """Whether this state of the file was sent to the key."""
        return key in self._sent and self._sent[key][0] == file

    def content(self, key: str) -> str | None:
        """Digest of the content that was sent to the key last; None if nothing was."""
        return self._sent[key][1] if key in self._sent else None

    def note(self, key: str, file: File, content: str) -> None:
        """Record what was sent. It is on disk within COMMIT_SECONDS, or after the next `commit`."""
        self._sent[key] = (file, content)
        self._database.execute(
            "INSERT OR REPLACE INTO sent VALUES (?, ?, ?, ?)", (key, file.size, file.modified, content)
        )
        if time.monotonic() - self._committed >= COMMIT_SECONDS:
            self.commit()

    def forget(self) -> None:
        """Forget everything, so that all of it is sent again."""
        self._sent = {}
        self._database.execute("DELETE FROM sent")

    def commit(self) -> None:
        """Write the record to disk."""
        self._database.commit()
        self._committed = time.monotonic()

    def close(self) -> None:
        self._database.commit()
        self._database.close()
