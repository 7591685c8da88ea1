"""What the engine must not forget: projects and their policies, datasets, entries, model versions, tags.

Times are seconds since the epoch. Each method is one transaction and may be called from any thread.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from local.engine.storage.database import Database
from local.engine.storage.entries import Entries

RUNS = {"STARTING", "RUNNING", "STOPPING"}
"""States of a version that runs, or does so in a moment, or did until a moment ago."""
BILLED = {"RUNNING", "STOPPING"}
"""States in which Rekognition charges for a version's inference units."""

_ENGINE_ENDED = "The engine ended before this was done. Try again."
_DATASET = "arn, project_arn, type, status, message, code, created, updated, total, labelled, erroneous"
_IN_ACCOUNT = "project_arn IN (SELECT arn FROM projects WHERE account=? AND region=?)"


@dataclass(frozen=True)
class Project:
    arn: str
    account: str
    region: str
    name: str
    feature: str
    status: str
    created: float


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
    total: int = 0
    labelled: int = 0
    erroneous: int = 0
    """The number of entries, those with a label and those with an error; as of the last change that ended."""


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


@dataclass(frozen=True)
class Period:
    """A time in which a version was billed for its inference units; it goes on if it has no end."""

    arn: str
    since: float
    until: float | None
    units: int


@dataclass(frozen=True)
class Policy:
    project_arn: str
    name: str
    revision: str
    document: str
    created: float
    updated: float


@dataclass(frozen=True)
class Work:
    """What an operation began with datasets. It must be done, by the next engine if this one ends before."""

    task: Literal["CREATE", "UPDATE", "DISTRIBUTE"]
    datasets: tuple[str, ...]
    """The datasets' ARNs; of a distribution the training dataset's, then the test dataset's."""
    images: int
    """The most images that a dataset may have."""
    copied: str = ""
    """ARN of the dataset to create from, if it is created from one."""
    failure: str = ""
    """The message to fail with, if it must fail."""
    file: str = ""
    """Name of the file that holds the manifest or the changes, if there are any."""
    id: int = 0


class AlreadyThereError(Exception):
    """A resource of that name exists."""


class NotThereError(Exception):
    """The project is gone."""


class InUseError(Exception):
    """The project holds what must be deleted first."""


class TooManyError(Exception):
    """There are as many resources as may be; holds that number."""


