"""Pages of images, found by what an index knows and by what none does."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from lambdas.domain.catalogue import browsing, curation, label_entries, split_ledger
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.browsing import BadCursorError, Wanted
from lambdas.domain.catalogue.errors import CatalogueError
from lambdas.domain.catalogue.images import CatalogueImage
from lambdas.domain.catalogue.split_ledger import AssignedImage, Ledger
from lambdas.domain.shared.annotation import Box
from tests.fixtures.incoming import DataBucket


def sha(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def put(data_bucket: DataBucket, number: int, *labels: str, **members: Any) -> str:
    sha256 = sha(number)
    image = CatalogueImage(
        sha256=sha256,
        key=f"images/{sha256}.jpg",
        width=100,
        height=80,
        format="JPEG",
        bytes=1000,
        registered_at="2026-01-01T00:00:00.000000Z",
        perceptual_hash=f"{number:016x}",
        sources=frozenset({f"incoming/unlabeled/day-1/photo {number}.jpg"}),
    )
    if labels:
        boxes = tuple(Box(label, 1, 2, 30, 40) for label in labels)
        image = replace(image, status="labelled", kind="detection", boxes=boxes, label_origin="person")
    image = replace(image, **members)
    catalogue_images.update_image(data_bucket.table, sha256, lambda _: image)
    return sha256


def assign(data_bucket: DataBucket, types: dict[str, Any]) -> None:
    ledger = Ledger.read(data_bucket.table)
    for sha256, (dataset_type, perceptual_hash) in types.items():
        new = [AssignedImage(sha256, dataset_type, perceptual_hash)]
        ledger.assign(data_bucket.table, sha256[:2], new)


def all_of(data_bucket: DataBucket, wanted: Wanted, limit: int = 2) -> list[str]:
    """Every image that is wanted, gone through page by page."""
    hashes, cursor = list[str](), ""
    for _ in range(400):
        page = browsing.page(data_bucket.table, wanted, cursor, limit)
        assert len(page.images) <= limit
        hashes += [image.sha256 for image in page.images]
        cursor = page.cursor
        if not cursor:
            return hashes
    raise AssertionError("the pages do not end")


def test_all_images_come_once_the_last_changed_first(data_bucket: DataBucket) -> None:
    first = [put(data_bucket, 1), put(data_bucket, 2, "cat"), put(data_bucket, 3, status="excluded")]
    assert all_of(data_bucket, Wanted()) == first[::-1]
    curation.exclude(data_bucket.table, first[0], "ann")
    assert all_of(data_bucket, Wanted()) == [first[0], first[2], first[1]]
    assert all_of(data_bucket, Wanted(status="excluded"), 1) == [first[0], first[2]]
    assert browsing.count(data_bucket.table, Wanted()) == 3
    assert browsing.count(data_bucket.table, Wanted(status="labelled")) == 1
    assert browsing.count(data_bucket.table, Wanted(size="small")) is None


def test_images_of_a_label_are_found_without_reading_others(
    data_bucket: DataBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    cats = [put(data_bucket, 1, "cat"), put(data_bucket, 2, "cat", "dog")]
    dog = put(data_bucket, 3, "dog")
    read: list[str] = []
    original = catalogue_images.get_images

    def get_images(table: Any, ids: Sequence[str]) -> list[CatalogueImage]:
        read.extend(ids)
        return original(table, ids)

    monkeypatch.setattr(catalogue_images, "get_images", get_images)
    assert all_of(data_bucket, Wanted(label="cat"), 10) == cats[::-1]
    assert catalogue_images.image_id(dog) not in read
    assert browsing.count(data_bucket.table, Wanted(label="dog")) == 2
    assert all_of(data_bucket, Wanted(label="nothing has it")) == []


def test_a_label_that_is_taken_away_finds_its_image_no_more(data_bucket: DataBucket) -> None:
    image = put(data_bucket, 1, "cat", "dog")
    curation.relabel(data_bucket.table, image, "detection", (), (Box("dog", 1, 1, 9, 9),), "ann")
    assert all_of(data_bucket, Wanted(label="cat")) == []
    assert all_of(data_bucket, Wanted(label="dog")) == [image]
    assert browsing.count(data_bucket.table, Wanted(label="cat")) == 0, "nor is its entry left"


def test_an_entry_that_a_crash_left_behind_finds_nothing(data_bucket: DataBucket) -> None:
    image = put(data_bucket, 1, "dog")
    label_entries.put(data_bucket.table, image, ["cat"], "2026-01-01T00:00:00.000000Z", 2)
    assert all_of(data_bucket, Wanted(label="cat")) == []


def test_who_takes_a_label_away_leaves_the_entry_of_who_has_set_it_since(data_bucket: DataBucket) -> None:
    image = put(data_bucket, 1, "cat")
    label_entries.put(data_bucket.table, image, ["cat"], "2026-01-02T00:00:00.000000Z", 7)
    label_entries.delete(data_bucket.table, image, ["cat"], 6)
    assert all_of(data_bucket, Wanted(label="cat")) == [image]
    label_entries.put(data_bucket.table, image, ["cat"], "2026-01-01T00:00:00.000000Z", 5)
    label_entries.delete(data_bucket.table, image, ["cat"], 6)
    assert all_of(data_bucket, Wanted(label="cat")) == [image], "nor does who was slower undo that"


def test_a_dataset_is_found_by_the_ledger_alone_and_with_the_rest(data_bucket: DataBucket) -> None:
    images = [put(data_bucket, number, "cat" if number % 2 else "dog") for number in range(12)]
    excluded = put(data_bucket, 20, "cat", status="excluded")
    types = {sha256: ("TEST" if place % 3 == 0 else "TRAIN", "0" * 16) for place, sha256 in enumerate(images)}
    assign(data_bucket, types | {excluded: ("TEST", "0" * 16)})
    tested = images[::3]
    assert all_of(data_bucket, Wanted(dataset_type="TEST")) == sorted([*tested, excluded])
    cats = sorted(each for each in (*tested, excluded) if each == excluded or images.index(each) % 2)
    assert all_of(data_bucket, Wanted(dataset_type="TEST", label="cat")) == cats
    assert all_of(data_bucket, Wanted(dataset_type="TEST", status="excluded")) == [excluded]
    assert all_of(data_bucket, Wanted(dataset_type="TRAIN", status="labelled")) == sorted(
        set(images) - set(tested)
    )


def test_near_duplicates_are_found_by_the_bits_of_their_hashes(data_bucket: DataBucket) -> None:
    one, near, far, unknown = (put(data_bucket, number, "cat") for number in (0x0F, 0xFF, 0x1FF, 0x0E))
    hashes = {one: 0x0F, near: 0xFF, far: 0x1FF}
    assign(data_bucket, {sha256: ("TRAIN", f"{hash:016x}") for sha256, hash in hashes.items()})
    assert all_of(data_bucket, Wanted(near=one)) == sorted([one, near])
    assert unknown not in all_of(data_bucket, Wanted(near=one)), "it was in no snapshot yet"
    assert all_of(data_bucket, Wanted(near=unknown)) == [one]
    with pytest.raises(CatalogueError, match="there is no image#"):
        browsing.page(data_bucket.table, Wanted(near="f" * 64))


def test_a_search_that_no_index_answers_is_bounded_and_goes_on(
    data_bucket: DataBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [put(data_bucket, number) for number in range(9)]
    monkeypatch.setattr(browsing, "MAX_READ", 3)
    monkeypatch.setattr(catalogue_images, "MAX_BATCH", 3)
    wanted = Wanted(text="PHOTO 1.")
    first = browsing.page(data_bucket.table, wanted)
    assert (first.images, first.read) == ((), 3)
    assert first.cursor
    assert all_of(data_bucket, wanted) == [images[1]]


def test_whole_keys_and_hashes_are_looked_up(data_bucket: DataBucket) -> None:
    image = put(data_bucket, 1, "cat", width=2000)
    assert all_of(data_bucket, Wanted(text=image.upper())) == [image]
    assert all_of(data_bucket, Wanted(text=image, label="dog")) == []
    assert all_of(data_bucket, Wanted(text="f" * 64)) == []


def test_size_and_what_set_the_labels_are_compared(data_bucket: DataBucket) -> None:
    large = put(data_bucket, 1, "cat", width=2000)
    put(data_bucket, 2, "cat", label_origin="folder")
    assert all_of(data_bucket, Wanted(size="large")) == [large]
    assert all_of(data_bucket, Wanted(set_by="person", label="cat")) == [large]
    changed = catalogue_images.get_image(data_bucket.table, large)
    assert changed
    assert all_of(data_bucket, Wanted(before=changed.changed_at)) == []


@pytest.mark.parametrize(
    "cursor", ["x", "bnVsbA==", "e30", "W10=", "eyJwZW5kaW5nIjpbIjIwMjYtMDEtMDFUMDA6MDA6MDBaIiwieCJdfQ=="]
)
@pytest.mark.parametrize("wanted", [Wanted(label="cat"), Wanted(dataset_type="TEST")])
def test_a_cursor_that_no_page_gave_is_refused(data_bucket: DataBucket, cursor: str, wanted: Wanted) -> None:
    if cursor == "e30" and not wanted.by_hash:
        return
    with pytest.raises(BadCursorError):
        browsing.page(data_bucket.table, wanted, cursor)


def test_the_ledger_is_read_in_parts(data_bucket: DataBucket) -> None:
    image = put(data_bucket, 1, "cat")
    assign(data_bucket, {image: ("TEST", "0" * 16)})
    other = next(bucket for bucket in split_ledger.BUCKETS if bucket != image[:2])
    assert Ledger.read(data_bucket.table, [image[:2]]).dataset_type_of(image) == "TEST"
    assert Ledger.read(data_bucket.table, [other]).dataset_type_of(image) is None
