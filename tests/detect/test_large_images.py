"""Images under detect/ that are too large for Rekognition, and are cut into tiles."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas.domain.detect import any_size, champion, detection
from lambdas.domain.detect.champion import Question
from lambdas.domain.detect.detection import Detected
from lambdas.domain.images import tiles
from lambdas.domain.images.tiles import Tiling
from lambdas.domain.shared.annotation import Box
from tests.fixtures.coloured_objects import SeeingRekognition, scene
from tests.fixtures.deployment import BUCKET, World
from tests.fixtures.images import bomb_png, encoded

KEY, RESULT = "detect/large.jpg", "results/large.jpg.json"
BOX = Box("bolt", 1240, 100, 60, 50)


def put(world: World, data: bytes) -> None:
    world.s3.put_object(Bucket=BUCKET, Key=KEY, Body=data)


def large(*boxes: Box) -> bytes:
    return encoded(scene(4200, 300, list(boxes)), "JPEG", quality=95)


def serve(world: World) -> SeeingRekognition:
    fake = SeeingRekognition()
    world.champion("v1")
    fake.versions = world.fake.versions
    return fake


def detect(world: World, fake: SeeingRekognition, **how: Any) -> Detected:
    return detection.detect_object(
        fake.engine,
        world.s3,
        world.loop_state,
        BUCKET,
        KEY,
        arrived_at="2026-01-01T10:00:00.000000Z",
        **how,
    )


def result(world: World) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(world.read(RESULT))
    return document


def test_a_large_image_is_answered_by_its_tiles(world: World) -> None:
    fake = serve(world)
    put(world, large(BOX))
    assert detect(world, fake).outcome == "detected"
    document = result(world)
    [label] = document["labels"]
    assert label["box"]["left"] * 4200 == pytest.approx(1240, abs=3)
    assert label["box"]["width"] * 4200 == pytest.approx(60, abs=3)
    assert document["detections"] == 5, "each is one that takes of the inference units' time"


def test_an_image_that_rekognition_takes_is_asked_about_once(world: World) -> None:
    fake = serve(world)
    put(world, encoded(scene(2000, 300, [BOX]), "JPEG"))
    assert detect(world, fake).outcome == "detected"
    assert "detections" not in result(world)
    assert fake.sizes == [(2000, 300)]


def test_small_objects_are_looked_for_in_tiles_where_that_is_asked_for(world: World) -> None:
    fake = serve(world)
    put(world, encoded(scene(2000, 300, [BOX]), "JPEG"))
    assert detect(world, fake, tiling=Tiling(tile=True)).outcome == "detected"
    assert result(world)["detections"] == 3


def test_a_large_image_waits_undecoded_while_the_champion_sleeps(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(world, large(BOX))
    monkeypatch.setattr(tiles, "load", None)
    assert detect(world, SeeingRekognition()).outcome == "waiting"


def test_one_that_cannot_be_cut_is_answered_with_what_helps(world: World) -> None:
    fake = serve(world)
    put(world, large(BOX))
    assert detect(world, fake, tiling=Tiling(max_pixels=1_000_000)).outcome == "unusable"
    document = result(world)
    assert document["error"] == "too_large"
    assert "up to 1 million are cut into tiles" in document["reason"]


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_bomb_is_refused_by_its_header(world: World) -> None:
    fake = serve(world)
    put(world, bomb_png(12_000, 12_000))
    assert detect(world, fake).outcome == "unusable"
    assert result(world)["error"] == "too_large"


def test_an_object_of_more_bytes_than_there_is_room_for_is_not_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = serve(world)
    put(world, large(BOX))
    monkeypatch.setattr(tiles, "MAX_FILE_BYTES", 1000)
    assert detect(world, fake).outcome == "unusable"
    assert result(world)["error"] == "too_many_bytes"


def test_an_image_of_more_tiles_than_there_is_time_for_says_what_helps(world: World) -> None:
    """Not at once: when many come together, each takes time from the others."""
    fake = serve(world)
    put(world, large(BOX))
    for failures in range(detection.MAX_FAILURES):
        assert detect(world, fake, deadline=0.0, failures=failures).outcome == "waiting"
        assert "no time for all 4 tiles; it is tried again" in result(world)["reason"]
        (image,) = world.loop_state.waiting_images(10)
        assert image.failures == failures + 1
    assert detect(world, fake, deadline=0.0, failures=detection.MAX_FAILURES).outcome == "unusable"
    assert result(world)["error"] == "too_many_tiles"
    assert "no time for all 4 tiles" in result(world)["reason"]
    assert "tile_side" in result(world)["help"]


def test_thresholds_hold_for_large_images(world: World) -> None:
    fake = serve(world)
    put(world, large(BOX))
    question = Question(min_confidence=50, label_thresholds={"bolt": 95})
    answer = any_size.ask_about(
        lambda image: champion.ask(fake.engine, world.loop_state, image, question),
        world.s3,
        {"Bucket": BUCKET, "Name": KEY},
        tiles.DEFAULT,
    )
    assert not answer.labels
    assert [label["label"] for label in answer.left_out] == ["bolt"]
    assert answer.detections == 10, "asked for the model's own thresholds, too, which are not known here"