class Store:
    """Projects, policies, datasets, versions and tags in the SQLite file `path`; entries in `entries`."""

    def __init__(self, path: Path, *, now: Callable[[], float] = time.time) -> None:
        self._database = Database(path)
        self._now = now
        self.entries = Entries(self._database)

    def close(self) -> None:
        self._database.close()

    def transaction(self) -> AbstractContextManager[object]:
        """A block that makes one transaction of several methods."""
        return self._database.transaction()

    def snapshot(self) -> AbstractContextManager[None]:
        """A block in which several methods read one moment of the store."""
        return self._database.snapshot()

    def page_secret(self) -> bytes:
        """The key with which tokens of pages are signed."""
        ((secret,),) = self._database.rows("SELECT value FROM secrets WHERE name='pages'")
        return bytes(secret)

    def recover(self) -> list[Version]:
        """Give what was under way when the engine ended a final status; returns the versions to be started
        again."""
        with self._database.transaction() as db:
            for doing, failed in (
                ("TRAINING_IN_PROGRESS", "TRAINING_FAILED"),
                ("COPYING_IN_PROGRESS", "COPYING_FAILED"),
            ):
                db.execute(
                    "UPDATE versions SET status=?, message=? WHERE status=?", (failed, _ENGINE_ENDED, doing)
                )
            db.execute("UPDATE periods SET until=? WHERE until IS NULL", (self._now(),))
            db.execute("UPDATE versions SET status='STOPPED', message='' WHERE status='STOPPING'")
            db.execute("UPDATE versions SET status='STARTING' WHERE status='RUNNING'")
            for version in self._versions("SELECT * FROM versions WHERE status='DELETING'"):
                self.delete_version(version.arn)
            self._fail_datasets_without_work()
        return self._versions("SELECT * FROM versions WHERE status='STARTING'")

    def _fail_datasets_without_work(self) -> None:
        """Earlier engines did not keep what their work needed."""
        promised = {arn for work in self.work() for arn in work.datasets}
        for dataset in self._datasets("WHERE status IN ('CREATE_IN_PROGRESS', 'UPDATE_IN_PROGRESS')"):
            if dataset.arn in promised:
                continue
            doing = dataset.status.partition("_")[0]
            if doing == "CREATE":
                self.entries.clear(dataset.arn)
            self.move_dataset(dataset.arn, f"{doing}_FAILED", message=_ENGINE_ENDED, code="SERVICE_ERROR")

    # Work with datasets

    def add_work(self, work: Work) -> Work:
        """The same, with its id."""
        with self._database.transaction() as db:
            added = db.execute("INSERT INTO work (details) VALUES (?)", (json.dumps(asdict(work)),))
            return replace(work, id=int(added.lastrowid or 0))

    def work(self) -> list[Work]:
        """What was begun and is not done, in the order in which it was begun."""
        rows = self._database.rows("SELECT id, details FROM work ORDER BY id")
        return [_work(row["id"], json.loads(row["details"])) for row in rows]

    def end_work(self, work: Work) -> None:
        with self._database.transaction() as db:
            db.execute("DELETE FROM work WHERE id=?", (work.id,))

    # Projects

    def add_project(self, project: Project, *, tags: Mapping[str, str], limit: int) -> None:
        """Raises AlreadyThereError, or TooManyError if the account has `limit` projects."""
        with self._constraints(f"project {project.name}"), self._database.transaction():
            query = "SELECT COUNT(*) FROM projects WHERE account=? AND region=?"
            self._check_limit(limit, query, project.account, project.region)
            self._database.insert("projects", vars(project))
            self.put_tags(project.arn, tags)

    def project(self, arn: str) -> Project | None:
        rows = self._database.rows("SELECT * FROM projects WHERE arn=?", arn)
        return next((Project(**dict(row)) for row in rows), None)

    def projects(self, account: str, region: str) -> list[Project]:
        """Oldest first."""
        query = "SELECT * FROM projects WHERE account=? AND region=? ORDER BY created, arn"
        return [Project(**dict(row)) for row in self._database.rows(query, account, region)]

    def delete_project(self, arn: str) -> None:
        """Raises InUseError while the project has datasets or versions; its policies go with it."""
        with self._database.transaction() as db:
            try:
                db.execute("DELETE FROM projects WHERE arn=?", (arn,))
            except sqlite3.IntegrityError as error:
                raise InUseError(arn) from error
            self._delete_tags(arn)

    # Project policies

    def policies(self, project_arn: str) -> list[Policy]:
        """By name."""
        query = "SELECT * FROM policies WHERE project_arn=? ORDER BY name"
        return [Policy(**dict(row)) for row in self._database.rows(query, project_arn)]

    def add_policy(self, policy: Policy, *, limit: int) -> None:
        """Raises AlreadyThereError, NotThereError, or TooManyError if the project has `limit` policies."""
        with self._constraints(f"policy {policy.name}"), self._database.transaction():
            self._check_limit(limit, "SELECT COUNT(*) FROM policies WHERE project_arn=?", policy.project_arn)
            self._database.insert("policies", vars(policy))

    def change_policy(self, policy: Policy, *, revision: str) -> bool:
        """Put it in the place of the revision; whether that was the latest."""
        with self._database.transaction() as db:
            return (
                db.execute(
                    "UPDATE policies SET revision=?, document=?, updated=?"
                    " WHERE project_arn=? AND name=? AND revision=?",
                    (
                        policy.revision,
                        policy.document,
                        policy.updated,
                        policy.project_arn,
                        policy.name,
                        revision,
                    ),
                ).rowcount
                == 1
            )

    def delete_policy(self, project_arn: str, name: str, *, revision: str | None) -> bool:
        """Whether there was one, of this revision if one is given."""
        query = "DELETE FROM policies WHERE project_arn=? AND name=? AND revision=COALESCE(?, revision)"
        with self._database.transaction() as db:
            return db.execute(query, (project_arn, name, revision)).rowcount == 1

    # Datasets

    def add_dataset(self, dataset: Dataset, *, tags: Mapping[str, str]) -> None:
        """Raises AlreadyThereError, or NotThereError."""
        with self._constraints(f"{dataset.type} dataset"), self._database.transaction():
            self._database.insert("datasets", vars(dataset))
            self.put_tags(dataset.arn, tags)

    def dataset(self, arn: str) -> Dataset | None:
        return next(iter(self._datasets("WHERE arn=?", arn)), None)

    def datasets(self, project_arn: str) -> list[Dataset]:
        return self._datasets("WHERE project_arn=? ORDER BY type DESC", project_arn)

    def move_dataset(self, arn: str, to: str, *, message: str, code: str) -> None:
        with self._database.transaction() as db:
            db.execute(
                "UPDATE datasets SET status=?, message=?, code=?, updated=? WHERE arn=?",
                (to, message, code, time.time(), arn),
            )

    def claim_datasets(self, *arns: str, to: str, message: str, unless: Collection[str]) -> bool:
        """Set the status of all these datasets, unless one has a status of `unless`; whether it was set."""
        with self._database.transaction() as db:
            if any(dataset is None or dataset.status in unless for dataset in map(self.dataset, arns)):
                return False
            for arn in arns:
                db.execute("UPDATE datasets SET status=?, message=? WHERE arn=?", (to, message, arn))
            return True

    def delete_dataset(self, arn: str, *, unless: Collection[str]) -> bool:
        """Delete a dataset and its entries, unless its status is one of these; whether it was deleted."""
        with self._database.transaction() as db:
            dataset = self.dataset(arn)
            if dataset is None or dataset.status in unless:
                return False
            db.execute("DELETE FROM datasets WHERE arn=?", (arn,))
            self._delete_tags(arn)
            return True

    # Model versions

    def add_version(
        self, version: Version, *, tags: Mapping[str, str], limit: int, busy_limit: int | None = None
    ) -> None:
        """Add a version with its tags.

        Raises:
            AlreadyThereError: the project has a version of this name.
            NotThereError: the project is gone.
            TooManyError: the project has `limit` versions, or its account has `busy_limit` with the status
                of this one.
        """
        with self._constraints(f"version {version.name}"), self._database.transaction():
            self._check_limit(limit, "SELECT COUNT(*) FROM versions WHERE project_arn=?", version.project_arn)
            if busy_limit is not None and (project := self.project(version.project_arn)):
                query = f"SELECT COUNT(*) FROM versions WHERE status=? AND {_IN_ACCOUNT}"  # noqa: S608
                self._check_limit(busy_limit, query, version.status, project.account, project.region)
            self._database.insert("versions", {**vars(version), "details": json.dumps(dict(version.details))})
            self.put_tags(version.arn, tags)

    def version(self, arn: str) -> Version | None:
        return next(iter(self._versions("SELECT * FROM versions WHERE arn=?", arn)), None)

    def versions(self, project_arn: str) -> list[Version]:
        """The project's versions, latest first, as DescribeProjectVersions lists them."""
        query = "SELECT * FROM versions WHERE project_arn=? ORDER BY created DESC, arn DESC"
        return self._versions(query, project_arn)

    def version_arns(self) -> list[str]:
        return [row["arn"] for row in self._database.rows("SELECT arn FROM versions")]

    def move_version(
        self,
        arn: str,
        to: str,
        *,
        when: Collection[str],
        message: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> bool:
        """Set a version's status if it is one of `when`, and merge `details` with those there (None takes one
        away); whether it was set."""
        with self._database.transaction() as db:
            version = self.version(arn)
            if version is None or version.status not in when:
                return False
            merged = _merged(version.details, details or {})
            db.execute(
                "UPDATE versions SET status=?, message=?, details=? WHERE arn=?",
                (to, message, json.dumps(merged), arn),
            )
            self._bill(version, to, merged)
            return True

    def _bill(self, version: Version, to: str, details: Mapping[str, Any]) -> None:
        """Note that a version begins to be billed, or is not any more."""
        with self._database.transaction() as db:
            if to in BILLED and version.status not in BILLED:
                units = details.get("MinInferenceUnits", 1)
                db.execute("INSERT INTO periods VALUES (?, ?, NULL, ?)", (version.arn, self._now(), units))
            elif to not in BILLED and version.status in BILLED:
                db.execute(
                    "UPDATE periods SET until=? WHERE arn=? AND until IS NULL", (self._now(), version.arn)
                )

    def periods(self) -> list[Period]:
        """When which version was billed: the truth that a ledger is measured by."""
        rows = self._database.rows("SELECT arn, since, until, units FROM periods ORDER BY since")
        return [Period(**dict(row)) for row in rows]

    def check_running(self, account: str, region: str, *, limit: int) -> None:
        """Check that no more than `limit` versions of the account run.

        Raises:
            TooManyError: more of them run.
        """
        marks = ",".join("?" * len(RUNS))
        query = f"SELECT COUNT(*) FROM versions WHERE status IN ({marks}) AND {_IN_ACCOUNT}"  # noqa: S608
        ((count,),) = self._database.rows(query, *sorted(RUNS), account, region)
        if count > limit:
            raise TooManyError(limit)

    def delete_version(self, arn: str) -> None:
        with self._database.transaction() as db:
            db.execute("DELETE FROM versions WHERE arn=?", (arn,))
            self._delete_tags(arn)

    # Tags

    def tags(self, resource_arn: str) -> dict[str, str]:
        rows = self._database.rows("SELECT * FROM tags WHERE resource_arn=? ORDER BY key", resource_arn)
        return {row["key"]: row["value"] for row in rows}

    def put_tags(self, resource_arn: str, tags: Mapping[str, str], *, limit: int | None = None) -> None:
        """Add tags to a resource.

        Raises:
            TooManyError: the resource would have more than `limit`.
        """
        with self._database.transaction() as db:
            db.executemany(
                "INSERT OR REPLACE INTO tags VALUES (?, ?, ?)",
                [(resource_arn, key, value) for key, value in tags.items()],
            )
            if limit is not None and len(self.tags(resource_arn)) > limit:
                raise TooManyError(limit)

    def delete_tags(self, resource_arn: str, keys: Iterable[str]) -> None:
        with self._database.transaction() as db:
            db.executemany(
                "DELETE FROM tags WHERE resource_arn=? AND key=?", [(resource_arn, key) for key in keys]
            )

    # Rows

    def _datasets(self, where: str, *parameters: str) -> list[Dataset]:
        rows = self._database.rows(f"SELECT {_DATASET} FROM datasets {where}", *parameters)  # noqa: S608
        return [Dataset(**dict(row)) for row in rows]

    def _versions(self, query: str, *parameters: str) -> list[Version]:
        rows = self._database.rows(query, *parameters)
        return [Version(**{**dict(row), "details": json.loads(row["details"])}) for row in rows]

    def _delete_tags(self, resource_arn: str) -> None:
        with self._database.transaction() as db:
            db.execute("DELETE FROM tags WHERE resource_arn=?", (resource_arn,))

    def _check_limit(self, limit: int, query: str, *parameters: str) -> None:
        ((count,),) = self._database.rows(query, *parameters)
        if count >= limit:
            raise TooManyError(limit)

    @contextmanager
    def _constraints(self, what: str) -> Iterator[None]:
        """What the tables forbid, as an error of this module."""
        try:
            yield
        except sqlite3.IntegrityError as error:
            lacks = error.sqlite_errorname == "SQLITE_CONSTRAINT_FOREIGNKEY"
            raise (NotThereError if lacks else AlreadyThereError)(what) from error


def _work(id: int, details: dict[str, Any]) -> Work:
    details |= {"id": id, "datasets": tuple(details["datasets"])}
    return Work(**details)


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Details merged with others; structures are merged member by member: a result adds its Output to the
    Input that stands there."""
    both = {key: {**old[key], **new[key]} for key in old.keys() & new.keys() if isinstance(old[key], dict)}
    merged = {**old, **new, **both}
    return {key: value for key, value in merged.items() if value is not None}
