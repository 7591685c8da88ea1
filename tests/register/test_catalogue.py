from __future__ import annotations

from dataclasses import replace

import pytest

from lambdas.domain import catalogue
from lambdas.domain.catalogue import CatalogueError, CatalogueImage, Change
from lambdas.domain.manifests import Box, entry_line, parse_line
from tests.register.conftest import Drop

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


def put(drop: Drop, image: CatalogueImage) -> CatalogueImage:
    return catalogue.update_image(drop.table, image.sha256, lambda _: image).after


def several(drop: Drop, count: int) -> list[CatalogueImage]:
    return [put(drop, replace(LABELLED, sha256=f"{number:064d}")) for number in reversed(range(count))]


@pytest.mark.parametrize(
    "image",
    [
        IMAGE,
        replace(LABELLED, sources=frozenset({"incoming/a", "incoming/b"}), folder_labels=frozenset({"cat"})),
        replace(LABELLED, kind="detection", labels=(), boxes=(Box("cat", 0, 1, 2, 3),), annotation_order="x"),
        replace(IMAGE, status="conflict", conflict_reason="why", folder_labels=frozenset({"a", "b"})),
    ],
)
def test_an_image_is_read_as_it_was_written(drop: Drop, image: CatalogueImage) -> None:
    written = put(drop, image)
    assert catalogue.get_image(drop.table, image.sha256) == written
    assert replace(written, changed_at="", split="", revision=0) == image


def test_nothing_is_written_where_nothing_changes(drop: Drop) -> None:
    written = put(drop, LABELLED)
    change = catalogue.update_image(drop.table, LABELLED.sha256, lambda image: image or IMAGE)
    assert change == Change(written, written)
    assert not change.labels_changed


def test_a_slower_writer_starts_again_from_what_the_quicker_one_left(drop: Drop) -> None:
    put(drop, IMAGE)
    seen = []

    def slow(image: CatalogueImage | None) -> CatalogueImage:
        assert image is not None
        seen.append(image.revision)
        if len(seen) == 1:
            put(drop, replace(image, sources=image.sources | {"quick"}))
        return replace(image, sources=image.sources | {"slow"})

    after = catalogue.update_image(drop.table, IMAGE.sha256, slow).after
    assert (seen, set(after.sources)) == ([1, 2], {"quick", "slow"})


def test_a_writer_that_never_gets_its_turn_gives_up(drop: Drop) -> None:
    def hopeless(image: CatalogueImage | None) -> CatalogueImage:
        current = catalogue.get_image(drop.table, IMAGE.sha256) or IMAGE
        put(drop, replace(current, bytes=current.bytes + 1))
        return replace(image or IMAGE, bytes=1)

    with pytest.raises(CatalogueError, match="too many"):
        catalogue.update_image(drop.table, IMAGE.sha256, hopeless)


def test_a_split_is_for_ever(drop: Drop) -> None:
    image = put(drop, LABELLED)
    assert catalogue.assign_split(drop.table, image.id, "TEST") == "TEST"
    assert catalogue.assign_split(drop.table, image.id, "TRAIN") == "TEST"
    assigned = drop.image(image.sha256)
    assert (assigned.split, assigned.changed_at) == ("TEST", image.changed_at)
    put(drop, replace(assigned, status="conflict", kind=None, labels=()))
    assert list(catalogue.labelled_images(drop.table, "TEST")) == [], "a conflict does not train"
    again = put(
        drop, replace(drop.image(image.sha256), status="labelled", kind="classification", labels=("dog",))
    )
    assert again.split == "TEST"


def test_a_split_decided_meanwhile_is_not_written_over(drop: Drop) -> None:
    image = put(drop, LABELLED)

    def relabel(current: CatalogueImage | None) -> CatalogueImage:
        assert current is not None
        catalogue.assign_split(drop.table, image.id, "TRAIN")
        return replace(current, labels=("dog",))

    after = catalogue.update_image(drop.table, image.sha256, relabel).after
    assert (after.split, after.labels) == ("TRAIN", ("dog",))


@pytest.mark.parametrize("image", [None, IMAGE])
def test_only_a_labelled_image_is_assigned(drop: Drop, image: CatalogueImage | None) -> None:
    if image:
        put(drop, image)
    with pytest.raises(CatalogueError, match="never been labelled"):
        catalogue.assign_split(drop.table, IMAGE.id, "TRAIN")


def test_labelled_images_come_by_split_and_sorted(drop: Drop) -> None:
    images = several(drop, 5)
    catalogue.assign_split(drop.table, images[0].id, "TRAIN")
    assert [image.id for image in catalogue.labelled_images(drop.table, "TRAIN")] == [images[0].id]
    unassigned = [image.id for image in catalogue.labelled_images(drop.table, "UNASSIGNED")]
    assert unassigned == sorted(image.id for image in images[1:])


def test_changes_are_counted_to_a_limit(drop: Drop) -> None:
    images = several(drop, 5)
    assert catalogue.count_changed_since(drop.table, "", 100) == 5
    assert catalogue.count_changed_since(drop.table, "", 3) == 3
    assert catalogue.count_changed_since(drop.table, images[1].changed_at, 100) == 3
    assert catalogue.newest_change(drop.table, "labelled") == images[-1].changed_at
    assert catalogue.newest_change(drop.table, "conflict") is None
    put(drop, IMAGE)
    assert catalogue.count_by_status(drop.table) == {"unlabelled": 1, "labelled": 5, "conflict": 0}


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
