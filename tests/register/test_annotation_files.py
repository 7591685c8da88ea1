"""Manifests of any length: what they are made into, and what becomes of that."""

from __future__ import annotations

import json

import pytest

from lambdas.domain.register import conversion
from lambdas.domain.register.arrivals import Arrival, Outcome
from tests.fixtures.images import picture
from tests.fixtures.incoming import BUCKET, Drop
from tests.register.test_registration import boxes_line, labelled_line
from tests.shared.test_manifests import box

FOLDER = "incoming/annotations/set/"


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "PART_LINES", 3)


def made(drop: Drop, under: str) -> list[Arrival]:
    """The parts that wait under a file's name; what their events would say."""
    arrivals = []
    for key in drop.keys(under + ".parts/"):
        head = drop.s3.head_object(Bucket=BUCKET, Key=key)
        drop.sequence += 1
        version = head["VersionId"]
        arrivals.append(Arrival(BUCKET, key, version, head["ContentLength"], f"{drop.sequence:016X}"))
    return arrivals


def drop_all(drop: Drop, key: str, body: bytes) -> tuple[Outcome, list[Outcome]]:
    """Drop an annotation file and let its parts' events come."""
    outcome = drop.drop(key, body)
    return outcome, [drop.register(arrival) for arrival in made(drop, key)]


def manifest(*lines: object) -> bytes:
    return "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines).encode()


def images(drop: Drop, number: int, folder: str = FOLDER) -> list[str]:
    """Registered images, each with its own content: their hashes."""
    return [drop.drop(f"{folder}{i}.jpg", picture(i + 1)).sha256 for i in range(number)]


# Manifests


def test_a_manifest_of_as_many_lines_as_a_part_is_registered_as_it_is(drop: Drop) -> None:
    images(drop, 3)
    lines = [labelled_line(f"{FOLDER}{i}.jpg", "cat") for i in range(3)]
    outcome = drop.drop(f"{FOLDER}m.manifest", manifest(*lines))
    assert (outcome.kind, outcome.labels_changed, outcome.parts) == ("annotated", 3, 0)


def test_a_longer_manifest_is_made_into_parts_that_are_registered_for_themselves(drop: Drop) -> None:
    hashes = images(drop, 8)
    lines = [labelled_line(f"{FOLDER}{i}.jpg", f"label {i}") for i in range(8)]
    outcome, registered = drop_all(drop, f"{FOLDER}m.manifest", b"\xef\xbb\xbf" + manifest(*lines))
    assert (outcome.kind, outcome.parts, outcome.broken_lines) == ("converted", 3, 0)
    assert [part.labels_changed for part in registered] == [3, 3, 2]
    assert [drop.image(sha256).labels for sha256 in hashes] == [(f"label {i}",) for i in range(8)]
    assert f"annotations/{outcome.sha256}.manifest" in drop.keys("annotations/")
    assert (drop.keys("incoming/"), drop.keys("rejected/")) == ([], [])


def test_a_broken_line_is_told_by_its_number_in_the_file_that_was_dropped(drop: Drop) -> None:
    images(drop, 1)
    good = [labelled_line(f"{FOLDER}0.jpg", "cat")] * 4
    unfit = boxes_line(f"{FOLDER}0.jpg", box(0, 1, 1, 9, 9), size=(500, 500))
    outcome, registered = drop_all(drop, f"{FOLDER}m.manifest", manifest(*good, "{", "", unfit))
    assert outcome.broken_lines == 1
    assert [line["line"] for line in drop.reason("annotations/set/m.manifest")["lines"]] == [5]
    assert sum(part.broken_lines for part in registered) == 1
    [told] = [key for key in drop.keys("rejected/") if ".parts/" in key]
    document = json.loads(drop.read(told))
    assert document["file"] == f"{FOLDER}m.manifest"
    assert [(line["line"], line["reason"]) for line in document["lines"]] == [(7, "image_size_differs")]


def test_parts_of_an_older_file_that_come_late_do_not_beat_a_newer_file(drop: Drop) -> None:
    [sha256] = images(drop, 1)
    old = drop.put(f"{FOLDER}old.manifest", manifest(*[labelled_line(f"{FOLDER}0.jpg", "old")] * 4))
    drop.register(drop.put(f"{FOLDER}new.manifest", manifest(labelled_line(f"{FOLDER}0.jpg", "new"))))
    drop.register(old)
    late = [drop.register(part) for part in made(drop, old.key)]
    assert [part.labels_changed for part in late] == [0, 0]
    assert drop.image(sha256).labels == ("new",)


def test_the_last_line_counts_whichever_part_comes_last(drop: Drop) -> None:
    [sha256] = images(drop, 1)
    lines = [labelled_line(f"{FOLDER}0.jpg", f"label {i}") for i in range(5)]
    drop.drop(f"{FOLDER}m.manifest", manifest(*lines))
    for part in reversed(made(drop, f"{FOLDER}m.manifest")):
        drop.register(part)
    assert drop.image(sha256).labels == ("label 4",)


def test_a_file_that_is_converted_twice_has_its_parts_once(
    drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [labelled_line(f"{FOLDER}{i}.jpg", "cat") for i in range(7)]
    arrival = drop.put(f"{FOLDER}m.manifest", manifest(*lines))
    with monkeypatch.context() as crashing:
        crashing.setattr("lambdas.domain.register.arrivals.delete", lambda *_: None)
        drop.register(arrival)
        first = set(drop.keys(f"{FOLDER}m.manifest.parts/"))
        drop.register(arrival)
    assert set(drop.keys(f"{FOLDER}m.manifest.parts/")) == first
    assert len(first) == 3


def test_a_file_that_is_too_large_is_rejected_unread(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "MAX_FILE_BYTES", 10)
    body = manifest(labelled_line("incoming/annotations/a.jpg", "cat"))
    assert drop.drop(f"{FOLDER}m.manifest", body).reason == "file_too_large"
    assert "labelloop import" in drop.reason("annotations/set/m.manifest")["detail"]
    assert drop.read("rejected/annotations/set/m.manifest") == body


def test_a_file_of_the_most_that_is_taken_is_taken(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    body = manifest(labelled_line("incoming/annotations/a.jpg", "cat"))
    monkeypatch.setattr(conversion, "MAX_FILE_BYTES", len(body))
    assert drop.drop(f"{FOLDER}m.manifest", body).kind == "annotated"
    assert drop.drop(f"{FOLDER}n.manifest", body + b"\n").reason == "file_too_large"
    detail = drop.reason("annotations/set/n.manifest")["detail"]
    assert "split it" in detail and str(len(body)) in detail


def test_the_side_that_the_data_asks_for_and_nothing_else(drop: Drop) -> None:
    images(drop, 1)
    line = labelled_line(f"{FOLDER}0.jpg", "cat") | {"labelloop-split": "VALIDATION"}
    drop.drop(f"{FOLDER}m.manifest", manifest(line))
    [told] = drop.reason("annotations/set/m.manifest")["lines"]
    assert (told["reason"], "TRAIN or TEST" in told["detail"]) == ("bad_split", True)
