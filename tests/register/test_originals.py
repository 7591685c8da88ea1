"""Images that are too large to be trained with: kept whole, and trained with in tiles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lambdas.domain.catalogue import curation
from lambdas.domain.catalogue.errors import CatalogueError
from lambdas.domain.catalogue.images import CatalogueImage
from lambdas.domain.images import files as image_files
from lambdas.domain.register import originals
from lambdas.domain.shared.annotation import Box
from lambdas.domain.snapshot import near_duplicates
from tests.fixtures.coloured_objects import scene
from tests.fixtures.images import bomb_png, encoded, picture
from tests.fixtures.incoming import BUCKET, DataBucket

KEY = "incoming/annotations/large.png"
SEAM = Box("bolt", 980, 100, 50, 40)
FAR = Box("nut", 4000, 30, 60, 50)


def large(*boxes: Box) -> bytes:
    return encoded(scene(4200, 300, list(boxes)), "PNG")


def line(*boxes: Box, key: str = KEY) -> dict[str, Any]:
    labels = sorted({box.label for box in boxes})
    return {
        "source-ref": f"s3://{BUCKET}/{key}",
        "bounding-box": {
            "image_size": [{"width": 4200, "height": 300, "depth": 3}],
            "annotations": [
                {
                    "class_id": labels.index(box.label),
                    "left": box.left,
                    "top": box.top,
                    "width": box.width,
                    "height": box.height,
                }
                for box in boxes
            ],
        },
        "bounding-box-metadata": {
            "class-map": {str(number): label for number, label in enumerate(labels)},
            "type": "groundtruth/object-detection",
            "human-annotated": "yes",
            "creation-date": "2026-01-01T00:00:00",
            "objects": [{"confidence": 1} for _ in boxes],
        },
    }


def recut(bucket: DataBucket) -> originals.Cut:
    assert bucket.cutting
    return originals.recut(bucket.s3, bucket.table, BUCKET, original(bucket).sha256, bucket.cutting)


def original(bucket: DataBucket) -> CatalogueImage:
    [image] = [image for image in bucket.images() if image.is_original]
    return image


def tiles(bucket: DataBucket, status: str = "labelled") -> list[CatalogueImage]:
    return [image for image in bucket.images() if image.origin and image.status == status]


def objects(images: list[CatalogueImage]) -> set[Box]:
    """The objects of tiles, where they are in their original."""
    moved = set()
    for image in images:
        left, top, _, _ = map(int, image.origin.partition("#")[2].split(","))
        moved |= {replace(box, left=box.left + left, top=box.top + top) for box in image.boxes}
    return moved


def test_a_labelled_original_becomes_labelled_tiles(data_bucket: DataBucket) -> None:
    data = large(SEAM, FAR)
    data_bucket.upload_manifest("large.manifest", line(SEAM, FAR))
    outcome = data_bucket.upload(KEY, data)
    assert outcome.kind == "registered"
    whole = original(data_bucket)
    assert data_bucket.read(whole.key) == data, "the original is kept"
    assert whole.key == f"originals/{outcome.sha256}.png"
    assert (whole.status, whole.boxes) == ("original", (SEAM, FAR))
    labelled = tiles(data_bucket)
    assert outcome.labels_changed == len(labelled) == len(whole.tiles)
    assert {SEAM, FAR} <= objects(labelled), "each is whole in some tile"
    assert all(image.origin.startswith(whole.sha256) for image in labelled)
    assert all(image.manifest_entry(BUCKET) for image in labelled)
    for image in labelled:
        facts = image_files.inspect(data_bucket.read(image.key))
        assert (facts.width, facts.height, facts.sha256) == (image.width, image.height, image.sha256)
    assert not data_bucket.keys("incoming/annotations/large.png")
    assert not data_bucket.keys("rejected/")


def test_the_tiles_of_an_original_go_to_one_side_of_the_split(data_bucket: DataBucket) -> None:
    """Near-duplicates do, and for that all have its perceptual hash, or one that is not flat."""
    data_bucket.upload_manifest("large.manifest", line(SEAM, FAR))
    data_bucket.upload(KEY, large(SEAM, FAR))
    hashes = [int(image.perceptual_hash, 16) for image in tiles(data_bucket)]
    groups = near_duplicates.find(hashes)
    assert len(hashes) > 1
    assert {groups.first_of(position) for position in range(len(hashes))} == {0}


def test_labels_that_come_later_label_the_tiles(data_bucket: DataBucket) -> None:
    outcome = data_bucket.upload(KEY, large(SEAM, FAR))
    unlabelled = tiles(data_bucket, "unlabelled")
    assert sorted(outcome.unlabelled) == sorted(image.sha256 for image in unlabelled), "to be reviewed"
    assert len(unlabelled) == 5
    data_bucket.upload_manifest("large.manifest", line(SEAM, FAR))
    assert original(data_bucket).status == "uncut"
    assert recut(data_bucket).labels_changed
    assert {SEAM, FAR} <= objects(tiles(data_bucket))
    assert not tiles(data_bucket, "unlabelled"), "nobody is asked about what is known"
    assert recut(data_bucket) == originals.Cut(), "once is enough"


def test_other_labels_leave_no_tile_of_the_earlier_ones(data_bucket: DataBucket) -> None:
    data_bucket.upload_manifest("large.manifest", line(SEAM, FAR))
    data_bucket.upload(KEY, large(SEAM, FAR))
    data_bucket.upload_manifest("again.manifest", line(FAR))
    recut(data_bucket)
    assert FAR in objects(tiles(data_bucket))
    assert not any(box.label == "bolt" for box in objects(tiles(data_bucket)))
    data_bucket.upload_manifest("back.manifest", line(SEAM, FAR))
    recut(data_bucket)
    assert {SEAM, FAR} <= objects(tiles(data_bucket)), "also those that had been excluded"


def test_an_original_with_a_label_of_its_own_is_trained_with_scaled_down(data_bucket: DataBucket) -> None:
    data_bucket.upload("incoming/labeled/damaged/large.png", large())
    [tile] = tiles(data_bucket)
    assert (tile.kind, tile.labels) == ("classification", ("damaged",))
    assert tile.width == 1000, "of 4,200: as its overview is asked about"


def test_a_large_original_has_more_boxes_than_an_image_may(data_bucket: DataBucket) -> None:
    many = [Box("nut", 10 + 60 * n, 20, 20, 20) for n in range(69)]
    data_bucket.upload_manifest("large.manifest", line(*many))
    data_bucket.upload(KEY, large(*many))
    assert set(many) <= objects(tiles(data_bucket))
    small = "incoming/annotations/small.png"
    data_bucket.upload(small, picture(size=(400, 300)))
    boxes = {"image_size": [{"width": 400, "height": 300, "depth": 3}]}
    of_small = line(*[Box("nut", n, n, 20, 20) for n in range(51)], key=small)
    of_small["bounding-box"] |= boxes
    data_bucket.upload_manifest("small.manifest", of_small)
    [reason] = [key for key in data_bucket.keys("rejected/") if "small" in key]
    assert b"51 boxes; up to 50" in data_bucket.read(reason)


def test_a_person_s_answer_about_a_tile_outlives_an_earlier_annotation(data_bucket: DataBucket) -> None:
    data_bucket.upload(KEY, large(SEAM, FAR))
    [tile] = [image for image in tiles(data_bucket, "unlabelled") if image.origin.endswith("#0,0,1000,300")]
    own = Box("gear", 5, 5, 30, 30)
    data_bucket.upload_manifest("large.manifest", line(FAR))
    curation.relabel(data_bucket.table, tile.sha256, "detection", (), (own,), "ann")
    recut(data_bucket)
    assert data_bucket.image(tile.sha256).boxes == (own,)


def test_an_original_itself_is_not_curated(data_bucket: DataBucket) -> None:
    data_bucket.upload(KEY, large(SEAM))
    with pytest.raises(CatalogueError, match="too large to be trained with, and its 5 tiles"):
        curation.exclude(data_bucket.table, original(data_bucket).sha256, "ann")


def test_the_register_function_leaves_large_images_to_the_one_that_has_time(data_bucket: DataBucket) -> None:
    data_bucket.cutting = None
    arrival = data_bucket.put(KEY, large())
    assert data_bucket.register(arrival).kind == "oversized"
    assert data_bucket.keys("incoming/") == [KEY]


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_bomb_is_rejected(data_bucket: DataBucket) -> None:
    outcome = data_bucket.upload(KEY, bomb_png(12_000, 12_000))
    assert (outcome.kind, outcome.reason) == ("rejected", "too_large")
    assert "up to 100 million are cut into tiles" in data_bucket.reason("annotations/large.png")["detail"]


def test_an_original_that_comes_twice_is_one(data_bucket: DataBucket) -> None:
    data_bucket.upload(KEY, large(SEAM))
    before = data_bucket.images()
    assert data_bucket.upload("incoming/annotations/copy.png", large(SEAM)).kind == "duplicate"
    assert len(data_bucket.images()) == len(before)
