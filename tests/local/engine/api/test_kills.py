"""Work with datasets outlives the engine that was asked for it: a kill, and an end in good order."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local.engine.storage.entries import Entry
from tests.fixtures.engine import BUCKET, Bench, classified

ROOT = Path(__file__).resolve().parents[4]
LINES = [classified(f"{number}.png", "cat" if number % 2 else "dog") for number in range(10)]

ASKED = """
import json, os, signal, sys
from pathlib import Path
from tests.fixtures.engine import Bench, classified
from tests.local.engine.api.test_kills import ask

bench = Bench(Path(sys.argv[1]))
print(json.dumps(ask(bench)), flush=True)
if sys.argv[2] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
bench.close()
"""


def hold_work(bench: Bench) -> None:
    """Keep the threads that work with datasets busy until the engine ends."""

    def hold() -> None:
        bench.api._context.ended.wait()

    for _ in range(2):
        bench.api._context.begin(hold)


def ask(bench: Bench) -> dict[str, str]:
    """Ask for every kind of work with datasets, while none is done; the datasets that are then busy."""
    project = bench.project()
    train, test = bench.dataset(project, "TRAIN", LINES), bench.dataset(project, "TEST", [])
    updated = bench.dataset(bench.project("updated"), "TRAIN", LINES)
    hold_work(bench)
    bench.update(updated, classified("0.png", "fox"), classified("new.png", "fox"), ends="UPDATE_IN_PROGRESS")
    bench.call("DistributeDatasetEntries", Datasets=[{"Arn": train}, {"Arn": test}])
    bench.objects.held[BUCKET, "m"] = "\n".join(LINES).encode()
    sources = {
        "created": {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": "m"}}},
        "copied": {"DatasetArn": updated},
    }
    created = {
        name: bench.call(
            "CreateDataset", ProjectArn=bench.project(name), DatasetType="TRAIN", DatasetSource=source
        )["DatasetArn"]
        for name, source in sources.items()
    }
    return {"train": train, "test": test, "updated": updated, **created}


@pytest.mark.long
@pytest.mark.parametrize("how", ["kill", "close"])
def test_what_was_answered_is_done_by_the_next_engine(tmp_path: Path, how: str) -> None:
    command = [sys.executable, "-c", ASKED, str(tmp_path), how]
    ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == (-signal.SIGKILL if how == "kill" else 0)
    arns = json.loads(ended.stdout)
    (tmp_path / "work" / "of nothing that was answered").write_bytes(b"{}")
    bench = Bench(tmp_path)
    bench.api.recover()
    for name, arn in arns.items():
        status = "CREATE_COMPLETE" if name in ("created", "copied") else "UPDATE_COMPLETE"
        bench.until_dataset(arn, status)
    held = {name: bench.store.entries.lines(arn) for name, arn in arns.items()}
    assert held["updated"] == [classified("0.png", "fox"), *LINES[1:], classified("new.png", "fox")]
    assert held["created"] == LINES
    assert sorted([*held["train"], *held["test"]]) == sorted(LINES)
    assert len(held["test"]) == 2
    assert bench.store.work() == []
    assert list((tmp_path / "work").iterdir()) == []
    bench.close()


def test_a_dataset_of_which_a_part_was_there_is_filled_from_the_beginning(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    hold_work(bench)
    bench.objects.held[BUCKET, "m"] = "\n".join(LINES).encode()
    source = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": "m"}}}
    arn = bench.call("CreateDataset", ProjectArn=bench.project(), DatasetType="TRAIN", DatasetSource=source)[
        "DatasetArn"
    ]
    bench.close()
    bench = Bench(tmp_path)
    half = [Entry(f"s3://{BUCKET}/{number}.png", LINES[number], ("cat",), (), 0) for number in range(5)]
    bench.store.entries.append(arn, half)
    bench.api.recover()
    bench.until_dataset(arn, "CREATE_COMPLETE")
    assert bench.store.entries.lines(arn) == LINES
    bench.close()


def test_a_request_that_is_refused_leaves_no_work(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    arn = bench.dataset(bench.project(), "TRAIN", LINES)
    bench.store.move_dataset(arn, "UPDATE_IN_PROGRESS", message="", code="SUCCESS")
    with pytest.raises(Exception, match="wait for its end"):
        bench.update(arn, classified("new.png", "fox"))
    assert bench.store.work() == []
    assert list((tmp_path / "work").iterdir()) == []
    bench.close()
