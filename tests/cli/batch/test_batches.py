from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.s3.models import s3_backends

from cli.batch import sending
from lambdas.domain.batch import control, files, results
from lambdas.domain.batch.files import ResultLine
from lambdas.domain.shared.records import Batch, Serving
from tests.fixtures.cli import EXECUTION, V1, Cli

DATA = "parts-data"


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Journals lie in a folder of the test, and nothing waits."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("cli.batch.showing.POLL_SECONDS", 0.0)


@pytest.fixture
def cameras(history: Cli) -> Iterator[Cli]:
    """A deployment whose champion sleeps, and another bucket with three images that it may read."""
    history.s3.create_bucket(Bucket="cameras")
    history.fake.versions[V1] = {"Status": "STOPPED"}
    for number in range(3):
        history.s3.put_object(Bucket="cameras", Key=f"night/{number}.jpg", Body=b"1")
    yield history
    s3_backends["123456789012"]["aws"].reset()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "My Photos"
    for name in ("a.jpg", "b/c.png", "b/d.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def lines_of(cli: Cli, name: str) -> list[dict[str, Any]]:
    pages = cli.s3.list_objects_v2(Bucket=DATA, Prefix=files.input_prefix(name))
    bodies = [cli.s3.get_object(Bucket=DATA, Key=entry["Key"])["Body"].read() for entry in pages["Contents"]]
    return [json.loads(line) for body in bodies for line in body.splitlines()]


def begin(cli: Cli, **members: Any) -> None:
    """Write the record of a batch, as its state machine does."""
    record = {"id": "night", "state": "running", "version": V1, "total": 3, "execution_arn": "one"} | members
    put: Any = cli.loop_state._table
    put.put_item(Item={"kind": "BATCH", **record})


def write_results(cli: Cli) -> None:
    box = {"left": 0.1, "top": 0.2, "width": 0.5, "height": 0.25}
    bolt = {"label": "bolt", "confidence": 91.0, "box": box}
    lines = [
        ResultLine("0", "cameras", "night/0.jpg", "detected", (bolt, bolt), 200, 100),
        ResultLine("1", "cameras", "night/1.jpg", "detected", (), 200, 100),
        ResultLine("2", "cameras", "night/2.jpg", "failed", error="NoSuchKey", reason="it was deleted"),
    ]
    results.write_shard(cli.s3, DATA, "night", files.input_key("night", 0), lines)


# create


def test_a_batch_of_a_prefix_is_counted_priced_and_started(cameras: Cli) -> None:
    result = cameras("batch", "create", "s3://cameras/night/", "--units", "2", "--yes")
    assert result.exit_code == 0, result.output
    assert "night: 3 images" in result.output
    assert "in all, USD" in result.output
    assert "not measured here yet" in result.output
    assert [line["key"] for line in lines_of(cameras, "night")] == [f"night/{n}.jpg" for n in range(3)]
    (started,) = cameras.fake.started
    assert started["machine"].endswith(":parts-batch")
    order = started["input"]
    assert (order["batch"], order["source"], order["kind"]) == ("night", "s3://cameras/night/", "prefix")
    assert (order["total"], order["units"], order["version"]) == (3, 2, "")


def test_the_estimate_goes_by_what_was_measured(cameras: Cli) -> None:
    cameras.loop_state.change_serving(lambda _: Serving(unit_rate=4.0, start_seconds=(600.0,)))
    document = cameras.json("batch", "create", "s3://cameras/night/", "--yes")
    made = document["estimate"]
    assert (made["unit_rate"], made["is_measured"], made["start_seconds"]) == (4.0, True, 600.0)
    assert [option["units"] for option in made["options"]] == [1, 2, 3, 4, 5]
    assert made["options"][0]["seconds"] == pytest.approx(600.8)
    assert document["execution"].startswith(EXECUTION.format(name="batch", id="night-"))


def test_a_version_that_runs_keeps_its_units(cameras: Cli) -> None:
    cameras.fake.versions[V1] = {"Status": "RUNNING", "MinInferenceUnits": 2}
    document = cameras.json("batch", "create", "s3://cameras/night/", "--units", "4", "--dry-run")
    assert [option["units"] for option in document["estimate"]["options"]] == [2]
    assert "keeps them" in document["warnings"][0]
    assert not cameras.fake.started


def test_a_folder_is_sent_once_however_often_it_is_interrupted(
    cameras: Cli, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "THREADS", 1)
    sent: list[str] = []
    real = cameras.s3.put_object

    def put(**given: Any) -> Any:
        if "images/" in given["Key"]:
            if len(sent) == 2:
                raise ClientError({"Error": {"Code": "SlowDown"}}, "PutObject")
            sent.append(given["Key"])
        return real(**given)

    monkeypatch.setattr(cameras.s3, "put_object", put)
    monkeypatch.setattr("cli.batch.create.s3_client", lambda config: cameras.s3)
    result = cameras("batch", "create", str(photos), "--yes")
    assert result.exit_code == 1
    assert "go on with the same options: labelloop --name parts batch create" in result.output
    assert not cameras.fake.started

    first = sent.copy()
    sent.clear()
    assert cameras("batch", "create", str(photos), "--yes").exit_code == 0
    assert len(first) == 2
    assert sorted([*first, *sent]) == [
        f"batches/my-photos/images/{n}" for n in ("a.jpg", "b/c.png", "b/d.jpg")
    ]
    assert [line["key"] for line in lines_of(cameras, "my-photos")] == sorted([*first, *sent])
    assert cameras.fake.started[0]["input"]["total"] == 3


def test_an_image_that_was_changed_or_deleted_since_is_sent_again(
    cameras: Cli, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cameras("batch", "create", str(photos), "--yes").exit_code == 0
    (photos / "a.jpg").write_bytes(b"another")
    cameras.s3.delete_object(Bucket=DATA, Key="batches/my-photos/images/b/c.png")
    assert cameras("batch", "create", str(photos), "--yes").exit_code == 0
    for name, body in (("a.jpg", b"another"), ("b/c.png", b"b/c.png")):
        answer = cameras.s3.get_object(Bucket=DATA, Key=f"batches/my-photos/images/{name}")
        assert answer["Body"].read() == body
    versions = cameras.s3.list_object_versions(Bucket=DATA, Prefix="batches/my-photos/images/b/d")
    assert len(versions["Versions"]) == 1


def test_parts_of_an_earlier_try_are_deleted(cameras: Cli) -> None:
    cameras.s3.put_object(Bucket=DATA, Key=files.input_key("night", 7), Body=b"old")
    assert cameras("batch", "create", "s3://cameras/night/", "--yes").exit_code == 0
    assert len(lines_of(cameras, "night")) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["s3://cameras/day/"], "there is no image in s3://cameras/day/"),
        (
            ["s3://secret/day/"],
            "may not read the bucket secret: allow it with .*batch_buckets=cameras,secret",
        ),
        (["s3://cameras/night/", "--batch-name", "A b"], "cannot name a batch.*--batch-name"),
        (["s3://cameras/night/", "--model-version", "v9"], "there is no model version v9"),
        (["s3://cameras/night/"], "Nobody could be asked, so nothing was started: give --yes"),
    ],
)
def test_what_cannot_be_created_says_what_helps(cameras: Cli, arguments: list[str], words: str) -> None:
    cameras.s3.put_object(Bucket="cameras", Key="day/notes.txt", Body=b"1")
    result = cameras("batch", "create", *arguments)
    assert result.exit_code in (1, 2)
    assert re.search(words, result.output), result.output
    assert not cameras.fake.started
    assert "Contents" not in cameras.s3.list_objects_v2(Bucket=DATA, Prefix="batches/")


