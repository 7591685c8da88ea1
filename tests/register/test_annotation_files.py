"""Manifests of any length: what they are made into, and what becomes of that."""

from __future__ import annotations

import json

import pytest

from lambdas.domain.register import conversion
from lambdas.domain.register.arrivals import Arrival, Outcome
from tests.fixtures.images import picture
from tests.fixtures.incoming import BUCKET, DataBucket
from tests.register.test_registration import boxes_line, labelled_line
from tests.shared.test_manifests import box

FOLDER = "incoming/annotations/set/"


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "PART_LINES", 3)


def made(data_bucket: DataBucket, under: str) -> list[Arrival]:
    """The parts that wait under a file's name; what their events would say."""
    arrivals = []
    for key in data_bucket.keys(under + ".parts/"):
        head = data_bucket.s3.head_object(Bucket=BUCKET, Key=key)
        data_bucket.sequence += 1
        version = head["VersionId"]
        arrivals.append(Arrival(BUCKET, key, version, head["ContentLength"], f"{data_bucket.sequence:016X}"))
    return arrivals


def upload_all(data_bucket: DataBucket, key: str, body: bytes) -> tuple[Outcome, list[Outcome]]:
    """Drop an annotation file and let its parts' events come."""
    outcome = data_bucket.upload(key, body)
    return outcome, [data_bucket.register(arrival) for arrival in made(data_bucket, key)]


def manifest(*lines: object) -> bytes:
    return "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines).encode()


def images(data_bucket: DataBucket, number: int, folder: str = FOLDER) -> list[str]:
    """Registered images, each with its own content: their hashes."""
    return [data_bucket.upload(f"{folder}{i}.jpg", picture(i + 1)).sha256 for i in range(number)]


# Manifests


def test_a_manifest_of_as_many_lines_as_a_part_is_registered_as_it_is(data_bucket: DataBucket) -> None:
    images(data_bucket, 3)
    lines = [labelled_line(f"{FOLDER}{i}.jpg", "cat") for i in range(3)]
    outcome = data_bucket.upload(f"{FOLDER}m.manifest", manifest(*lines))
    assert (outcome.kind, outcome.labels_changed, outcome.parts) == ("annotated", 3, 0)


def test_a_longer_manifest_is_made_into_parts_that_are_registered_for_themselves(
    data_bucket: DataBucket,
) -> None:
    hashes = images(data_bucket, 8)
    lines = [labelled_line(f"{FOLDER}{i}.jpg", f"label {i}") for i in range(8)]
    outcome, registered = upload_all(data_bucket, f"{FOLDER}m.manifest", b"\xef\xbb\xbf" + manifest(*lines))
    assert (outcome.kind, outcome.parts, outcome.broken_lines) == ("converted", 3, 0)
    assert [part.labels_changed for part in registered] == [3, 3, 2]
    assert [data_bucket.image(sha256).labels for sha256 in hashes] == [(f"label {i}",) for i in range(8)]
    assert f"annotations/{outcome.sha256}.manifest" in data_bucket.keys("annotations/")
    assert (data_bucket.keys("incoming/"), data_bucket.keys("rejected/")) == ([], [])


def test_a_broken_line_is_named_by_its_number_in_the_file_that_was_uploaded(data_bucket: DataBucket) -> None:
    images(data_bucket, 1)
    good = [labelled_line(f"{FOLDER}0.jpg", "cat")] * 4
    unfit = boxes_line(f"{FOLDER}0.jpg", box(0, 1, 1, 9, 9), size=(500, 500))
    outcome, registered = upload_all(data_bucket, f"{FOLDER}m.manifest", manifest(*good, "{", "", unfit))
    assert outcome.broken_lines == 1
    assert [line["line"] for line in data_bucket.reason("annotations/set/m.manifest")["lines"]] == [5]
    assert sum(part.broken_lines for part in registered) == 1
    [reason_key] = [key for key in data_bucket.keys("rejected/") if ".parts/" in key]
    document = json.loads(data_bucket.read(reason_key))
    assert document["file"] == f"{FOLDER}m.manifest"
    assert [(line["line"], line["reason"]) for line in document["lines"]] == [(7, "image_size_differs")]


