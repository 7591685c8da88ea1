"""The generated pictures: the same for a seed, and labelled with what they show."""

from __future__ import annotations

import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image, ImageChops

from local import scenes
from local.scenes import Scene, SceneBox


def same(scene: Scene, other: Scene) -> bool:
    return (
        scene.name == other.name
        and scene.labels == other.labels
        and scene.boxes == other.boxes
        and scene.image.size == other.image.size
        and ImageChops.difference(scene.image, other.image).getbbox() is None
    )


def apart(box: SceneBox, other: SceneBox) -> bool:
    return (
        box.left + box.width < other.left
        or other.left + other.width < box.left
        or box.top + box.height < other.top
        or other.top + other.height < box.top
    )


@pytest.mark.long
@pytest.mark.parametrize("make", [scenes.detection_scenes, scenes.classification_scenes])
def test_a_seed_gives_the_same_scenes_and_another_seed_others(make: object) -> None:
    assert callable(make)
    first, again, other = list(make(4, 7)), list(make(4, 7)), list(make(4, 8))
    assert all(same(*pair) for pair in zip(first, again, strict=True))
    assert not any(same(*pair) for pair in zip(first, other, strict=True))


def test_more_scenes_begin_with_the_fewer() -> None:
    fewer, more = list(scenes.detection_scenes(2, 3)), list(scenes.detection_scenes(4, 3))
    assert same(fewer[1], more[1])


@pytest.mark.long
def test_detection_scenes_show_one_to_six_parts_inside_the_image() -> None:
    drawn = list(scenes.detection_scenes(30, 1))
    for scene in drawn:
        assert 320 <= scene.image.width <= 480 and 240 <= scene.image.height <= 360
        assert 1 <= len(scene.boxes) <= 6
        assert scene.labels == tuple(sorted({box.label for box in scene.boxes}))
        for box in scene.boxes:
            assert box.left >= 0 and box.left + box.width <= scene.image.width
            assert box.top >= 0 and box.top + box.height <= scene.image.height
            assert min(box.width, box.height) >= 15
    shown = Counter(box.label for scene in drawn for box in scene.boxes)
    assert set(shown) == set(scenes.DETECTION_LABELS)
    assert min(shown.values()) >= 10


def test_a_washer_fills_its_box_and_has_a_hole() -> None:
    scene, box = next(
        (scene, box)
        for scene in scenes.detection_scenes(30, 1)
        for box in scene.boxes
        if box.label == "washer" and all(other is box or apart(box, other) for other in scene.boxes)
    )
    pixels = np.asarray(scene.image.convert("RGB"), np.float32)
    row = pixels[box.top + box.height // 2, box.left : box.left + box.width]
    rim = row[round(box.width * 0.08)]
    hole = row[box.width // 2]
    assert abs(rim - hole).max() > 15
    assert abs(box.width - box.height) <= 2


@pytest.mark.long
def test_classification_labels_come_in_equal_counts() -> None:
    drawn = list(scenes.classification_scenes(12, 1))
    assert Counter(scene.labels for scene in drawn) == {(label,): 4 for label in scenes.CLASSIFICATION_LABELS}
    assert not any(scene.boxes for scene in drawn)


def test_names_tell_scenes_apart() -> None:
    drawn = [
        *scenes.detection_scenes(3, 1),
        *scenes.detection_scenes(3, 2),
        *scenes.classification_scenes(3, 1),
    ]
    assert len({scene.name for scene in drawn}) == 9


def test_jpeg_is_the_picture() -> None:
    scene = next(scenes.detection_scenes(1, 1))
    with Image.open(io.BytesIO(scene.jpeg())) as picture:
        assert picture.format == "JPEG"
        assert picture.size == scene.image.size


@pytest.mark.long
def test_mislabelled_scenes_have_the_same_boxes_and_no_right_label() -> None:
    right = [*scenes.detection_scenes(12, 1), *scenes.classification_scenes(6, 1)]
    wrong = list(scenes.mislabelled(right))
    given: set[tuple[str, str]] = set()
    for scene, other in zip(right, wrong, strict=True):
        assert other.image is scene.image
        for box, changed in zip(scene.boxes, other.boxes, strict=True):
            assert (box.left, box.top, box.width, box.height) == (
                changed.left,
                changed.top,
                changed.width,
                changed.height,
            )
            assert box.label != changed.label
            given.add((box.label, changed.label))
        if not scene.boxes:
            assert other.labels != scene.labels
            given.add((scene.labels[0], other.labels[0]))
    # Every wrong label is given, so that no exchange of names explains them.
    assert len(given) == 4 * 3 + 3 * 2
    assert [scene.labels for scene in scenes.mislabelled(right)] == [scene.labels for scene in wrong]