def test_coco_is_refused_where_the_function_could_not_write_it(
    cameras: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambdas.domain.batch.coco.MAX_IMAGES", 2)
    result = cameras("batch", "create", "s3://cameras/night/", "--coco", "--yes")
    assert result.exit_code == 2
    assert "--coco is for up to 2 images, not 3" in result.output


def test_only_other_objects_are_named(cameras: Cli) -> None:
    cameras.s3.put_object(Bucket="cameras", Key="day/notes.txt", Body=b"1")
    assert "only 1 .txt" in cameras("batch", "create", "s3://cameras/day/").output


def test_a_list_over_a_bucket_that_may_not_be_read_is_refused(cameras: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("s3://cameras/night/0.jpg\ns3://other/x.jpg\n")
    result = cameras("batch", "create", str(tmp_path / "a.csv"), "--yes")
    assert result.exit_code == 1
    assert "may not read the bucket other" in result.output


def test_bad_lines_are_refused_or_left_out(cameras: Cli, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("s3://cameras/night/0.jpg\nhttp://x\nhttps://y\n")
    refused = cameras("batch", "create", str(tmp_path / "list.csv"), "--yes")
    assert refused.exit_code == 2
    assert "2 entries of" in refused.output
    assert "line 2: 'http://x' is neither a key nor an address" in refused.output
    document = cameras.json("batch", "create", str(tmp_path / "list.csv"), "--yes", "--skip-bad-lines")
    assert (document["images"], document["bad_entries"]) == (1, 2)


def test_a_name_that_is_taken_is_refused(cameras: Cli, photos: Path) -> None:
    assert cameras("batch", "create", "s3://cameras/night/", "--yes").exit_code == 0
    other = cameras("batch", "create", str(photos), "--batch-name", "night", "--yes")
    assert other.exit_code == 2
    assert "the name night was taken at" in other.output
    begin(cameras)
    again = cameras("batch", "create", "s3://cameras/night/", "--yes")
    assert again.exit_code == 2
    assert "there is a batch night already (running)" in again.output


def test_without_a_champion_no_batch_is_created(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x.jpg\n")
    assert "no model version has been promoted yet" in cli("batch", "create", str(tmp_path / "a.csv")).output


# list, show, cancel, resume


def test_batches_are_listed_and_shown(cameras: Cli) -> None:
    assert "No batch yet" in cameras("batch", "list").output
    begin(cameras, answered=1, failed=1, waits_for="", source="s3://cameras/night/")
    assert "s3://cameras/night/" in cameras("batch", "list").output
    assert cameras.json("batch", "list")[0]["share"] == 0.3333
    shown = cameras("batch", "show", "night")
    assert "1 of 3 images have an answer (33 %), 1 of them failed" in shown.output
    assert "there is no batch day" in cameras("batch", "show", "day").output


def test_a_batch_that_waits_says_for_what(cameras: Cli) -> None:
    begin(cameras, state="waking", waits_for="a free model slot")
    assert "waking: waits for a free model slot" in cameras("batch", "show", "night").output


def test_a_batch_is_cancelled_once(cameras: Cli) -> None:
    begin(cameras)
    assert cameras("batch", "cancel", "night").exit_code == 0
    assert cameras.fake.stopped[0]["executionArn"] == "one"
    begin(cameras, state="cancelled", ended_at="2026-11-28T10:00:00.000000Z")
    again = cameras("batch", "cancel", "night")
    assert again.exit_code == 1
    assert "has ended at 2026-11-28 10:00 UTC: cancelled; there is nothing to cancel" in again.output


def test_a_batch_is_resumed_unless_it_is_done(cameras: Cli) -> None:
    assert cameras("batch", "create", "s3://cameras/night/", "--yes").exit_code == 0
    begin(cameras, state="failed")
    assert cameras("batch", "resume", "night", "--units", "3").exit_code == 0
    order = cameras.fake.started[1]["input"]
    assert (order["batch"], order["total"], order["units"], order["version"]) == ("night", 3, 3, V1)
    begin(cameras, state="done")
    assert "night is done" in cameras("batch", "resume", "night").output
    assert "there is no batch day" in cameras("batch", "resume", "day").output
    assert len(cameras.fake.started) == 2


def test_an_order_without_its_images_is_not_resumed(cameras: Cli) -> None:
    control.claim(cameras.s3, DATA, control.Order("day", "photos", "rita"))
    assert "were never all sent" in cameras("batch", "resume", "day").output
    assert "are not all sent" in cameras("batch", "show", "day").output


def test_a_batch_is_followed_to_its_end(cameras: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [
        Batch("night", state="waking", version=V1, total=3, waits_for="v1 to start"),
        Batch("night", state="running", version=V1, total=3, answered=1),
        Batch("night", state="running", version=V1, total=3, answered=3),
        Batch("night", state="done", version=V1, total=3, answered=3),
    ]
    monkeypatch.setattr(
        "lambdas.domain.shared.state.LoopState.batch",
        lambda self, name: looks.pop(0) if len(looks) > 1 else looks[0],
    )
    result = cameras("batch", "show", "night", "--wait")
    assert result.exit_code == 0
    assert "night waits for v1 to start" in result.output
    assert "3 of 3 images have an answer (100 %)" in result.output


def test_an_execution_that_was_refused_is_said_so(cameras: Cli) -> None:
    cameras.fake.executions["any"] = [{"status": "FAILED", "cause": "its input is not complete"}]
    result = cameras("batch", "create", "s3://cameras/night/", "--yes", "--wait")
    assert result.exit_code == 1
    assert "batch night was not begun: its input is not complete" in result.output


# results


def test_results_are_summed_up_and_fetched(cameras: Cli, tmp_path: Path) -> None:
    begin(cameras, state="done", answered=3)
    write_results(cameras)
    result = cameras("batch", "results", "night")
    assert "2 images looked at, 1 of them without objects; 1 failed" in result.output
    assert "NoSuchKey: 1 image, such as s3://cameras/night/2.jpg: it was deleted" in result.output
    assert "The results are under s3://parts-data/batches/night/results/" in result.output

    document = cameras.json("batch", "results", "night", "--to", str(tmp_path))
    assert document["files"] == [str(tmp_path / "night.jsonl")]
    assert [json.loads(line)["id"] for line in (tmp_path / "night.jsonl").open()] == ["0", "1", "2"]


def test_results_as_a_table_have_a_row_for_each_object(cameras: Cli, tmp_path: Path) -> None:
    begin(cameras, state="running", answered=3)
    write_results(cameras)
    result = cameras("batch", "results", "night", "--to", str(tmp_path), "--format", "csv")
    assert "night goes on: this is what there is by now" in result.output
    with (tmp_path / "night.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["key"], row["label"], row["box_width_pixels"], row["error"]) for row in rows] == [
        ("night/0.jpg", "bolt", "100", ""),
        ("night/0.jpg", "bolt", "100", ""),
        ("night/1.jpg", "", "", ""),
        ("night/2.jpg", "", "", "NoSuchKey"),
    ]


def test_results_in_coco_have_the_labels_of_the_version(cameras: Cli, tmp_path: Path) -> None:
    begin(cameras, state="done", answered=3)
    write_results(cameras)
    assert cameras("batch", "results", "night", "--to", str(tmp_path), "--format", "coco").exit_code == 0
    images = json.loads((tmp_path / "images.json").read_text())
    assert [category["name"] for category in images["categories"]] == ["bolt", "nut"]
    assert len(json.loads((tmp_path / "results.json").read_text())) == 2


def test_results_that_cannot_be_written_leave_nothing_half_done(cameras: Cli, tmp_path: Path) -> None:
    begin(cameras, state="done", answered=3)
    write_results(cameras)
    (tmp_path / "file").write_text("")
    result = cameras("batch", "results", "night", "--to", str(tmp_path / "file"))
    assert result.exit_code == 1
    assert "cannot be written to" in result.output
