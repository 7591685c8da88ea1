from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lambdas.domain.images import tile_labels, tiles
from lambdas.domain.images.tile_labels import labelled_tiles
from lambdas.domain.images.tiles import Tile, TilePlan, Tiling
from lambdas.domain.shared.annotation import Box
from tests.fixtures.coloured_objects import scene
from tests.fixtures.images import encoded

SIDE, OVERLAP = 200, 60


def _plan(width: int = 700, height: int = 500) -> TilePlan:
    plan = tiles.plan(width, height, tiling=Tiling(SIDE, OVERLAP, tile=True))
    assert plan
    return plan


@given(
    st.floats(0, 1), st.floats(0, 1), st.integers(4, OVERLAP), st.integers(4, OVERLAP), st.floats(0.1, 0.9)
)
@settings(max_examples=50, deadline=None)
def test_every_tile_labels_or_hides_what_it_shows_of_an_object(
    x: float, y: float, width: int, height: int, share: float
) -> None:
    box = Box("bolt", int(x * (700 - width)), int(y * (500 - height)), width, height)
    chosen = labelled_tiles(_plan(), [box], share).tiles
    assert any(Box("bolt", 0, 0, box.width, box.height) == _at_zero(each.boxes) for each in chosen)
    for each in chosen:
        parts = [*each.boxes, *each.hidden]
        left, right = max(box.left, each.tile.left), min(box.left + width, each.tile.right)
        top, bottom = max(box.top, each.tile.top), min(box.top + height, each.tile.bottom)
        visible = max(0, right - left) * max(0, bottom - top)
        assert sum(part.width * part.height for part in parts) == visible
        assert bool(each.boxes) == (visible >= share * width * height and visible > 0)


def _at_zero(boxes: tuple[Box, ...]) -> Box | None:
    return Box(boxes[0].label, 0, 0, boxes[0].width, boxes[0].height) if boxes else None


def test_what_is_larger_than_the_overlap_is_learned_from_the_overview() -> None:
    large, small = Box("bolt", 100, 100, 400, 300), Box("nut", 600, 20, 40, 40)
    chosen = labelled_tiles(_plan(), [large, small]).tiles
    overview = next(each for each in chosen if each.tile == Tile(0, 0, 700, 500))
    assert overview.size == (200, 143)
    assert [box.label for box in overview.boxes] == ["bolt"]
    assert [box.label for box in overview.hidden] == ["nut"]
    inside = [each for each in chosen if each != overview and any(b.label == "bolt" for b in each.boxes)]
    assert not inside, "no tile shows half of it"
    assert all(sum(b.width * b.height for b in each.hidden) <= 20_000 for each in chosen)


def test_there_is_no_overview_of_small_objects() -> None:
    chosen = labelled_tiles(_plan(), [Box("nut", 600, 20, 40, 40)]).tiles
    assert all(each.size != (200, 143) for each in chosen)


def test_there_are_as_many_backgrounds_as_tiles_that_show_something() -> None:
    shown = labelled_tiles(_plan(), [Box("nut", 100, 300, 40, 40)]).tiles
    assert [bool(each.boxes) for each in shown] == [True, True, False, False]
    assert len(labelled_tiles(_plan(), []).tiles) == 1


def test_a_tile_with_too_many_objects_is_counted_and_left_out() -> None:
    many = [Box("nut", 5 + 15 * (n % 8), 5 + 15 * (n // 8), 10, 10) for n in range(51)]
    labelled = labelled_tiles(_plan(), many)
    assert labelled.too_full == 1
    assert all(len(each.boxes) <= 50 for each in labelled.tiles)


@pytest.mark.parametrize("turn", [1, 6])
def test_what_is_hidden_is_painted_over_where_nothing_else_is(turn: int) -> None:
    upright = scene(300, 100, [Box("bolt", 10, 10, 60, 60), Box("nut", 40, 40, 60, 40)])
    stored = upright.rotate(90, expand=True) if turn == 6 else upright
    tags = Image.Exif()
    tags[0x0112] = turn
    image = tiles.load(BytesIO(encoded(stored, "PNG", exif=tags)))
    hidden, shown = Box("bolt", 10, 10, 60, 60), Box("nut", 40, 40, 60, 40)
    data = tiles.cut(image, Tile(0, 0, 300, 100), hidden=[hidden], shown=[shown])
    pixels = np.asarray(Image.open(BytesIO(data)), np.int16)
    assert abs(pixels[20, 20] - pixels.reshape(-1, 3).mean(0)).max() < 40, "in the mean colour"
    assert pixels[60, 60, 2] > 180, "the other object stays"
    assert tile_labels.MIN_VISIBLE == 0.5
