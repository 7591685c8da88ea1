"""The store by itself: kills, earlier schemas, large datasets, many threads."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from local.engine.storage.entries import Entry, Filters, page_query
from local.engine.storage.store import (
    AlreadyThereError,
    Dataset,
    InUseError,
    Project,
    Store,
    TooManyError,
    Version,
    Work,
)
from tests.fixtures.waiting import HUNG_SECONDS

ROOT = Path(__file__).resolve().parents[4]
PROJECT = Project("arn:p", "1", "r", "pets", "CUSTOM_LABELS", "CREATED", 1.0)
DATASET = Dataset("arn:d", "arn:p", "TRAIN", "CREATE_COMPLETE", "", "SUCCESS", 1.0, 1.0)

WRITER = """
import sys
from pathlib import Path
from local.engine.storage.entries import Entry
from local.engine.storage.store import Dataset, Project, Store

store = Store(Path(sys.argv[1]))
start = int(sys.argv[2])
for number in range(start, start + 100_000):
    name = f"p{number}"
    project = Project(f"arn:{name}", "1", "r", name, "F", "CREATED", 1.0)
    store.add_project(project, tags={"n": name}, limit=10**9)
    print(f"project {name}", flush=True)
    lines = [Entry(f"s3://b/{number}-{i}", "{}", ("cat",), (), 0) for i in range(20)]
    with store.transaction():
        store.entries.put("arn:d", lines)
        store.entries.count("arn:d")
        store.move_dataset("arn:d", "UPDATE_COMPLETE", message=name, code="SUCCESS")
    print(f"entries {number}", flush=True)
