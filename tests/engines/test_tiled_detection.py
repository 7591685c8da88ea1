from __future__ import annotations

import time
from collections import deque
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from botocore.exceptions import ClientError
from PIL import Image

from lambdas.domain.engines import tiled_detection
from lambdas.domain.engines.tiled_detection import MAX_THROTTLED, TiledImage
from lambdas.domain.images.tiles import Tiling
from lambdas.domain.shared.annotation import Box
from tests.fixtures.coloured_objects import SeeingRekognition, scene
from tests.fixtures.images import encoded
from tests.fixtures.rekognition import error
from tests.fixtures.sleeping import sleeps

SEAM = Box("bolt", 1240, 100, 60, 50)
"""Cut off by the first tile's border."""
INSIDE = Box("nut", 3500, 10, 40, 30)
LARGE = Box("nut", 1500, 20, 1300, 260)


def tiled(boxes: list[Box], **tiling: Any) -> TiledImage:
    data = encoded(scene(4200, 300, boxes), "JPEG", quality=95)
    image = tiled_detection.open_file(BytesIO(data), len(data), Tiling(**tiling))
    assert image
    return image


def running() -> tuple[SeeingRekognition, str]:
    fake = SeeingRekognition()
    return fake, fake.add_version("v1", "RUNNING")


def pixels(labels: list[dict[str, Any]]) -> dict[str, list[int]]:
    return {
        label["label"]: [
            round(label["box"][side] * size)
            for side, size in (("left", 4200), ("top", 300), ("width", 4200), ("height", 300))
        ]
        for label in labels
    }


def test_objects_of_all_tiles_are_found_once_and_whole() -> None:
    fake, arn = running()
    seen = tiled_detection.detect(fake.engine, arn, tiled([SEAM, INSIDE]))
    places = pixels(seen.labels)
    assert len(seen.labels) == 2
    assert places["bolt"] == pytest.approx([1240, 100, 60, 50], abs=3)
    assert places["nut"] == pytest.approx([3500, 10, 40, 30], abs=3)
    assert seen.count == len(fake.sizes) == 5
    assert sorted(set(fake.sizes)) == [(1280, 91), (1280, 300)]


def test_an_object_larger_than_the_overlap_is_the_overviews() -> None:
    fake, arn = running()
    seen = tiled_detection.detect(fake.engine, arn, tiled([LARGE]))
    assert len(seen.labels) == 1
    assert pixels(seen.labels)["nut"] == pytest.approx([1500, 20, 1300, 260], abs=6)


def test_a_version_with_labels_of_the_whole_image_is_asked_once() -> None:
    fake, arn = running()
    fake.whole_label = "damaged"
    seen = tiled_detection.detect(fake.engine, arn, tiled([INSIDE]))
    assert (seen.count, fake.sizes) == (1, [(1280, 91)])
    assert seen.labels == [{"label": "damaged", "confidence": 90.0}]


def test_a_throttled_tile_is_asked_about_again(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = sleeps(monkeypatch)
    fake, arn = running()
    throttled = error("ProvisionedThroughputExceededException")
    fake.failures["detect_custom_labels"] = deque([throttled] * 4)
    assert len(tiled_detection.detect(fake.engine, arn, tiled([INSIDE])).labels) == 1
    assert len(slept) == 4


def test_a_version_that_has_no_time_for_long_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    sleeps(monkeypatch)
    fake, arn = running()
    throttled = error("ProvisionedThroughputExceededException")
    fake.failures["detect_custom_labels"] = deque([throttled] * 100)
    with pytest.raises(ClientError, match="ProvisionedThroughputExceeded"):
        tiled_detection.detect(fake.engine, arn, tiled([INSIDE]))
    assert len(fake.calls) == MAX_THROTTLED + 1, "the overview fails before any tile is asked about"


def test_nobody_is_more_patient_than_there_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = sleeps(monkeypatch)
    fake, arn = running()
    fake.failures["detect_custom_labels"] = deque([error("ProvisionedThroughputExceededException")] * 100)
    image = replace(tiled([INSIDE]), patient_until=time.monotonic() + 1.9)
    with pytest.raises(ClientError, match="ProvisionedThroughputExceeded"):
        tiled_detection.detect(fake.engine, arn, image)
    # The pauses are 0.5 to 1 seconds and twice as long each; they take no time here.
    assert 1 <= len(slept) <= 2


def test_no_tile_is_asked_about_after_one_has_failed() -> None:
    fake, arn = running()
    image = tiled([INSIDE], side=80, overlap=10)
    assert len(image.plan.tiles) > 100

    def stop(**request: Any) -> None:
        if len(fake.calls) == 3:
            fake.versions["v1"]["Status"] = "STOPPING"

    fake.finds = lambda version, key: stop() or []
    with pytest.raises(ClientError, match="ResourceNotReady"):
        tiled_detection.detect(fake.engine, arn, image)
    assert len(fake.calls) < 20


def test_an_image_within_the_limits_is_not_decoded() -> None:
    data = encoded(Image.new("RGB", (100, 100)), "JPEG")[:-20]
    assert tiled_detection.open_file(BytesIO(data), len(data), Tiling()) is None
