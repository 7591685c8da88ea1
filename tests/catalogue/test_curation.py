"""What people do to single images: find, exclude, restore, relabel."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from lambdas.domain.catalogue import curation, snapshot_rows
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.errors import CatalogueError
from lambdas.domain.catalogue.images import CatalogueImage
from lambdas.domain.catalogue.split_ledger import AssignedImage, Ledger
from lambdas.domain.register import registration
from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import Box
from tests.fixtures.images import picture
from tests.fixtures.incoming import DataBucket
from tests.register.test_registration import labelled_line

BOXES = (Box("cat", 1, 2, 30, 40), Box("dog", 5, 6, 30, 40))


def data(number: int) -> bytes:
    return picture(number)


def uploaded(data_bucket: DataBucket, key: str, number: int = 0) -> str:
    return data_bucket.upload(f"incoming/{key}", data(number)).sha256


def trained_on(data_bucket: DataBucket) -> set[str]:
    return {row.sha256 for row in snapshot_rows.labelled(data_bucket.table)}


# Excluding


@pytest.mark.long
def test_an_excluded_image_is_out_until_it_is_restored(data_bucket: DataBucket) -> None:
    sha256 = uploaded(data_bucket, "labeled/cat/a.jpg")
    cutoff = data_bucket.image(sha256).changed_at
    change = curation.exclude(data_bucket.table, sha256, "ann")
    image = data_bucket.image(sha256)
    assert change.labels_changed
    assert (image.status, image.labels, image.changed_by) == ("excluded", ("cat",), "ann")
    assert trained_on(data_bucket) == set()
    assert catalogue_images.count_changed_since(data_bucket.table, cutoff, 100) == 1, (
        "there is something to train anew"
    )
    assert curation.restore(data_bucket.table, sha256, "bob").labels_changed
    image = data_bucket.image(sha256)
    assert (image.status, image.labels, image.changed_by) == ("labelled", ("cat",), "bob")
    assert trained_on(data_bucket) == {sha256}


def test_changes_of_both_kinds_are_counted_to_a_limit(data_bucket: DataBucket) -> None:
    images = [uploaded(data_bucket, f"labeled/cat/{number}.jpg", number) for number in range(5)]
    for sha256 in images[:2]:
        curation.exclude(data_bucket.table, sha256, "ann")
    assert catalogue_images.count_changed_since(data_bucket.table, "", 100) == 5
    assert catalogue_images.count_changed_since(data_bucket.table, "", 4) == 4
    assert catalogue_images.count_changed_since(data_bucket.table, "", 3) == 3


@pytest.mark.parametrize("folder", ["unlabeled/a.jpg", "labeled/cat/a.jpg"])
def test_an_image_is_restored_as_what_it_was(data_bucket: DataBucket, folder: str) -> None:
    sha256 = uploaded(data_bucket, folder)
    before = data_bucket.image(sha256)
    curation.exclude(data_bucket.table, sha256, "ann")
    curation.restore(data_bucket.table, sha256, "ann")
    after = data_bucket.image(sha256)
    assert replace(after, changed_at=before.changed_at, changed_by="", revision=before.revision) == before


def test_a_conflict_is_restored_as_a_conflict(data_bucket: DataBucket) -> None:
    sha256 = uploaded(data_bucket, "labeled/cat/a.jpg")
    uploaded(data_bucket, "labeled/dog/a.jpg")
    curation.exclude(data_bucket.table, sha256, "ann")
    curation.restore(data_bucket.table, sha256, "ann")
    assert data_bucket.image(sha256).status == "conflict"


def test_nothing_is_written_where_nothing_changes(data_bucket: DataBucket) -> None:
    sha256 = uploaded(data_bucket, "labeled/cat/a.jpg")
    assert curation.restore(data_bucket.table, sha256, "ann").after.revision == 1
    curation.exclude(data_bucket.table, sha256, "ann")
    assert curation.exclude(data_bucket.table, sha256, "bob").after.changed_by == "ann"


@pytest.mark.parametrize("again", ["labeled/cat/again.jpg", "unlabeled/again.jpg", "labeled/dog/again.jpg"])
def test_an_upload_of_the_same_bytes_leaves_it_excluded(data_bucket: DataBucket, again: str) -> None:
    sha256 = uploaded(data_bucket, "labeled/cat/a.jpg")
    curation.exclude(data_bucket.table, sha256, "ann")
    uploaded(data_bucket, again)
    assert data_bucket.image(sha256).status == "excluded"
    assert trained_on(data_bucket) == set()
    curation.restore(data_bucket.table, sha256, "ann")
    assert data_bucket.image(sha256).status == ("conflict" if "dog" in again else "labelled")


def test_an_annotation_of_an_excluded_image_is_kept_for_its_restoration(data_bucket: DataBucket) -> None:
    key = "incoming/labeled/cat/a.jpg"
    sha256 = data_bucket.upload(key, data(0)).sha256
    curation.exclude(data_bucket.table, sha256, "ann")
    data_bucket.upload_manifest("m.manifest", labelled_line(key, "dog"))
    assert (data_bucket.image(sha256).status, data_bucket.image(sha256).labels) == ("excluded", ("dog",))
    curation.restore(data_bucket.table, sha256, "ann")
    assert data_bucket.image(sha256).status == "labelled"


# Relabelling


def test_relabelling_says_what_is_on_an_image(data_bucket: DataBucket) -> None:
    sha256 = uploaded(data_bucket, "labeled/cat/a.jpg")
    before = data_bucket.image(sha256)
    change = curation.relabel(data_bucket.table, sha256, "detection", (), BOXES, "ann")
    image = data_bucket.image(sha256)
    assert change.labels_changed
    assert image.changed_at > before.changed_at
    assert (image.status, image.kind, image.labels, image.boxes) == ("labelled", "detection", (), BOXES)
    assert (image.label_origin, image.changed_by) == ("person", "ann")
    (row,) = snapshot_rows.labelled(data_bucket.table)
    assert (row.kind, row.labels) == ("detection", ("cat", "dog"))


def test_relabelling_settles_a_conflict(data_bucket: DataBucket) -> None:
    sha256 = uploaded(data_bucket, "labeled/cat/a.jpg")
    uploaded(data_bucket, "labeled/dog/a.jpg")
    curation.relabel(data_bucket.table, sha256, "classification", ("dog", "cat", "dog"), (), "ann")
    image = data_bucket.image(sha256)
    assert (image.status, image.labels, image.conflict_reason) == ("labelled", ("cat", "dog"), "")
    uploaded(data_bucket, "labeled/cow/a.jpg")
    assert data_bucket.image(sha256).labels == ("cat", "dog"), "a person counts for more than a folder"


def test_a_later_annotation_counts_for_more(data_bucket: DataBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "incoming/annotations/a.jpg"
    sha256 = data_bucket.upload(key, data(0)).sha256
    with monkeypatch.context() as past:
        past.setattr(clock, "now", lambda: "2020-01-01T00:00:00.000000Z")
        curation.relabel(data_bucket.table, sha256, "classification", ("dog",), (), "ann")
    data_bucket.upload_manifest("later.manifest", labelled_line(key, "cat"))
    assert data_bucket.image(sha256).labels == ("cat",)


def test_an_earlier_annotation_that_is_delivered_again_counts_for_less(data_bucket: DataBucket) -> None:
    key = "incoming/annotations/a.jpg"
    sha256 = data_bucket.upload(key, data(0)).sha256
    manifest = data_bucket.put(
        "incoming/annotations/m.manifest", json.dumps(labelled_line(key, "cat")).encode()
    )
    registration.register_object(data_bucket.s3, data_bucket.table, manifest)
    assert data_bucket.image(sha256).labels == ("cat",)
    curation.relabel(data_bucket.table, sha256, "classification", ("dog",), (), "ann")
    assert data_bucket.register(manifest).labels_changed == 0
    assert data_bucket.image(sha256).labels == ("dog",)


def test_relabelling_with_nothing_takes_labels_away(data_bucket: DataBucket) -> None:
    sha256 = uploaded(data_bucket, "labeled/cat/a.jpg")
    curation.relabel(data_bucket.table, sha256, "detection", (), (), "ann")
    assert (data_bucket.image(sha256).status, data_bucket.image(sha256).kind) == ("unlabelled", None)


def test_an_excluded_image_is_relabelled_and_stays_excluded(data_bucket: DataBucket) -> None:
    sha256 = uploaded(data_bucket, "labeled/cat/a.jpg")
    curation.exclude(data_bucket.table, sha256, "ann")
    curation.relabel(data_bucket.table, sha256, "classification", ("dog",), (), "ann")
    assert (data_bucket.image(sha256).status, data_bucket.image(sha256).labels) == ("excluded", ("dog",))


@pytest.mark.parametrize(
    "change",
    [
        lambda table: curation.exclude(table, "ab" * 32, "ann"),
        lambda table: curation.restore(table, "ab" * 32, "ann"),
        lambda table: curation.relabel(table, "ab" * 32, "classification", ("cat",), (), "ann"),
    ],
)
def test_there_is_no_such_image(data_bucket: DataBucket, change: Any) -> None:
    with pytest.raises(CatalogueError, match=f"there is no image#{'ab' * 32}"):
        change(data_bucket.table)


# Finding


KEYS = ("labeled/cat/a.jpg", "labeled/cat/b.jpg", "labeled/dog/c.jpg", "unlabeled/d.jpg", "annotations/e.jpg")


@pytest.fixture
def images(data_bucket: DataBucket) -> dict[str, str]:
    """Letter of what was uploaded, by SHA-256. a is excluded, b tests and c teaches, e has a box."""
    letters = {uploaded(data_bucket, key, number): key[-5] for number, key in enumerate(KEYS)}
    a, b, c, _, e = letters
    curation.exclude(data_bucket.table, a, "ann")
    curation.relabel(data_bucket.table, e, "detection", (), BOXES[1:], "ann")
    for sha256, dataset_type in ((b, "TEST"), (c, "TRAIN")):
        new = AssignedImage(sha256, "TEST" if dataset_type == "TEST" else "TRAIN", "0" * 16)
        Ledger.read(data_bucket.table).assign(data_bucket.table, sha256[:2], [new])
    return letters


WANTED: list[tuple[dict[str, Any], str]] = [
    ({}, "abcde"),
    ({"label": "cat"}, "ab"),
    ({"label": "dog"}, "ce"),
    ({"label": "cow"}, ""),
    ({"status": "labelled"}, "bce"),
    ({"status": "unlabelled"}, "d"),
    ({"status": "excluded"}, "a"),
    ({"status": "conflict"}, ""),
    ({"status": "labelled", "label": "cat"}, "b"),
    ({"source": "incoming/labeled/cat/b.jpg"}, "b"),
    ({"source": "incoming/labeled/cat/b.jpg", "status": "unlabelled"}, ""),
    ({"source": "incoming/labeled/"}, "abc"),
    ({"source": "incoming/nowhere"}, ""),
    ({"dataset_type": "TEST"}, "b"),
    ({"dataset_type": "TRAIN"}, "c"),
    ({"dataset_type": "TRAIN", "label": "cat"}, ""),
]
"""What is looked for, and the letters of the images that it is."""


def test_finding(data_bucket: DataBucket, images: dict[str, str]) -> None:
    for wanted, letters in WANTED:
        matching = list(curation.find(data_bucket.table, **wanted))
        assert "".join(sorted(images[image.sha256] for image in matching)) == letters, wanted
        assert all(image == data_bucket.image(image.sha256) for image in matching)


def test_no_more_than_the_limit_are_found(data_bucket: DataBucket, images: dict[str, str]) -> None:
    assert len(list(curation.find(data_bucket.table, limit=2))) == 2
    assert len(list(curation.find(data_bucket.table, limit=9))) == len(images)


def test_an_image_that_a_key_was_before_is_not_what_it_is_now(data_bucket: DataBucket) -> None:
    old = uploaded(data_bucket, "unlabeled/a.jpg", 1)
    new = uploaded(data_bucket, "unlabeled/a.jpg", 2)
    matching = [image.sha256 for image in curation.find(data_bucket.table, source="incoming/unlabeled/a.jpg")]
    assert matching == [new]
    assert old != new


def test_more_images_than_one_batch(data_bucket: DataBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue_images, "MAX_BATCH", 2)
    names = {uploaded(data_bucket, f"unlabeled/{number}.jpg", number) for number in range(5)}
    matching: list[CatalogueImage] = list(curation.find(data_bucket.table))
    assert [image.sha256 for image in matching] == sorted(names)