def test_parts_of_an_older_file_that_come_late_do_not_beat_a_newer_file(data_bucket: DataBucket) -> None:
    [sha256] = images(data_bucket, 1)
    old = data_bucket.put(f"{FOLDER}old.manifest", manifest(*[labelled_line(f"{FOLDER}0.jpg", "old")] * 4))
    data_bucket.register(
        data_bucket.put(f"{FOLDER}new.manifest", manifest(labelled_line(f"{FOLDER}0.jpg", "new")))
    )
    data_bucket.register(old)
    late = [data_bucket.register(part) for part in made(data_bucket, old.key)]
    assert [part.labels_changed for part in late] == [0, 0]
    assert data_bucket.image(sha256).labels == ("new",)


def test_the_last_line_counts_whichever_part_comes_last(data_bucket: DataBucket) -> None:
    [sha256] = images(data_bucket, 1)
    lines = [labelled_line(f"{FOLDER}0.jpg", f"label {i}") for i in range(5)]
    data_bucket.upload(f"{FOLDER}m.manifest", manifest(*lines))
    for part in reversed(made(data_bucket, f"{FOLDER}m.manifest")):
        data_bucket.register(part)
    assert data_bucket.image(sha256).labels == ("label 4",)


def test_a_file_that_is_converted_twice_has_its_parts_once(
    data_bucket: DataBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [labelled_line(f"{FOLDER}{i}.jpg", "cat") for i in range(7)]
    arrival = data_bucket.put(f"{FOLDER}m.manifest", manifest(*lines))
    with monkeypatch.context() as crashing:
        crashing.setattr("lambdas.domain.register.arrivals.delete", lambda *_: None)
        data_bucket.register(arrival)
        first = set(data_bucket.keys(f"{FOLDER}m.manifest.parts/"))
        data_bucket.register(arrival)
    assert set(data_bucket.keys(f"{FOLDER}m.manifest.parts/")) == first
    assert len(first) == 3


def test_a_file_that_is_too_large_is_rejected_unread(
    data_bucket: DataBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "MAX_FILE_BYTES", 10)
    body = manifest(labelled_line("incoming/annotations/a.jpg", "cat"))
    assert data_bucket.upload(f"{FOLDER}m.manifest", body).reason == "file_too_large"
    assert "labelloop import" in data_bucket.reason("annotations/set/m.manifest")["detail"]
    assert data_bucket.read("rejected/annotations/set/m.manifest") == body


def test_a_file_of_the_most_that_is_taken_is_taken(
    data_bucket: DataBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = manifest(labelled_line("incoming/annotations/a.jpg", "cat"))
    monkeypatch.setattr(conversion, "MAX_FILE_BYTES", len(body))
    assert data_bucket.upload(f"{FOLDER}m.manifest", body).kind == "annotated"
    assert data_bucket.upload(f"{FOLDER}n.manifest", body + b"\n").reason == "file_too_large"
    detail = data_bucket.reason("annotations/set/n.manifest")["detail"]
    assert "split it" in detail and str(len(body)) in detail


def test_of_chained_labeling_jobs_the_last_adjustment_counts(data_bucket: DataBucket) -> None:
    [sha256] = images(data_bucket, 1)
    first = boxes_line(f"{FOLDER}0.jpg", box(0, 10, 12, 20, 22))
    name = next(name for name in first if f"{name}-metadata" in first)
    adjusted = first[name] | {"annotations": [first[name]["annotations"][0] | {"left": 15}]}
    metadata = first[f"{name}-metadata"] | {"adjustment-status": "adjusted"}
    line = first | {"adjusted": adjusted, "adjusted-metadata": metadata}
    assert data_bucket.upload(f"{FOLDER}m.manifest", manifest(line)).broken_lines == 0
    assert [each.left for each in data_bucket.image(sha256).boxes] == [15]
    failed = {"source-ref": first["source-ref"], "job-metadata": {"failure-reason": "nobody answered"}}
    assert data_bucket.upload(f"{FOLDER}n.manifest", manifest(failed)).broken_lines == 1
    assert "nobody answered" in data_bucket.reason("annotations/set/n.manifest")["lines"][0]["detail"]


def test_train_and_test_are_all_that_can_be_asked_for(data_bucket: DataBucket) -> None:
    images(data_bucket, 1)
    line = labelled_line(f"{FOLDER}0.jpg", "cat") | {"labelloop-split": "VALIDATION"}
    data_bucket.upload(f"{FOLDER}m.manifest", manifest(line))
    [line_problem] = data_bucket.reason("annotations/set/m.manifest")["lines"]
    assert (line_problem["reason"], "TRAIN or TEST" in line_problem["detail"]) == ("bad_split", True)