"""


def made(path: Path) -> Store:
    store = Store(path)
    store.add_project(PROJECT, tags={}, limit=100)
    store.add_dataset(DATASET, tags={})
    return store


def entry(number: int, *labels: str, errors: int = 0) -> Entry:
    return Entry(f"s3://bucket/{number}.jpg", json.dumps({"n": number}), labels, (), errors)


@pytest.mark.long
def test_a_kill_loses_no_acknowledged_write_and_leaves_no_half_of_one(tmp_path: Path) -> None:
    path = tmp_path / "engine.sqlite"
    made(path).close()
    rng = random.Random(7)  # noqa: S311
    projects: set[str] = set()
    updates: set[int] = set()
    for start in range(5):
        command = [sys.executable, "-c", WRITER, str(path), str(start * 100_000)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            acknowledged = [writer.stdout.readline()]
            threading.Timer(rng.uniform(0.02, 0.25), writer.send_signal, [signal.SIGKILL]).start()
            acknowledged += writer.stdout.readlines()
        assert writer.returncode == -signal.SIGKILL
        for kind, name in (line.split() for line in acknowledged if line.endswith("\n")):
            if kind == "project":
                projects.add(name)
            else:
                updates.add(int(name))
        store = Store(path)
        kept = {project.name for project in store.projects("1", "r")} - {"pets"}
        assert projects <= kept
        assert len(kept - projects) <= start + 1, "more was kept than what a kill cut off"
        assert all(store.tags(f"arn:{name}") == {"n": name} for name in kept)
        written = {
            int(ref.rpartition("/")[2].partition("-")[0]) for ref, _ in store.entries.learned_labels("arn:d")
        }
        dataset = store.dataset("arn:d")
        assert dataset is not None
        assert updates <= written
        assert dataset.total == 20 * len(written) == len(store.entries.lines("arn:d"))
        store.close()
    assert updates


def test_what_was_under_way_is_settled_with_a_reason(tmp_path: Path) -> None:
    store = made(tmp_path / "s")
    store.add_dataset(Dataset("arn:t", "arn:p", "TEST", "CREATE_IN_PROGRESS", "", "SUCCESS", 1, 1), tags={})
    store.entries.append("arn:t", [entry(1, "cat")])
    store.entries.append("arn:d", [entry(1, "cat")])
    store.move_dataset("arn:d", "UPDATE_IN_PROGRESS", message="", code="SUCCESS")
    for status in ("TRAINING_IN_PROGRESS", "COPYING_IN_PROGRESS", "STOPPING", "RUNNING", "DELETING"):
        version = Version(f"arn:{status}", "arn:p", status, status, "", 1.0, {})
        store.add_version(version, tags={"status": status}, limit=100)
    assert [version.name for version in store.recover()] == ["RUNNING"]
    versions = {version.name: version for version in store.versions("arn:p")}
    assert {name: version.status for name, version in versions.items()} == {
        "TRAINING_IN_PROGRESS": "TRAINING_FAILED",
        "COPYING_IN_PROGRESS": "COPYING_FAILED",
        "STOPPING": "STOPPED",
        "RUNNING": "STARTING",
    }
    created, updated = store.dataset("arn:t"), store.dataset("arn:d")
    assert created and updated
    assert (created.status, updated.status) == ("CREATE_FAILED", "UPDATE_FAILED")
    failed = (created, updated, versions["TRAINING_IN_PROGRESS"], versions["COPYING_IN_PROGRESS"])
    assert all("engine ended" in thing.message for thing in failed)
    assert store.entries.lines("arn:t") == []
    assert len(store.entries.lines("arn:d")) == 1
    assert store.tags("arn:DELETING") == {}
    assert store.tags("arn:RUNNING") == {"status": "RUNNING"}
    store.close()


def test_a_dataset_whose_work_was_kept_stays_busy(tmp_path: Path) -> None:
    store = made(tmp_path / "s")
    store.add_dataset(Dataset("arn:t", "arn:p", "TEST", "UPDATE_IN_PROGRESS", "", "SUCCESS", 1, 1), tags={})
    store.move_dataset("arn:d", "UPDATE_IN_PROGRESS", message="", code="SUCCESS")
    work = store.add_work(Work("UPDATE", ("arn:t",), 250_000, file="f"))
    store.recover()
    assert [dataset.status for dataset in store.datasets("arn:p")] == ["UPDATE_FAILED", "UPDATE_IN_PROGRESS"]
    assert store.work() == [work]
    store.end_work(work)
    assert store.work() == []
    store.close()


def test_what_is_read_in_a_snapshot_is_of_one_moment(tmp_path: Path) -> None:
    store = made(tmp_path / "s")

    def write() -> None:
        store.move_dataset("arn:d", "UPDATE_COMPLETE", message="new", code="SUCCESS")

    with store.snapshot():
        before = store.dataset("arn:d")
        writer = threading.Thread(target=write)
        writer.start()
        writer.join()
        assert store.dataset("arn:d") == before
    after = store.dataset("arn:d")
    assert after and after.message == "new"
    store.close()


def test_moved_entries_keep_their_order_and_labels(tmp_path: Path) -> None:
    store = made(tmp_path / "s")
    store.add_dataset(Dataset("arn:t", "arn:p", "TEST", "CREATE_COMPLETE", "", "SUCCESS", 1, 1), tags={})
    boxed = Entry("s3://bucket/box", "{}", ("cat", "indoors"), ("cat",), 0)
    store.entries.append("arn:d", [entry(1, "dog"), entry(2), boxed])
    store.entries.count("arn:d")
    # A model of boxes learns nothing from the labels of whole images.
    assert store.entries.learned_labels("arn:d") == [
        ("s3://bucket/1.jpg", []),
        ("s3://bucket/2.jpg", []),
        ("s3://bucket/box", ["cat"]),
    ]
    store.entries.move("arn:d", "arn:t", {"s3://bucket/1.jpg", "s3://bucket/2.jpg"})
    for arn in ("arn:d", "arn:t"):
        store.entries.count(arn)
    assert store.entries.lines("arn:d") == ["{}"]
    assert store.entries.lines("arn:t") == ['{"n": 1}', '{"n": 2}']
    assert store.entries.learned_labels("arn:t") == [
        ("s3://bucket/1.jpg", ["dog"]),
        ("s3://bucket/2.jpg", []),
    ]
    assert [label.label for label in store.entries.labels("arn:d")] == ["cat", "indoors"]
    store.close()


def test_an_earlier_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "engine.sqlite"
    with sqlite3.connect(path) as old:
        old.executescript(
            """
            CREATE TABLE projects (arn TEXT PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL,
                name TEXT NOT NULL, feature TEXT NOT NULL, status TEXT NOT NULL, created REAL NOT NULL,
                auto_update TEXT, UNIQUE (account, region, name));
            CREATE TABLE datasets (arn TEXT PRIMARY KEY, project_arn TEXT NOT NULL, type TEXT NOT NULL,
                status TEXT NOT NULL, message TEXT NOT NULL, code TEXT NOT NULL, created REAL NOT NULL,
                updated REAL NOT NULL, UNIQUE (project_arn, type));
            CREATE TABLE entries (dataset_arn TEXT NOT NULL, position INTEGER NOT NULL,
                source_ref TEXT NOT NULL, line TEXT NOT NULL, labels TEXT NOT NULL, boxed TEXT NOT NULL,
                errors INTEGER NOT NULL, PRIMARY KEY (dataset_arn, source_ref));
            CREATE INDEX entries_in_order ON entries (dataset_arn, position);
            CREATE TABLE versions (arn TEXT PRIMARY KEY, project_arn TEXT NOT NULL, name TEXT NOT NULL,
                status TEXT NOT NULL, message TEXT NOT NULL, created REAL NOT NULL, details TEXT NOT NULL,
                UNIQUE (project_arn, name));
            CREATE TABLE tags (resource_arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
                PRIMARY KEY (resource_arn, key));
            INSERT INTO projects VALUES ('arn:p', '1', 'r', 'pets', 'CUSTOM_LABELS', 'CREATED', 1.0, NULL);
            INSERT INTO datasets
                VALUES ('arn:d', 'arn:p', 'TRAIN', 'CREATE_COMPLETE', '', 'SUCCESS', 1.0, 1.0);
            INSERT INTO entries VALUES ('arn:d', 1, 's3://b/1', '{"n": 1}', '["cat", "dog"]', '["dog"]', 0);
            INSERT INTO entries VALUES ('arn:d', 2, 's3://b/2', '{"n": 2}', '[]', '[]', 1);
            INSERT INTO versions
                VALUES ('arn:v', 'arn:p', 'v1', 'STOPPED', '', 1.0, '{"KmsKeyId": "k"}');
            INSERT INTO tags VALUES ('arn:p', 'team', 'vets');
            """
        )
    store = Store(path)
    dataset = store.dataset("arn:d")
    assert dataset is not None
    assert (dataset.total, dataset.labelled, dataset.erroneous) == (2, 1, 1)
    assert store.entries.lines("arn:d") == ['{"n": 1}', '{"n": 2}']
    assert [(label.label, label.entries, label.boxed) for label in store.entries.labels("arn:d")] == [
        ("cat", 1, 0),
        ("dog", 1, 1),
    ]
    assert [(version.name, dict(version.details)) for version in store.versions("arn:p")] == [
        ("v1", {"KmsKeyId": "k"})
    ]
    assert store.tags("arn:p") == {"team": "vets"}
    secret = store.page_secret()
    store.close()
    again = Store(path)
    assert again.page_secret() == secret
    again.close()


@pytest.mark.parametrize("version", [2, 3, 4])
def test_the_schemas_before_this_are_brought_up_to_date(version: int, tmp_path: Path) -> None:
    made(tmp_path / "s").close()
    with sqlite3.connect(tmp_path / "s") as earlier:
        earlier.execute("DROP TABLE periods")
        if version < 4:
            earlier.execute("ALTER TABLE projects ADD COLUMN auto_update TEXT")
        if version < 3:
            earlier.execute("DROP TABLE work")
        earlier.execute(f"PRAGMA user_version={version}")
    store = Store(tmp_path / "s")
    project = store.project("arn:p")
    assert project is not None and project.arn == "arn:p"
    assert (store.work(), [dataset.arn for dataset in store.datasets("arn:p")]) == ([], ["arn:d"])
    store.close()


def test_what_is_billed_is_the_time_from_running_to_stopped(tmp_path: Path) -> None:
    times = iter((20, 40, 60, 70))
    store = Store(tmp_path / "s", now=lambda: next(times))
    store.add_project(PROJECT, tags={}, limit=100)
    store.add_version(Version("arn:v", "arn:p", "v", "STOPPED", "", 1.0, {}), tags={}, limit=100)
    for status in ("STARTING", "RUNNING", "STOPPING"):
        store.move_version("arn:v", status, when={"STOPPED", "STARTING", "RUNNING"})
    store.move_version("arn:v", "STOPPED", when={"STOPPING"})
    for status in ("STARTING", "RUNNING"):
        store.move_version("arn:v", status, when={"STOPPED", "STARTING"}, details={"MinInferenceUnits": 3})
    assert [(period.since, period.until, period.units) for period in store.periods()] == [
        (20, 40, 1),
        (60, None, 3),
    ]
    store.recover()
    assert store.periods()[-1].until == 70
    store.close()


def test_a_later_schema_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "s") as later:
        later.execute("PRAGMA user_version=99")
    with pytest.raises(RuntimeError, match="later engine"):
        Store(tmp_path / "s")


@pytest.mark.parametrize(
    "filters",
    [
        Filters(),
        Filters(labels=("cat",)),
        Filters(labels=("cat", "dog"), has_errors=False),
        Filters(labelled=False),
        Filters(has_errors=True),
    ],
)
def test_a_page_reads_indexes_only_and_sorts_no_more_than_itself(tmp_path: Path, filters: Filters) -> None:
    path = tmp_path / "s"
    store = made(path)
    store.entries.append(
        "arn:d",
        [entry(n, *(("cat", "dog") if n % 2 else ()), errors=n % 3 == 0) for n in range(2000)],
    )
    query, parameters = page_query(filters)
    with sqlite3.connect(path) as database:
        named = {"dataset": "arn:d", "after": 1000, "limit": 10, **parameters}
        plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {query}", named)]
    read = [step for step in plan if step.startswith("SEARCH") and (" e " in step or " l " in step)]
    assert read
    assert all("position>?" in step or "position=?" in step for step in read), plan
    assert not any(step.startswith("SCAN e") or step.startswith("SCAN l") for step in plan), plan
    page = store.entries.page("arn:d", filters, after=1000, limit=10)
    assert len(page) == 10
    assert [position for position, _ in page] == sorted(position for position, _ in page)
    assert page[0][0] > 1000
    store.close()


def test_readers_do_not_wait_for_a_writer(tmp_path: Path) -> None:
    store = made(tmp_path / "s")
    began, seen = threading.Event(), threading.Event()

    def write() -> None:
        with store.transaction():
            store.move_dataset("arn:d", "UPDATE_COMPLETE", message="new", code="SUCCESS")
            began.set()
            assert seen.wait(HUNG_SECONDS)

    writer = threading.Thread(target=write)
    writer.start()
    assert began.wait(HUNG_SECONDS)
    before = store.dataset("arn:d")
    seen.set()
    writer.join()
    after = store.dataset("arn:d")
    assert before and after
    assert (before.message, after.message) == ("", "new")
    store.close()


def test_a_transaction_that_fails_leaves_nothing_and_the_next_goes_on(tmp_path: Path) -> None:
    store = made(tmp_path / "s")
    with pytest.raises(ValueError, match="no"), store.transaction():
        store.entries.put("arn:d", [entry(1, "cat")])
        with store.transaction():
            store.put_tags("arn:p", {"a": "b"})
        raise ValueError("no")
    assert (store.entries.lines("arn:d"), store.tags("arn:p")) == ([], {})
    store.put_tags("arn:p", {"a": "b"})
    with pytest.raises(AlreadyThereError):
        store.add_project(PROJECT, tags={"c": "d"}, limit=100)
    with pytest.raises(TooManyError):
        store.add_project(PROJECT, tags={"c": "d"}, limit=1)
    with pytest.raises(InUseError):
        store.delete_project("arn:p")
    assert store.tags("arn:p") == {"a": "b"}
    store.close()


def test_a_name_is_given_once_however_many_ask(tmp_path: Path) -> None:
    store = made(tmp_path / "s")
    outcomes: list[str] = []

    def add(number: int) -> None:
        version = Version(
            f"arn:{number}", "arn:p", f"v{number % 4}", "TRAINING_IN_PROGRESS", "", time.time(), {}
        )
        try:
            store.add_version(version, tags={}, limit=100, busy_limit=3)
            outcomes.append("added")
        except (AlreadyThereError, TooManyError) as error:
            outcomes.append(type(error).__name__)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("added") == 3
    assert len(outcomes) == 16
    store.close()
