from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue import snapshot_rows
from lambdas.domain.catalogue.errors import CatalogueError
from lambdas.domain.catalogue.images import CatalogueImage, Change
from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.manifests import entry_line, parse_line
from tests.fixtures.incoming import DataBucket

IMAGE = CatalogueImage(
    sha256="ab" * 32,
    key=f"images/{'ab' * 32}.jpg",
    width=80,
    height=70,
    format="JPEG",
    bytes=1000,
    registered_at="2026-01-01T00:00:00.000000Z",
)
LABELLED = replace(IMAGE, status="labelled", kind="classification", labels=("cat",), label_origin="folder")


def put(data_bucket: DataBucket, image: CatalogueImage) -> CatalogueImage:
    return catalogue_images.update_image(data_bucket.table, image.sha256, lambda _: image).after


def several(data_bucket: DataBucket, count: int) -> list[CatalogueImage]:
    return [
        put(data_bucket, replace(LABELLED, sha256=f"{number:064d}", key=f"images/{number:064d}.jpg"))
        for number in reversed(range(count))
    ]


@pytest.mark.parametrize(
    "image",
    [
        IMAGE,
        replace(LABELLED, sources=frozenset({"incoming/a", "incoming/b"}), folder_labels=frozenset({"cat"})),
        replace(LABELLED, kind="detection", labels=(), boxes=(Box("cat", 0, 1, 2, 3),), annotation_order="x"),
        replace(IMAGE, status="conflict", conflict_reason="why", folder_labels=frozenset({"a", "b"})),
    ],
)
def test_an_image_is_read_as_it_was_written(data_bucket: DataBucket, image: CatalogueImage) -> None:
    written = put(data_bucket, image)
    assert catalogue_images.get_image(data_bucket.table, image.sha256) == written
    assert replace(written, changed_at="", revision=0) == image


def test_nothing_is_written_where_nothing_changes(data_bucket: DataBucket) -> None:
    written = put(data_bucket, LABELLED)
    change = catalogue_images.update_image(data_bucket.table, LABELLED.sha256, lambda image: image or IMAGE)
    assert change == Change(written, written)
    assert not change.labels_changed


def test_a_slower_writer_starts_again_from_what_the_quicker_one_left(data_bucket: DataBucket) -> None:
    put(data_bucket, IMAGE)
    seen = []

    def slow(image: CatalogueImage | None) -> CatalogueImage:
        assert image is not None
        seen.append(image.revision)
        if len(seen) == 1:
            put(data_bucket, replace(image, sources=image.sources | {"quick"}))
        return replace(image, sources=image.sources | {"slow"})

    after = catalogue_images.update_image(data_bucket.table, IMAGE.sha256, slow).after
    assert (seen, set(after.sources)) == ([1, 2], {"quick", "slow"})


@pytest.mark.long
def test_a_writer_that_never_gets_its_turn_gives_up(data_bucket: DataBucket) -> None:
    def hopeless(image: CatalogueImage | None) -> CatalogueImage:
        current = catalogue_images.get_image(data_bucket.table, IMAGE.sha256) or IMAGE
        put(data_bucket, replace(current, bytes=current.bytes + 1))
        return replace(image or IMAGE, bytes=1)

    with pytest.raises(CatalogueError, match="too many"):
        catalogue_images.update_image(data_bucket.table, IMAGE.sha256, hopeless)


def test_the_rows_of_labelled_images_come_sorted(data_bucket: DataBucket) -> None:
    images = several(data_bucket, 5)
    put(data_bucket, replace(images[0], status="conflict", kind=None, labels=()))
    put(data_bucket, replace(images[1], status="excluded"))
    rows = list(snapshot_rows.labelled(data_bucket.table))
    assert [row.sha256 for row in rows] == sorted(image.sha256 for image in images[2:])


def test_a_row_says_what_the_image_says(data_bucket: DataBucket) -> None:
    boxes = (Box('h\u00fcnd "a"', 0, 1, 20, 30), Box("cat", 5, 5, 10, 10))
    image = put(
        data_bucket,
        replace(
            LABELLED,
            kind="detection",
            labels=(),
            boxes=boxes,
            requested_dataset_type="TEST",
            perceptual_hash="ab",
        ),
    )
    (row,) = snapshot_rows.labelled(data_bucket.table)
    assert row == image.row()
    assert (row.width, row.height, row.kind, row.labels) == (80, 70, "detection", image.label_names)
    assert (row.changed_at, row.perceptual_hash, row.requested_dataset_type) == (
        image.changed_at,
        "ab",
        "TEST",
    )
    assert (
        row.manifest_line("bucket-of-a-stack") == entry_line(image.manifest_entry("bucket-of-a-stack")) + "\n"
    )


@pytest.mark.parametrize(
    ("origin", "by", "labelled_by"),
    [
        ("person", "review by Ann, Ben", "Ann, Ben"),
        ("person", "ann (command line)", "ann (command line)"),
        ("annotation", "", ""),
        ("folder", "ann, who has restored it", ""),
    ],
)
def test_a_row_says_whose_the_labels_are(origin: Any, by: str, labelled_by: str) -> None:
    row = replace(LABELLED, label_origin=origin, changed_by=by).row()
    assert (row.label_origin, row.labelled_by) == (origin, labelled_by)
    assert snapshot_rows.decode(row.encode()) == row


def test_a_row_from_before_does_not_say_whose_the_labels_are() -> None:
    head, _, entry = LABELLED.row().encode().partition("\n")
    before = json.dumps(json.loads(head)[:9])
    assert snapshot_rows.decode(f"{before}\n{entry}") == replace(LABELLED.row(), label_origin="")


def test_changes_are_counted_to_a_limit(data_bucket: DataBucket) -> None:
    images = several(data_bucket, 5)
    assert catalogue_images.count_changed_since(data_bucket.table, "", 100) == 5
    assert catalogue_images.count_changed_since(data_bucket.table, "", 3) == 3
    assert catalogue_images.count_changed_since(data_bucket.table, images[1].changed_at, 100) == 3
    assert catalogue_images.newest_change(data_bucket.table, "labelled") == images[-1].changed_at
    assert catalogue_images.newest_change(data_bucket.table, "conflict") is None
    put(data_bucket, IMAGE)
    assert catalogue_images.count_by_status(data_bucket.table) == {
        "unlabelled": 1,
        "labelled": 5,
        "conflict": 0,
        "excluded": 0,
    }


def test_a_manifest_entry_says_what_the_catalogue_says() -> None:
    boxes = (Box("dog", 0, 1, 20, 30), Box("cat", 5, 5, 10, 10))
    detected = replace(
        LABELLED, kind="detection", labels=(), boxes=boxes, changed_at="2026-01-02T03:04:05.000006Z"
    )
    read = parse_line(entry_line(detected.manifest_entry("bucket")), 1)
    assert (read.source_key, read.boxes, read.image_size) == (IMAGE.key, boxes, (80, 70))
    read = parse_line(entry_line(LABELLED.manifest_entry("bucket")), 1)
    assert (read.kind, read.labels) == ("classification", ("cat",))
    with pytest.raises(CatalogueError, match="unlabelled"):
        IMAGE.manifest_entry("bucket")
