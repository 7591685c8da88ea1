"""Detections on images that are too large to be trained with are reviewed tile by tile."""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.images import tile_choice, tiles
from lambdas.domain.images.files import UnusableImageError
from lambdas.domain.images.tile_choice import Part
from lambdas.domain.images.tiles import Tile
from lambdas.domain.register import registration
from lambdas.domain.register.arrivals import Arrival
from lambdas.domain.register.originals import Cutting
from lambdas.domain.review.desk.task import Reason, Task
from lambdas.domain.review.task_opening import Seen
from lambdas.domain.shared.annotation import Box
from tests.fixtures.coloured_objects import scene
from tests.fixtures.deployment import BUCKET
from tests.fixtures.images import encoded
from tests.fixtures.reviews import Reviews

KEY = "detect/large.jpg"
SIZE = (4200, 1280)
ONE, OTHER = Box("bolt", 2000, 400, 80, 60), Box("nut", 4000, 900, 60, 60)


def seen(*sure: tuple[Box, float]) -> Seen:
    """Boxes with how sure the champion is of them."""
    labels = [
        {
            "label": box.label,
            "confidence": confidence,
            "box": {
                "left": box.left / SIZE[0],
                "top": box.top / SIZE[1],
                "width": box.width / SIZE[0],
                "height": box.height / SIZE[1],
            },
        }
        for box, confidence in sure
    ]
    return Seen(labels, "v1")


@pytest.fixture
def large(reviews: Reviews) -> bytes:
    data = encoded(scene(*SIZE, [ONE, OTHER]), "JPEG", quality=95)
    reviews.world.s3.put_object(Bucket=BUCKET, Key=KEY, Body=data)
    return data


def propose(reviews: Reviews, seen: Seen, reason: Reason = "low_confidence") -> list[Task]:
    arrival = Arrival(BUCKET, KEY, None, 0, "")
    return reviews.opener().open_detected(reviews.world.s3, arrival, reason, seen)


def picture_of(reviews: Reviews, task: Task) -> Image.Image:
    data = reviews.world.s3.get_object(Bucket=BUCKET, Key=task.key)["Body"].read()
    assert hashlib.sha256(data).hexdigest() == task.image
    return Image.open(BytesIO(data))


def test_the_tile_with_the_unsure_detection_is_reviewed(reviews: Reviews, large: bytes) -> None:
    (task,) = propose(reviews, seen((ONE, 51.0), (OTHER, 95.0)))
    image = catalogue_images.get_image(reviews.world.catalogue, task.image)
    assert image is not None
    original, _, place = image.origin.partition("#")
    left, top, width, height = map(int, place.split(","))
    assert original == hashlib.sha256(large).hexdigest()
    assert (task.width, task.height) == (width, height) == (1280, 1280)
    (suggested,) = task.suggestions.boxes
    assert suggested.box == Box("bolt", ONE.left - left, ONE.top - top, ONE.width, ONE.height)
    middle = (suggested.left + suggested.width // 2, suggested.top + suggested.height // 2)
    colour: Any = picture_of(reviews, task).getpixel(middle)
    assert colour[0] > 150, "the box lies on the object"
    assert colour[2] < 100
    assert reviews.world.keys("originals/") == [], "nothing else of it is registered"


def test_each_unsure_detection_has_its_tile_up_to_a_limit(reviews: Reviews, large: bytes) -> None:
    assert len(propose(reviews, seen((ONE, 51.0), (OTHER, 52.0)))) == 2
    boxes = [Box("bolt", left, 100, 50, 50) for left in (100, 1400, 2500, 3900)]
    assert len({tile_choice.MAX_PARTS, 3}) == 1
    plan = tiles.plan(*SIZE)
    assert plan
    labels = seen(*((box, 50.0) for box in boxes)).labels
    assert len(tile_choice.showing(plan, labels)) == tile_choice.MAX_PARTS


def test_what_the_threshold_leaves_out_is_what_the_champion_is_unsure_of(
    reviews: Reviews, large: bytes
) -> None:
    every = seen((ONE, 80.0), (OTHER, 70.0))
    (task,) = propose(reviews, Seen(every.labels, "v1", [every.labels[0]]))
    assert [box.box.label for box in task.suggestions.boxes] == ["bolt"]


def test_an_event_that_comes_twice_opens_no_second_task(reviews: Reviews, large: bytes) -> None:
    sees = seen((ONE, 51.0))
    assert len(propose(reviews, sees)) == 1
    assert propose(reviews, sees) == []
    assert len(propose(reviews, seen(), "sample")) <= 1
    assert propose(reviews, seen(), "sample") == []


def test_of_an_image_that_is_registered_with_its_labels_nobody_is_asked(
    reviews: Reviews, large: bytes
) -> None:
    world = reviews.world
    world.s3.put_object(Bucket=BUCKET, Key="incoming/labeled/bolt/large.jpg", Body=large)
    arrival = Arrival(BUCKET, "incoming/labeled/bolt/large.jpg", None, 0, "")
    registration.register_object(world.s3, world.catalogue, arrival, Cutting(tiles.DEFAULT))
    labelled = world.keys("images/")
    assert propose(reviews, seen((ONE, 51.0))) == []
    assert world.keys("images/") == labelled


def test_a_large_object_and_a_label_of_all_are_reviewed_in_the_overview(
    reviews: Reviews, large: bytes
) -> None:
    (task,) = propose(reviews, seen((Box("bolt", 1000, 200, 2000, 900), 51.0)))
    assert (task.width, task.height) == (1280, 390)
    (suggested,) = task.suggestions.boxes
    assert suggested.box.left == pytest.approx(1000 * 1280 / 4200, abs=1)
    plan = tiles.plan(*SIZE)
    assert plan and plan.overview
    (part,) = tile_choice.showing(plan, [{"label": "tray", "confidence": 51.0}])
    assert part == Part(Tile(0, 0, *SIZE), plan.overview)
    assert tile_choice.seen_in(plan, part, [{"label": "tray", "confidence": 51.0}])


def test_parts_of_objects_that_hardly_show_are_not_suggested() -> None:
    plan = tiles.plan(*SIZE)
    assert plan
    first = Part(plan.tiles[0], (1280, 1280))
    edge = seen((Box("bolt", 1240, 10, 100, 100), 51.0)).labels
    assert tile_choice.seen_in(plan, first, edge) == []
    inside = seen((Box("bolt", 1220, 10, 100, 100), 51.0)).labels
    (label,) = tile_choice.seen_in(plan, first, inside)
    assert label["box"]["left"] + label["box"]["width"] == pytest.approx(1)


def test_what_can_neither_be_trained_with_nor_cut_is_not_reviewed(reviews: Reviews) -> None:
    reviews.world.s3.put_object(Bucket=BUCKET, Key=KEY, Body=encoded(Image.new("RGB", (5000, 20)), "JPEG"))
    with pytest.raises(UnusableImageError):
        propose(reviews, seen())
